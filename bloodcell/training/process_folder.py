"""What a process that works in the background writes into its folder about itself: who it is, and how it ended."""

import json
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from bloodcell.errors import RunFolderError
from bloodcell.paths import write_atomically

OutcomeState = Literal["finished", "stopped", "failed"]
_START_TOLERANCE_SECONDS = 2.0
"""The system counts the time of boot in whole seconds and corrects it; no number is given out twice that quickly."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProcessIdentity:
    """A process that is meant for good: its number alone is given to another one after its end."""

    pid: int
    start_time: float
    """Seconds since 1970."""

    def is_alive(self) -> bool:
        """Tell whether this very process still runs; one that ended and was not waited for does not."""
        started = process_start_time(self.pid)
        return started is not None and abs(started - self.start_time) < _START_TOLERANCE_SECONDS

    def terminate(self) -> bool:
        """Send SIGTERM to this very process and to no other; return whether it was there."""
        try:
            handle = os.pidfd_open(self.pid)
        except (ProcessLookupError, PermissionError):
            return False
        try:
            # The handle keeps the number from being given out anew between the question and the signal.
            if not self.is_alive():
                return False
            signal.pidfd_send_signal(handle, signal.SIGTERM)
            return True
        except (ProcessLookupError, PermissionError):
            return False
        finally:
            os.close(handle)


def process_start_time(pid: int) -> float | None:
    """Return when a process began, seconds since 1970, or None where it does not run (any more)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime"))
        if fields[0] in ("Z", "X"):
            return None
        return int(boot.split()[1]) + int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, StopIteration, IndexError, ValueError):
        return None


def current_process() -> ProcessIdentity:
    """Return this process."""
    return ProcessIdentity(pid=os.getpid(), start_time=process_start_time(os.getpid()) or _IMPORTED)


class ProcessFolder:
    """The files by which a folder tells the state of the process that works in it."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.status = self.path / "status.json"
        self.outcome = self.path / "outcome.json"
        self.stop = self.path / "stop.json"
        """There while a stop is asked for."""

    def begin(self) -> None:
        """Forget how the process before this one ended."""
        self.outcome.unlink(missing_ok=True)
        self.stop.unlink(missing_ok=True)

    def write_process(self, values: dict[str, Any]) -> None:
        """Write status.json: this process, a heartbeat, and `values`."""
        process = current_process()
        who = {"pid": process.pid, "process_start_time": process.start_time, "heartbeat": time.time()}
        self.write_json(self.status, {**who, **values})

    def read_status(self) -> dict[str, Any] | None:
        """Return status.json, or None where there is none."""
        return self._read_json(self.status)

    def process(self) -> ProcessIdentity | None:
        """Return the last process that worked here, or None where none has said so.

        Raises:
            RunFolderError: status.json is damaged.
        """
        values = self.read_status()
        if values is None:
            return None
        try:
            return ProcessIdentity(pid=int(values["pid"]), start_time=float(values["process_start_time"]))
        except (KeyError, TypeError, ValueError) as error:
            raise RunFolderError(f"{self.status} is damaged: no process is named in it. Delete the file.") from error

    def write_outcome(self, state: OutcomeState, reason: str) -> None:
        """Write outcome.json, the last file of a process."""
        self.write_json(self.outcome, {"state": state, "reason": reason, "ended": time.time()})

    def read_outcome(self) -> dict[str, Any] | None:
        """Return how the last process ended (`state`, an OutcomeState, and `reason`), or None while it has not.

        Raises:
            RunFolderError: outcome.json is damaged.
        """
        values = self._read_json(self.outcome)
        if values is None:
            return None
        if values.get("state") not in get_args(OutcomeState) or not isinstance(values.get("reason"), str):
            raise RunFolderError(f"{self.outcome} is damaged: it does not say how the process ended. Delete the file.")
        return values

    def write_json(self, path: Path, values: dict[str, Any]) -> None:
        """Write a file of the folder whole."""
        write_atomically(path, (json.dumps(values, indent=1) + "\n").encode())

    def _read_json(self, path: Path) -> dict[str, Any] | None:
        try:
            values = json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise RunFolderError(f"{path} is damaged ({error}). Delete the file.") from error
        if not isinstance(values, dict):
            raise RunFolderError(f"{path} is damaged (it holds no object). Delete the file.")
        return values


_IMPORTED = time.time()
