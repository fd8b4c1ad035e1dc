"""The process of a queued command that is no training: it runs the command and writes down how that ended."""

import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from types import FrameType

from bloodcell.errors import RunFolderError
from bloodcell.jobs.queue import NO_DEVICE, read_entries
from bloodcell.jobs.worker import last_words, log_of
from bloodcell.training.device_lock import device_locked
from bloodcell.training.process_folder import ProcessFolder


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
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        files.write_process({})
        with nullcontext() if entry.device == NO_DEVICE else device_locked(entry.device, entry.folder, wait=True):
            status = run(entry.argv)
    except KeyboardInterrupt:
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


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
