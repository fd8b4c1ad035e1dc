"""How a job is ended that does not end by itself: asked first, killed where it does not listen, and nobody else hit."""

import signal

from bloodcell.jobs.queue import QueueEntry
from bloodcell.processes import heartbeat
from bloodcell.processes.process_folder import ProcessFolder
from bloodcell.processes.process_identity import is_command, signal_holder

KILL_AFTER_SECONDS = 60.0
"""Without a sign of life after a stop was asked for. A training tells of itself every two seconds, also while it
validates; a single step of large images takes some ten on two cores."""

_OURS = is_command("train", "ablate", "work")


def ask(files: ProcessFolder, entry: QueueEntry | None) -> bool:
    """Ask the process that works in a folder to stop; return whether it could be told at once.

    Where it is of another container, machine or user, it finds stop.json by itself.
    """
    files.ask_to_stop()
    return _signal(files, entry, signal.SIGTERM)


def does_not_stop(files: ProcessFolder) -> bool:
    """Tell whether a stop was asked for long ago and the process gives no sign of life since."""
    asked = files.stop_age_seconds()
    if asked is None or asked < KILL_AFTER_SECONDS:
        return False
    silent = heartbeat.age_seconds(files.read_status() or {})
    return silent is None or silent >= KILL_AFTER_SECONDS


def kill_unless_it_stops(files: ProcessFolder, entry: QueueEntry | None) -> bool:
    """Kill the process that works in a folder if it was asked to stop and does not; return whether it was killed."""
    if not files.stop.exists() or not does_not_stop(files):
        return False
    files.note_kill()
    return _signal(files, entry, signal.SIGKILL)


def _signal(files: ProcessFolder, entry: QueueEntry | None, number: signal.Signals) -> bool:
    locks = [files.lock, *([] if entry is None else [entry.lock])]
    # One that holds both locks is told once.
    return any(signal_holder(lock, number, is_meant=_OURS) for lock in locks)
