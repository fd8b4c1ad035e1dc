"""Memory that was freed, given back to the system; for a server, which lives for days and decodes large pictures."""

import ctypes
import functools
import sys

from PIL import Image

BLOCK_BYTES = 2**28
"""A decoded picture in one block: the largest that the program reads takes 100 MB. glibc gives such a block its own
mapping, and gives it back as soon as it is freed. Pillow asks for 16 MB at a time, which stay."""
ARENAS = 2
"""Heaps that threads share. With one of its own for every thread each keeps its largest moment."""
_M_ARENA_MAX = -8
"""glibc's number of the setting (malloc.h)."""


@functools.cache
def give_back_freed_memory() -> bool:
    """Let Pillow and glibc give freed memory back. Results and speed do not change; telling it again changes nothing.

    Returns:
        Whether glibc was told; False without glibc.
    """
    Image.core.set_block_size(BLOCK_BYTES)  # type: ignore[attr-defined]
    if sys.platform != "linux":
        return False
    library = ctypes.CDLL(None)
    return hasattr(library, "gnu_get_libc_version") and library.mallopt(_M_ARENA_MAX, ARENAS) == 1
