"""The queue on disk: an entry per job that waits or runs, in the order in which they were handed in.

An entry's lock is held by the job's process from before its birth to its death: the worker takes it and the process
inherits it. So a job is started once, whoever is killed when, and its end is seen at once.
"""

import contextlib
import fcntl
import json
import logging
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bloodcell.paths import home_folder, write_atomically
from bloodcell.training.device_lock import is_held
from bloodcell.training.process_folder import ProcessIdentity

NO_DEVICE = "none"
"""Device of jobs that compute nothing, downloads for instance; one of them runs at a time too."""
_ENTRY_NAME = re.compile(r"\d{8}\.json")

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
    """Keep others from changing the queue; held for moments only."""
    queue_folder().mkdir(parents=True, exist_ok=True)
    with (queue_folder() / "change.lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
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
    return [entry for path in _entry_paths() if (entry := _read_entry(path)) is not None]


def entry_of(folder: Path, entries: Sequence[QueueEntry] | None = None) -> QueueEntry | None:
    """Return the entry of the job in a folder, or None where none waits or runs."""
    folder = folder.resolve()
    return next((entry for entry in (read_entries() if entries is None else entries) if entry.folder == folder), None)


def started_now(entry: QueueEntry, process: ProcessIdentity | None = None) -> QueueEntry:
    """Return the entry of a job that is being started, or that was and is now this process."""
    return replace(entry, started=entry.started or time.time(), process=process)


def _read_entry(path: Path) -> QueueEntry | None:
    try:
        values = json.loads(path.read_bytes())
        process = values["process"]
        return QueueEntry(
            id=int(values["id"]),
            argv=tuple(map(str, values["argv"])),
            folder=Path(values["folder"]),
            device=str(values["device"]),
            submitted=float(values["submitted"]),
            started=None if values["started"] is None else float(values["started"]),
            process=None if process is None else ProcessIdentity(**process),
        )
    except FileNotFoundError:
        return None  # taken out between listing and reading
    except (OSError, ValueError, KeyError, TypeError) as error:
        logger.warning("%s is no entry of the queue (%s)", path, error)
        return None
