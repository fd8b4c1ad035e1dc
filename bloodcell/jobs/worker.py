"""One detached process walks the queue: it starts each job when its device is free, and ends when nothing is left."""

import errno
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

from bloodcell.errors import BloodcellError
from bloodcell.jobs.ending import kill_unless_it_stops
from bloodcell.jobs.queue import (
    QueueEntry,
    queue_folder,
    queue_locked,
    read_entries,
    read_entry,
    set_unreadable_aside,
    started_now,
)
from bloodcell.jobs.worker_lock import end_hung_worker, last_holder, worker_lock, write_sign
from bloodcell.paths import home_folder
from bloodcell.processes.device_lock import is_device_held
from bloodcell.processes.file_lock import is_held, taken
from bloodcell.processes.process_folder import ProcessFolder
from bloodcell.processes.process_identity import identity_of

POLL_SECONDS = 0.5
SOURCE = Path(__file__).resolve().parents[2]
"""Where `python -m bloodcell` finds the package."""
_SURE_SECONDS = 2.0
"""A look at the worker's lock holds it for a moment; only a worker holds it longer."""
_START_SECONDS = 5.0
"""Within which a worker has taken its lock; a quarter of a second on an idle machine."""
_PASSING = (errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EAGAIN, errno.EMFILE, errno.ENFILE)
"""Errors that keep a job from starting for a while; it goes on waiting."""

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
        return is_young and self.lock == lock and last_holder(lock) != self.process.pid


def ensure_worker() -> str:
    """Make sure that a worker lives while there are jobs; it outlives whoever asked for it. One that hangs is replaced.

    Returns:
        Why jobs cannot start for now, as a sentence; empty where they can.

    Raises:
        OSError: the queue's folder cannot be used, or no process started.
        RunFolderError: the file system has no locks.
    """
    with _starting:
        _workers[:] = [started for started in _workers if started.process.poll() is None]
        lock = worker_lock()
        if any(started.is_on_its_way_to(lock) for started in _workers):
            return ""
        if is_held(lock) and (problem := end_hung_worker(lock)):
            return problem
        if not is_held(lock) and read_entries():
            process = _start_process(["work"], queue_folder() / "worker.log")
            _workers.append(_StartedWorker(process=process, lock=lock, at=time.monotonic()))
        return ""


def work(*, poll_seconds: float = POLL_SECONDS) -> bool:
    """Walk the queue until nothing waits or runs; return False where another process walks it."""
    queue_folder().mkdir(parents=True, exist_ok=True)
    children: _Children = {}
    with os.fdopen(os.open(worker_lock(), os.O_RDWR | os.O_CREAT, 0o666), "r+") as stream:
        while taken(stream, seconds=_SURE_SECONDS):
            write_sign(stream)
            while _walk(children):
                time.sleep(poll_seconds)
                write_sign(stream)
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
    """Settle what has ended, start what can start; return whether anything waits or runs.

    What is wrong with one job is logged and keeps no other one from its turn.
    """
    set_unreadable_aside()
    entries = read_entries()
    busy = set()
    for entry in entries:
        try:
            if entry.is_alive():
                busy.add(entry.device)
                kill_unless_it_stops(ProcessFolder(entry.folder), entry)
            elif entry.started is not None:
                _settle(entry, children)
        except (BloodcellError, OSError):
            logger.exception("job %d cannot be looked after", entry.id)
    for entry in entries:
        if entry.started is None and entry.device not in busy:
            try:
                if is_device_held(entry.device) or _start(entry, children):
                    busy.add(entry.device)
            except (BloodcellError, OSError):
                logger.exception("job %d cannot be started", entry.id)
    return bool(entries)


def _start(entry: QueueEntry, children: _Children) -> bool:
    """Start a job; return whether it runs now. One that can never start is taken out of the queue."""
    with queue_locked():
        # It may have been taken out, or started by a worker that was thought to be dead, since it was read.
        now = read_entry(entry.path)
        if now is None or now.started is not None:
            return now is not None
        with entry.lock.open("w") as stream:
            if not taken(stream, seconds=0):
                return True
            started_now(entry).write()
            try:
                # The process inherits the lock, and with it the place on its device, before this one can be killed.
                child = _start_process(_command_of(entry), log_of(entry), inherited=stream)
            except OSError as error:
                _take_back(entry, error)
                return False
        children[entry.id] = child
        started_now(entry, identity_of(child.pid)).write()
    return True


def _take_back(entry: QueueEntry, error: OSError) -> None:
    """Let a job wait on that could not be started for now; end one that never can."""
    if error.errno in _PASSING:
        entry.write()
        return
    logger.warning("job %d cannot be started: %s", entry.id, error)
    if entry.folder.is_dir():
        words = f"it could not be started: {error.strerror} ({error.filename}); see to that, then resume it"
        ProcessFolder(entry.folder).write_outcome("failed", words)
    entry.remove()


def _settle(entry: QueueEntry, children: _Children) -> None:
    """Take a job out of the queue whose process has ended; where it could not say how, say it in its place."""
    child = children.pop(entry.id, None)
    failed = child is not None and _exit_status(child) > 0
    files = ProcessFolder(entry.folder)
    with queue_locked():
        # Otherwise it was handed in anew, or deleted, by now.
        if entry.path.exists():
            if failed and not files.outcome.exists() and not files.stop.exists() and files.path.is_dir():
                files.write_outcome("failed", last_words(log_of(entry)))
            entry.remove()


def _exit_status(child: "subprocess.Popen[bytes]") -> int:
    """Return how a process ended that has given its lock back; 0 where it takes its time to end."""
    try:
        return child.wait(timeout=_SURE_SECONDS)
    except subprocess.TimeoutExpired:
        return 0


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
