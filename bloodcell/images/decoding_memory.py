"""One budget of memory for everything that this process decodes: who finds it spent waits, in order of arrival."""

import contextlib
import threading
from collections import deque
from collections.abc import Iterator

from bloodcell.errors import UnreadableImage
from bloodcell.images.limits import TOO_MANY_SAMPLES

BYTES_PER_PIXEL = 20
"""Of a picture of 8 bits: the decoder's own, RGB, and what colour profiles and transparency need beside them."""
DECODING_BYTES = 700_000_000
"""Of all pictures that are decoded at one time."""
MAXIMUM_SAMPLE_BYTES = 320_000_000
"""Of one picture's samples as the file has them; 25 million pixels of three floats fit."""


class DecodingBudget:
    """Bytes that decoders share. Safe in threads."""

    def __init__(self, total_bytes: int) -> None:
        self.total_bytes = total_bytes
        self.held_bytes = 0
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition()
        self._kept = threading.local()

    @contextlib.contextmanager
    def held(self, needed_bytes: int) -> Iterator[None]:
        """Hold a part of the budget, waiting for it in order of arrival; who needs more than all gets all.

        A thread must not ask again while it holds a part, except for one that it only keeps.
        """
        is_kept = self._give_back_kept()
        needed, ticket = min(needed_bytes, self.total_bytes), object()
        with self._changed:
            self._waiting.append(ticket)
            try:
                self._changed.wait_for(
                    lambda: self._waiting[0] is ticket and self.held_bytes + needed <= self.total_bytes
                )
                self.held_bytes += needed
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()
        try:
            yield
        finally:
            if is_kept:
                self._kept.bytes = needed
            else:
                self._give_back(needed)

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Let this thread keep the part that it held last until the end, for what it makes of the picture."""
        self._kept.bytes = 0
        try:
            yield
        finally:
            self._give_back(self._kept.bytes)
            del self._kept.bytes

    def _give_back_kept(self) -> bool:
        """Give back what this thread keeps; return whether it keeps parts at all."""
        if not hasattr(self._kept, "bytes"):
            return False
        self._give_back(self._kept.bytes)
        self._kept.bytes = 0
        return True

    def _give_back(self, held_bytes: int) -> None:
        with self._changed:
            self.held_bytes -= held_bytes
            self._changed.notify_all()


_BUDGET = DecodingBudget(DECODING_BYTES)


def memory_for_picture(width: int, height: int, pictures: int = 1) -> contextlib.AbstractContextManager[None]:
    """Hold the memory that a picture of 8 bits is decoded in; of several at one time, `pictures` of them."""
    return _BUDGET.held(width * height * BYTES_PER_PIXEL * pictures)


def memory_for_samples(sample_bytes: int, pixels: int) -> contextlib.AbstractContextManager[None]:
    """Hold the memory for samples as a file has them, twice, as a strip may hold them all, and for the picture.

    Raises:
        UnreadableImage: they are more than `MAXIMUM_SAMPLE_BYTES`.
    """
    if sample_bytes > MAXIMUM_SAMPLE_BYTES:
        raise UnreadableImage(TOO_MANY_SAMPLES)
    return _BUDGET.held(2 * sample_bytes + BYTES_PER_PIXEL * pixels)


def memory_kept() -> contextlib.AbstractContextManager[None]:
    """Let this thread keep the memory of the picture that it decodes until the end, for what it makes of it.

    A decoded picture of 25 million pixels takes 75 MB, and resizing it as much again: without this, as many of them as
    there are threads would stand beside those that are being decoded.
    """
    return _BUDGET.kept()
