"""The lock of the queue's worker, and what it says of itself in the lock's file: a worker that hangs is replaced."""

import json
import os
import signal
import time
from pathlib import Path
from typing import IO, Any

from bloodcell.jobs.queue import queue_folder
from bloodcell.json_objects import read_json_object
from bloodcell.processes import heartbeat
from bloodcell.processes.file_lock import is_held
from bloodcell.processes.process_identity import current_process, is_command, signal_holder

HANGS_AFTER_SECONDS = 30.0
"""A worker looks after its queue twice a second; starting a job takes it moments."""
_ROOM = 600
"""Bytes of the lock's file: always as many, so that a full disk keeps no worker from its sign of life."""
_END_SECONDS = 2.0


def worker_lock() -> Path:
    """Return the file whose lock the worker of this home's queue holds."""
    return queue_folder() / "worker.lock"


def write_sign(stream: IO[str]) -> None:
    """Write into the lock's open file who holds it, and that it lives."""
    text = json.dumps({**current_process().to_dict(), **heartbeat.now()})
    os.pwrite(stream.fileno(), f"{text[: _ROOM - 1]:<{_ROOM - 1}}\n".encode(), 0)


def last_holder(lock: Path) -> int | None:
    """Return the number of the process that took a worker's lock last; None where none has."""
    pid = _read_sign(lock).get("pid")
    return pid if isinstance(pid, int) else None


def end_hung_worker(lock: Path) -> str:
    """Kill the worker that holds a lock and gives no sign of life, so that another one can take its place.

    Returns:
        Why it is still there, as a sentence; empty where none hangs, or none any more.
    """
    sign = _read_sign(lock)
    age = heartbeat.age_seconds(sign)
    if age is None or age < HANGS_AFTER_SECONDS:
        return ""
    signal_holder(lock, signal.SIGKILL, is_meant=is_command("work"))
    deadline = time.monotonic() + _END_SECONDS
    while is_held(lock):
        if time.monotonic() > deadline:
            return (
                f"Jobs cannot start: the process that starts them (number {sign.get('pid')} on {sign.get('host')}) has "
                f"given no sign of life for {age:.0f} s and cannot be ended from here. End it there."
            )
        time.sleep(0.02)
    return ""


def _read_sign(lock: Path) -> dict[str, Any]:
    try:
        return read_json_object(lock, most_bytes=10 * _ROOM)
    except (OSError, ValueError):
        return {}
