"""The process of a queued command that is no training: it runs the command and writes down how that ended."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import FrameType

from bloodcell.errors import DeviceBusy, RunFolderError
from bloodcell.jobs.queue import NO_DEVICE, QueueEntry, read_entries
from bloodcell.jobs.worker import last_words, log_of
from bloodcell.processes.device_lock import device_locked
from bloodcell.processes.process_folder import ProcessFolder

_OBEDIENT = ("train", "ablate")
"""Commands that look for stop.json themselves, and must not be interrupted while they write."""
_LOOK_SECONDS = 1.0
_interrupted = threading.Event()


def run_queued_command(entry_id: int, run: Callable[[Sequence[str]], int]) -> int:
    """Run the command of an entry in this process, with its device's lock held; return the exit status.

    Args:
        run: the command line; takes the arguments, returns the exit status.

    Raises:
        RunFolderError: no such job is in the queue.
    """
    entry = next((entry for entry in read_entries() if entry.id == entry_id), None)
    if entry is None:
        raise RunFolderError(f"No job {entry_id} is in the queue.")
    files = ProcessFolder(entry.folder)
    with files.locked():
        return _run_and_record(entry, files, run)


def _run_and_record(entry: QueueEntry, files: ProcessFolder, run: Callable[[Sequence[str]], int]) -> int:
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        files.write_process({})
        threading.Thread(target=_obey, args=(files, entry.argv[0] in _OBEDIENT), daemon=True).start()
        with nullcontext() if entry.device == NO_DEVICE else _device_of(entry, files):
            status = run(entry.argv)
    except (KeyboardInterrupt, DeviceBusy):  # who waits for a device is refused only by a stop
        status = 1
    except SystemExit as end:  # argparse refuses arguments in this way
        status = end.code if isinstance(end.code, int) else 1
    if status == 0:
        files.write_outcome("finished", "")
    elif files.stop.exists():
        files.write_outcome("stopped", "it was asked to stop")
    else:
        sys.stderr.flush()
        files.write_outcome("failed", last_words(log_of(entry)))
    return status


def _device_of(entry: QueueEntry, files: ProcessFolder) -> AbstractContextManager[None]:
    return device_locked(entry.device, entry.folder, wait=True, should_stop=files.stop.exists)


def _interrupt(number: int, frame: FrameType | None) -> None:
    _interrupted.set()
    raise KeyboardInterrupt


def _obey(files: ProcessFolder, looks_itself: bool) -> None:
    """Interrupt this process once stop.json is there: who asks for a stop may be unable to signal it."""
    while not looks_itself and not _interrupted.wait(_LOOK_SECONDS):
        if files.stop.exists():
            return os.kill(os.getpid(), signal.SIGTERM)
