"""A device trains one run at a time: the training process itself holds the device's lock, which ends with it."""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from bloodcell.errors import DeviceBusy
from bloodcell.paths import home_folder
from bloodcell.processes.file_lock import GRACE_SECONDS, is_held

_POLL_SECONDS = 0.1

_held: dict[Path, int] = {}
"""How often this process holds a lock."""


def device_name(wanted: str) -> str:
    """Return the name of the device that 'auto', 'cpu' or 'cuda' means here: 'cpu' or 'cuda-N'.

    Raises:
        BloodcellError: a GPU is asked for and torch sees none.
    """
    if wanted == "cpu":
        return "cpu"
    from bloodcell.devices.precision import pick_device  # torch takes seconds, and the queue must not wait for it

    if pick_device(wanted).type == "cpu":
        return "cpu"
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "").partition(",")[0].strip()
    return f"cuda-{first if first.isalnum() else 0}"


@contextlib.contextmanager
def device_locked(
    device: str, holder: Path, *, wait: bool = False, should_stop: Callable[[], bool] = lambda: False
) -> Iterator[None]:
    """Hold a device for this process; the lock ends with the process, however that ends.

    A process that holds it already holds it once more: who trains many runs in one go takes the lock around all of
    them, and nobody comes between two.

    Args:
        device: as `device_name` returns it.
        holder: folder of the work, told to those who are refused.
        wait: wait until the device is free instead of refusing.
        should_stop: asked while waiting.

    Raises:
        DeviceBusy: another process holds it; or a stop was asked for while waiting.
    """
    path = lock_path(device)
    if path in _held:
        _held[path] += 1
        try:
            yield
        finally:
            _held[path] -= 1
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as stream:
        _acquire(stream, device, wait=wait, should_stop=should_stop)
        stream.truncate(0)
        stream.write(f"process {os.getpid()} in {holder}")
        stream.flush()
        _held[path] = 1
        try:
            yield
        finally:
            del _held[path]


def is_device_held(device: str) -> bool:
    """Tell whether a process holds a device now."""
    return is_held(lock_path(device))


def lock_path(device: str) -> Path:
    """Return the file whose lock stands for a device."""
    return home_folder().resolve() / "locks" / f"{device}.lock"


def _acquire(stream: TextIO, device: str, *, wait: bool, should_stop: Callable[[], bool]) -> None:
    began = time.monotonic()
    while True:
        try:
            return fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if should_stop():
                raise DeviceBusy(f"A stop was asked for while {device} was busy.") from error
            if not wait and time.monotonic() - began > GRACE_SECONDS:
                stream.seek(0)
                raise DeviceBusy(
                    f"{device} trains already: {stream.read()}. Wait until that ends (--wait does), or stop it."
                ) from error
        time.sleep(_POLL_SECONDS)
