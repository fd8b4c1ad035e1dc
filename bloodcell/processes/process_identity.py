"""Which process is meant, for good: by boot, start and host, never by the wall clock or a number alone.

psutil is not used: the start that it tells is computed from the wall clock, so that it moves when the clock is set.
"""

import contextlib
import functools
import os
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_PROC = Path("/proc")
_FLOCK_FOR_WRITING = "FLOCK  ADVISORY  WRITE"


@dataclass(frozen=True, kw_only=True, slots=True)
class ProcessIdentity:
    """A process that is meant for good: its number alone is given to another one after its end."""

    pid: int
    """Within its `pid_namespace`."""
    start_ticks: int
    """Clock ticks from the machine's boot to the process's start."""
    boot_id: str
    """Of the machine's boot; another one after every restart, empty where the system tells none."""
    host: str
    """Name of the machine, or of the container."""
    pid_namespace: str
    """Within which the number counts: a container has its own."""

    @property
    def is_of_this_boot(self) -> bool:
        """Tell whether it runs, or ran, on this machine since its last start, in any container."""
        return self.boot_id == boot_id() != ""

    @property
    def may_live_elsewhere(self) -> bool:
        """Tell whether it is of another machine, whose processes end unseen; a restart ends all of this one."""
        return not self.is_of_this_boot and self.host != socket.gethostname()

    def is_alive(self) -> bool:
        """Tell whether this very process runs here; one that ended and was not waited for does not."""
        is_here = self.is_of_this_boot and self.pid_namespace == pid_namespace()
        return is_here and start_ticks(self.pid) == self.start_ticks

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ProcessIdentity":
        """Build it from `to_dict`'s values; others beside them do not matter.

        Raises:
            KeyError, TypeError, ValueError: they name no process.
        """
        pid, ticks = values["pid"], values["start_ticks"]
        texts = [values[name] for name in ("boot_id", "host", "pid_namespace")]
        if not all(type(number) is int and number > 0 for number in (pid, ticks)):
            raise ValueError("pid and start_ticks must be whole numbers above 0")
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("boot_id, host and pid_namespace must be text")
        return cls(pid=pid, start_ticks=ticks, boot_id=texts[0], host=texts[1], pid_namespace=texts[2])


def current_process() -> ProcessIdentity:
    """Return this process."""
    return identity_of(os.getpid())


def identity_of(pid: int) -> ProcessIdentity:
    """Return a process of this machine that runs now."""
    return ProcessIdentity(
        pid=pid,
        start_ticks=start_ticks(pid) or 1,
        boot_id=boot_id(),
        host=socket.gethostname(),
        pid_namespace=pid_namespace(),
    )


def start_ticks(pid: int) -> int | None:
    """Return when a process began, in clock ticks since boot, or None where it does not run (any more)."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        return None if fields[0] in ("Z", "X") else int(fields[19])
    except (OSError, IndexError, ValueError):
        return None


@functools.cache
def boot_id() -> str:
    """Return what tells this boot of this machine from all others; empty where the system does not say."""
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def pid_namespace() -> str:
    """Return the name of the space of process numbers that this process lives in."""
    try:
        return os.readlink(_PROC / "self/ns/pid")
    except OSError:
        return ""


def is_command(*words: str) -> Callable[[list[str]], bool]:
    """Return a test of a command line: `python -m bloodcell`, followed by one of these words where any are given."""

    def test(arguments: list[str]) -> bool:
        for position, argument in enumerate(arguments[:-1]):
            if argument == "-m" and arguments[position + 1] == "bloodcell":
                return not words or arguments[position + 2 : position + 3] in ([word] for word in words)
        return False

    return test


def signal_holder(lock: Path, number: signal.Signals, *, is_meant: Callable[[list[str]], bool]) -> bool:
    """Send a signal to the process that holds a lock, and to no other; return whether there was one that got it.

    What a file says about a process is not asked: the process itself must have the lock's file open and locked, and a
    command line that is meant. One of another user, container or machine gets none.
    """
    found = False
    for pid in _pids():
        if not _holds(pid, lock):
            continue
        with contextlib.suppress(ProcessLookupError, PermissionError), _handle(pid) as handle:
            # The handle keeps the number from being given out anew between the question and the signal.
            if _holds(pid, lock) and is_meant(_command_line(pid)):
                signal.pidfd_send_signal(handle, number)
                found = True
    return found


def _pids() -> list[int]:
    return [int(name) for name in os.listdir(_PROC) if name.isdigit() and int(name) != os.getpid()]


def _holds(pid: int, lock: Path) -> bool:
    """Tell whether a process has a file open through which the lock is held for writing; looks hold it for reading."""
    folder = _PROC / str(pid)
    with contextlib.suppress(OSError):
        wanted = lock.stat()
        for descriptor in os.listdir(folder / "fd"):
            with contextlib.suppress(OSError):
                link = folder / "fd" / descriptor
                # By name first: asking the disk about a foreign file can wait for a share that is gone.
                is_open = os.path.basename(os.readlink(link)) == lock.name and os.path.samestat(os.stat(link), wanted)
                if is_open and _FLOCK_FOR_WRITING in (folder / "fdinfo" / descriptor).read_text():
                    return True
    return False


def _command_line(pid: int) -> list[str]:
    try:
        return (_PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


@contextlib.contextmanager
def _handle(pid: int) -> Iterator[int]:
    handle = os.pidfd_open(pid)
    try:
        yield handle
    finally:
        os.close(handle)
