"""Signs of life, and how old they are, without the wall clock: it may be set, and machines do not agree on it."""

import math
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from bloodcell.processes.process_identity import boot_id

Result = TypeVar("Result")
HEARTBEAT_SECONDS = 2.0
"""Between two signs of life of a process that works."""
_WATCHED = 1000
"""Files that are remembered at most."""


def now() -> dict[str, Any]:
    """Return this moment for a file: wall time for people, and the boot's own clock, which nobody can set."""
    return {"heartbeat": time.time(), "heartbeat_boot_id": boot_id(), "heartbeat_monotonic": time.monotonic()}


def age_seconds(values: Mapping[str, Any]) -> float | None:
    """Return how old a moment of `now` is; sleep of the machine does not count.

    Returns:
        None where it is of another machine or boot, or damaged: its clock tells nothing here.
    """
    at = values.get("heartbeat_monotonic")
    if not isinstance(at, int | float) or not math.isfinite(at):
        return None
    if not boot_id() or values.get("heartbeat_boot_id") != boot_id():
        return None
    return max(0.0, time.monotonic() - at)


def paced(act: Callable[[], Result], *, seconds: float, otherwise: Result) -> Callable[[], Result]:
    """Return a function that acts at most every so many seconds, and returns `otherwise` in between."""
    last = -math.inf

    def act_now_and_then() -> Result:
        nonlocal last
        if time.monotonic() - last < seconds:
            return otherwise
        last = time.monotonic()
        return act()

    return act_now_and_then


class Watch:
    """Remembers the last sign of life of other machines' processes, and when this process saw it first."""

    def __init__(self) -> None:
        self._seen: dict[Path, tuple[object, float, bool]] = {}
        self._lock = threading.Lock()

    def look(self, path: Path, sign: object) -> tuple[float, bool]:
        """Return for how many seconds a sign has been seen unchanged, and whether it changed under these eyes."""
        moment = time.monotonic()
        with self._lock:
            before = self._seen.pop(path, None)
            entry = before if before is not None and before[0] == sign else (sign, moment, before is not None)
            self._seen[path] = entry
            if len(self._seen) > _WATCHED:
                del self._seen[next(iter(self._seen))]
        return moment - entry[1], entry[2]
