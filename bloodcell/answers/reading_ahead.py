"""Sources of images, and groups of them that are read while a model works."""

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageSource:
    """An image that can be read when its turn comes."""

    name: str
    """What stands in the CSV's `file` column."""
    read: Callable[[], bytes]
    """Return the file's bytes. Raises UnreadableImage or OSError where they cannot be had."""


def read_ahead(
    sources: Iterable[ImageSource], pool: ThreadPoolExecutor, group_size: int
) -> Iterator[list[tuple[ImageSource, "Future[bytes]"]]]:
    """Yield groups of sources; those of the group behind are being read already."""
    remaining = iter(sources)
    waiting: deque[list[tuple[ImageSource, Future[bytes]]]] = deque()
    while True:
        while len(waiting) < 2 and (group := list(itertools.islice(remaining, group_size))):
            waiting.append([(source, pool.submit(source.read)) for source in group])
        if not waiting:
            return
        yield waiting.popleft()
