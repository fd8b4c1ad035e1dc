"""What a process that works in the background writes into its folder about itself: who it is, and how it ended."""

import contextlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args

from bloodcell.errors import RunFolderError
from bloodcell.json_objects import read_json_object
from bloodcell.paths import write_atomically
from bloodcell.processes import heartbeat
from bloodcell.processes.file_lock import holding, is_held
from bloodcell.processes.process_identity import ProcessIdentity, current_process

OutcomeState = Literal["finished", "stopped", "failed"]
_RESERVED_BYTES = 4096
"""Room that is kept for the outcome: a disk that is full must not hide that it was."""


class ProcessFolder:
    """The files by which a folder tells the state of the process that works in it.

    Whether one does is told by the lock alone, which it holds from its beginning to its end.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.status = self.path / "status.json"
        self.outcome = self.path / "outcome.json"
        self.stop = self.path / "stop.json"
        """There while a stop is asked for."""
        self.lock = self.path / ".lock"
        self._reserve = self.path / ".outcome.reserve"

    @contextlib.contextmanager
    def locked(self, *, again: bool = True) -> Iterator[None]:
        """Hold the folder for this process; the lock ends with the process, however that ends.

        Args:
            again: let this process hold it once more where it does already.

        Raises:
            RunFolderError: another process works here, or the folder cannot be made.
        """
        busy = f"Another process works in {self.path}. Wait for it, or stop it."
        with contextlib.ExitStack() as stack:
            try:
                self.path.mkdir(parents=True, exist_ok=True)
                stack.enter_context(holding(self.lock, busy=busy, again=again))
            except OSError as error:
                raise RunFolderError(f"The folder {self.path} cannot be written: {error.strerror}.") from error
            yield

    def is_worked_in(self) -> bool:
        """Tell whether a process holds this folder.

        Raises:
            RunFolderError: that cannot be seen.
        """
        return is_held(self.lock)

    def begin(self) -> None:
        """Forget how the process before this one ended, and keep room for how this one will.

        Raises:
            OSError: the disk is full, or the folder cannot be written.
        """
        self.keep_room()
        self.outcome.unlink(missing_ok=True)
        self.stop.unlink(missing_ok=True)

    def keep_room(self) -> None:
        """Take the room of an outcome on the disk.

        Raises:
            OSError: there is none.
        """
        if self._reserve.exists():
            return
        # Not of zeros: a file system may store those without room.
        write_atomically(self._reserve, b"kept for the outcome\n".ljust(_RESERVED_BYTES, b"."))

    def write_process(self, values: dict[str, Any]) -> None:
        """Write status.json: this process, a sign of life, and `values`."""
        self.write_json(self.status, {**current_process().to_dict(), **heartbeat.now(), **values})

    def read_status(self) -> dict[str, Any] | None:
        """Return status.json, or None where there is none.

        Raises:
            RunFolderError: it is damaged.
        """
        return self._read_json(self.status)

    def process(self) -> ProcessIdentity | None:
        """Return the last process that worked here, or None where none has said so, or one of an older version.

        Raises:
            RunFolderError: status.json is damaged.
        """
        values = self.read_status()
        if values is None or "process_start_time" in values:
            return None
        try:
            return ProcessIdentity.from_dict(values)
        except (KeyError, TypeError, ValueError) as error:
            raise RunFolderError(f"{self.status} is damaged: no process is named in it. Delete the file.") from error

    def ask_to_stop(self) -> None:
        """Write stop.json, which a process that works here looks for now and then."""
        self.write_json(self.stop, {"killed": False, **heartbeat.now()})

    def note_kill(self) -> None:
        """Write into stop.json that the process is killed, because it did not stop."""
        self.write_json(self.stop, {"killed": True, **heartbeat.now()})

    def stop_words(self) -> str:
        """Return how the asked stop ends a process, in words."""
        values = self._read_json(self.stop) or {}
        if values.get("killed") is True:
            return "it was asked to stop, did not, and was killed; its last finished epoch is kept"
        return "it was asked to stop"

    def stop_age_seconds(self) -> float | None:
        """Return how long ago a stop was asked for; None where none was, or before the machine was restarted."""
        values = self._read_json(self.stop)
        return None if values is None else heartbeat.age_seconds(values)

    def write_outcome(self, state: OutcomeState, reason: str) -> None:
        """Write outcome.json, the last file of a process, into the room that was kept for it.

        Raises:
            OSError: the disk is full, and no room was kept.
        """
        values = {"state": state, "reason": reason, "ended": time.time()}
        try:
            self.write_json(self.outcome, values)
            if state == "finished":
                self._reserve.unlink(missing_ok=True)
        except OSError:
            if not self._reserve.exists():
                raise
            self._write_outcome_into_reserve(values)

    def _write_outcome_into_reserve(self, values: dict[str, Any]) -> None:
        """Write over the bytes of the reserve and rename it: this takes no room that another one could take before."""
        values = {**values, "reason": values["reason"][: _RESERVED_BYTES // 16]}
        text = json.dumps(values, indent=1).encode()
        with self._reserve.open("r+b") as stream:
            stream.write(text.ljust(_RESERVED_BYTES))
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(self._reserve, self.outcome)

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
            return read_json_object(path)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise RunFolderError(f"{path} is damaged ({error}). Delete the file.") from error
