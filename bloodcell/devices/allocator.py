"""Memory that is freed and asked for again at every step, kept in the process instead of given back in between."""

import ctypes
import sys

import torch

_SETTINGS: dict[str, tuple[int, int]] = {
    "M_MMAP_MAX": (-4, 0),
    "M_TRIM_THRESHOLD": (-1, 2**31 - 1),
    "M_TOP_PAD": (-2, 64 * 2**20),
}
"""glibc's number of each setting (malloc.h) and its value: no block by a mapping of its own, nothing given back,
and the bytes that are asked of the kernel at once."""


def keep_freed_memory(device: str | None) -> bool:
    """Tell glibc to keep freed memory; for a process that computes on the processor and then ends.

    glibc maps every large block anew and unmaps it when it is freed, so at each step the kernel clears the same pages
    once more: two fifths of a training step at 256 px, a sixth of `classify` (two EPYC
    cores, November 2026). Results do not change. Servers and other
    people's programs must not call this: they would never return the memory of their largest moment.

    Args:
        device: that is asked for; where there is a GPU only 'cpu' means the processor.

    Returns:
        Whether it was told; False on a GPU and without glibc, where nothing changes.
    """
    if sys.platform != "linux" or (device != "cpu" and torch.cuda.is_available()):
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    return all(library.mallopt(number, value) == 1 for number, value in _SETTINGS.values())
