"""The queue on disk: an entry per job that waits or runs, in the order in which they were handed in.

An entry's lock is held by the job's process from before its birth to its death: the worker takes it and the process
inherits it. So a job is started once, whoever is killed when, and its end is seen at once.
"""

import contextlib
import json
import logging
import math
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bloodcell.errors import RunFolderError
from bloodcell.json_objects import read_json_object
from bloodcell.paths import home_folder, write_atomically
from bloodcell.processes.file_lock import is_held, taken
from bloodcell.processes.process_identity import ProcessIdentity

NO_DEVICE = "none"
"""Device of jobs that compute nothing, downloads for instance; one of them runs at a time too."""
_ENTRY_NAME = re.compile(r"\d{8}\.json")
_DEVICE_NAME = re.compile(r"none|cpu|cuda-[0-9A-Za-z]+")
_MOST_BYTES = 100_000
"""Of an entry; the longest command is far below."""
_BUSY_SECONDS = 10.0
"""How long a change of the queue may take; whoever holds it longer hangs."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueEntry:
    """A job that waits or runs."""

    id: int
    """Grows with every job; the order of the queue."""
    argv: tuple[str, ...]
    """Arguments after `python -m bloodcell`."""
    folder: Path
    """Where the job writes; absolute."""
    device: str
    """'cpu', 'cuda-N' or NO_DEVICE."""
    submitted: float
    """Seconds since 1970, as all times here."""
    started: float | None = None
    """When the worker started it; None while it waits."""
    process: ProcessIdentity | None = None
    """Known a moment after the start."""

    @property
    def path(self) -> Path:
        """Return the entry's file."""
        return queue_folder() / f"{self.id:08d}.json"

    @property
    def lock(self) -> Path:
        """Return the file whose lock the job's process holds."""
        return self.path.with_suffix(".lock")

    def is_alive(self) -> bool:
        """Tell whether the job's process runs."""
        return self.started is not None and is_held(self.lock)

    def write(self) -> None:
        """Write the entry's file."""
        values = {**asdict(self), "folder": str(self.folder)}
        write_atomically(self.path, (json.dumps(values, indent=1) + "\n").encode())

    def remove(self) -> None:
        """Take the entry out of the queue."""
        self.path.unlink(missing_ok=True)
        self.lock.unlink(missing_ok=True)


def queue_folder() -> Path:
    """Return the folder of the queue."""
    return home_folder().resolve() / "queue"


@contextlib.contextmanager
def queue_locked() -> Iterator[None]:
    """Keep others from changing the queue; held for moments only.

    Raises:
        RunFolderError: somebody keeps it for too long.
        OSError: the queue's folder cannot be written.
    """
    queue_folder().mkdir(parents=True, exist_ok=True)
    with (queue_folder() / "change.lock").open("a") as stream:
        if not taken(stream, seconds=_BUSY_SECONDS):
            raise RunFolderError(
                f"Another process has kept the queue for {_BUSY_SECONDS:.0f} s: it hangs, or its machine is very busy. "
                "Try again; if this stays, restart what uses this BLOODCELL_HOME."
            )
        yield


def add_entry(argv: Sequence[str], folder: Path, device: str) -> QueueEntry:
    """Put a job at the end of the queue; the caller holds `queue_locked`."""
    counter = queue_folder() / "last_id"
    entry = QueueEntry(id=_last_id(counter) + 1, argv=tuple(argv), folder=folder, device=device, submitted=time.time())
    write_atomically(counter, f"{entry.id}\n".encode())
    entry.write()
    return entry


def _last_id(counter: Path) -> int:
    """Return the highest number that was given out; the entries tell where the counter is lost or damaged."""
    text = counter.read_text() if counter.exists() else ""
    counted = int(text) if text.strip().isdecimal() else 0
    return max([counted, *(int(path.stem) for path in _entry_paths())])


def _entry_paths() -> list[Path]:
    return sorted(path for path in queue_folder().glob("*.json") if _ENTRY_NAME.fullmatch(path.name))


def read_entries() -> list[QueueEntry]:
    """Return what waits or runs, in order; a file that is no entry is left out."""
    return [entry for path in _entry_paths() if (entry := read_entry(path)) is not None]


def set_unreadable_aside() -> None:
    """Rename files that are named like entries and are none, so that nobody meets them again.

    A job that one of them stood for is shown as lost, or as running while its process lives, and can be resumed.
    """
    for path in _entry_paths():
        if path.exists() and read_entry(path) is None:
            with queue_locked(), contextlib.suppress(FileNotFoundError):
                path.rename(path.with_suffix(".unreadable"))
            logger.warning("%s is no entry of the queue and was set aside", path)


def entry_of(folder: Path, entries: Sequence[QueueEntry] | None = None) -> QueueEntry | None:
    """Return the entry of the job in a folder, or None where none waits or runs."""
    folder = folder.resolve()
    return next((entry for entry in (read_entries() if entries is None else entries) if entry.folder == folder), None)


def started_now(entry: QueueEntry, process: ProcessIdentity | None = None) -> QueueEntry:
    """Return the entry of a job that is being started, or that was and is now this process."""
    return replace(entry, started=entry.started or time.time(), process=process)


def read_entry(path: Path) -> QueueEntry | None:
    """Return the entry in a file, or None where it is gone or none."""
    try:
        if not path.is_file():
            return None
        entry = _entry_from(read_json_object(path, most_bytes=_MOST_BYTES))
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return None
    return entry if entry.path.name == path.name else None


def _entry_from(values: Any) -> QueueEntry:
    """Return an entry whose every part can be used.

    Raises:
        ValueError, KeyError, TypeError, OverflowError: a part is missing, of another type, or out of range.
    """
    argv, folder, device = values["argv"], values["folder"], values["device"]
    times = [values["submitted"], *([] if values["started"] is None else [values["started"]])]
    is_sound = (
        type(values["id"]) is int
        and isinstance(argv, list)
        and len(argv) > 0
        and all(isinstance(text, str) and "\0" not in text for text in (*argv, folder))
        and Path(folder).is_absolute()
        and _DEVICE_NAME.fullmatch(device) is not None
        and all(isinstance(moment, int | float) and math.isfinite(moment) for moment in times)
    )
    if not is_sound:
        raise ValueError("a part is not what it must be")
    return QueueEntry(
        id=values["id"],
        argv=tuple(argv),
        folder=Path(folder),
        device=device,
        submitted=float(values["submitted"]),
        started=None if values["started"] is None else float(values["started"]),
        process=_process_from(values["process"]),
    )


def _process_from(values: Any) -> ProcessIdentity | None:
    try:
        return ProcessIdentity.from_dict(values)
    except (KeyError, TypeError, ValueError):
        return None  # not known yet, or of an older version; the lock tells whether it lives
