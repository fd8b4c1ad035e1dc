"""One detached process walks the queue: it starts each job when its device is free, and ends when nothing is left."""

import fcntl
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bloodcell.jobs.queue import QueueEntry, queue_folder, queue_locked, read_entries, started_now
from bloodcell.paths import home_folder
from bloodcell.training.device_lock import is_device_held, is_held
from bloodcell.training.process_folder import ProcessFolder, ProcessIdentity, process_start_time

POLL_SECONDS = 0.5
SOURCE = Path(__file__).resolve().parents[2]
"""Where `python -m bloodcell` finds the package."""
_SURE_SECONDS = 2.0
"""A look at the worker's lock holds it for a moment; only a worker holds it longer."""
_START_SECONDS = 5.0
"""Within which a worker has taken its lock; a quarter of a second on an idle machine."""

logger = logging.getLogger(__name__)
_Children = dict[int, "subprocess.Popen[bytes]"]
_starting = threading.Lock()
_workers: list["_StartedWorker"] = []
"""Those that this process started and that live."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _StartedWorker:
    process: "subprocess.Popen[bytes]"
    lock: Path
    """Of the queue that it walks."""
    at: float
    """Monotonic seconds."""

    def is_on_its_way_to(self, lock: Path) -> bool:
        """Tell whether it may still be about to take this lock; another one would start for nothing."""
        is_young = time.monotonic() - self.at < _START_SECONDS
        return is_young and self.lock == lock and _last_holder(lock) != self.process.pid


def ensure_worker() -> None:
    """Make sure that a worker lives while there are jobs; it outlives whoever asked for it.

    Raises:
        OSError: the queue's folder cannot be used, or no process started.
    """
    with _starting:
        _workers[:] = [started for started in _workers if started.process.poll() is None]
        lock = _worker_lock()
        if any(started.is_on_its_way_to(lock) for started in _workers):
            return
        if not is_held(lock) and read_entries():
            process = _start_process(["work"], queue_folder() / "worker.log")
            _workers.append(_StartedWorker(process=process, lock=lock, at=time.monotonic()))


def work(*, poll_seconds: float = POLL_SECONDS) -> bool:
    """Walk the queue until nothing waits or runs; return False where another process walks it."""
    queue_folder().mkdir(parents=True, exist_ok=True)
    children: _Children = {}
    with _worker_lock().open("a+") as stream:
        while _acquired(stream):
            stream.truncate(0)
            stream.write(str(os.getpid()))
            stream.flush()
            while _walk(children):
                time.sleep(poll_seconds)
            fcntl.flock(stream, fcntl.LOCK_UN)
            # Who handed a job in just before the release saw a worker and started none.
            if not read_entries():
                return True
    return False


def last_words(log: Path) -> str:
    """Return the last line of a log that says something, without the program's name."""
    try:
        lines = [line for line in log.read_bytes()[-4000:].decode(errors="replace").splitlines() if line.strip()]
    except OSError:
        lines = []
    return lines[-1].removeprefix("bloodcell: ").strip() if lines else "it said nothing"


def log_of(entry: QueueEntry) -> Path:
    """Return the file that takes what a job prints."""
    return entry.folder / ("train.log" if entry.argv[0] == "train" else "job.log")


def _walk(children: _Children) -> bool:
    """Settle what has ended, start what can start; return whether anything waits or runs."""
    entries = read_entries()
    busy = set()
    for entry in entries:
        if entry.is_alive():
            busy.add(entry.device)
        elif entry.started is not None:
            _settle(entry, children)
    for entry in entries:
        if entry.started is None and entry.device not in busy:
            busy.add(entry.device)
            if not is_device_held(entry.device):
                _start(entry, children)
    return bool(entries)


def _start(entry: QueueEntry, children: _Children) -> None:
    try:
        with queue_locked():
            if not entry.path.exists():
                return
            with entry.lock.open("w") as stream:
                fcntl.flock(stream, fcntl.LOCK_EX)
                started_now(entry).write()
                # The process inherits the lock, and with it the place on its device, before this one can be killed.
                child = _start_process(_command_of(entry), log_of(entry), inherited=stream)
            children[entry.id] = child
            start_time = process_start_time(child.pid) or time.time()
            started_now(entry, ProcessIdentity(pid=child.pid, start_time=start_time)).write()
    except OSError:
        logger.exception("job %d cannot be started", entry.id)


def _settle(entry: QueueEntry, children: _Children) -> None:
    """Take a job out of the queue whose process has ended; where it could not say how, say it in its place."""
    child = children.pop(entry.id, None)
    failed = child is not None and child.wait() > 0
    files = ProcessFolder(entry.folder)
    try:
        with queue_locked():
            # Otherwise it was handed in anew, or deleted, by now.
            if entry.path.exists():
                if failed and not files.outcome.exists() and not files.stop.exists():
                    files.write_outcome("failed", last_words(log_of(entry)))
                entry.remove()
    except OSError:
        logger.exception("job %d cannot be settled", entry.id)


def _command_of(entry: QueueEntry) -> Sequence[str]:
    return entry.argv if entry.argv[0] == "train" else ("work", "--job", str(entry.id))


def _start_process(argv: Sequence[str], log: Path, inherited: IO[str] | None = None) -> "subprocess.Popen[bytes]":
    """Start a command in a session of its own, so that no end of this process or its terminal ends it."""
    environment = {**os.environ, "BLOODCELL_HOME": str(home_folder().resolve()), "PYTHONUNBUFFERED": "1"}
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "bloodcell", *argv],
            cwd=SOURCE,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            pass_fds=() if inherited is None else (inherited.fileno(),),
        )


def _acquired(stream: IO[str]) -> bool:
    """Take the worker's lock; give up where another process keeps it."""
    deadline = time.monotonic() + _SURE_SECONDS
    while True:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
        time.sleep(0.05)


def _last_holder(lock: Path) -> int | None:
    """Return the number of the process that took a worker's lock last; None where none has."""
    try:
        text = lock.read_text()
    except FileNotFoundError:
        return None
    return int(text) if text.isdecimal() else None


def _worker_lock() -> Path:
    return queue_folder() / "worker.lock"
