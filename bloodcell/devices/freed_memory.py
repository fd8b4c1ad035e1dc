"""Memory that was freed, given back to the system; for a server, which lives for days and decodes large pictures."""

import ctypes
import functools
import sys

from PIL import Image

BLOCK_BYTES = 2**28
"""A decoded picture in one block, and above 32 MB in a mapping of its own that goes back as soon as it is freed. Pillow
asks for 16 MB at a time otherwise, which stay."""
ARENAS = 2
"""Heaps that threads share. With one of its own for every thread each keeps its largest moment."""
_M_ARENA_MAX = -8
"""glibc's number of the setting (malloc.h)."""


@functools.cache
def _glibc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None


@functools.cache
def keep_little_freed_memory() -> bool:
    """Let Pillow and glibc keep less of what is freed. Results and speed do not change; once per process is enough.

    Returns:
        Whether glibc was told; False without glibc.
    """
    Image.core.set_block_size(BLOCK_BYTES)  # type: ignore[attr-defined]
    library = _glibc()
    return library is not None and library.mallopt(_M_ARENA_MAX, ARENAS) == 1


def give_back_freed_memory() -> None:
    """Give back what is free by now, after much work; some milliseconds. Without glibc nothing happens."""
    if (library := _glibc()) is not None:
        library.malloc_trim(0)
