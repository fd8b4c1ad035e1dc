"""Locks on files: who holds one is at work. The system takes a lock back when its process ends, however that ends.

They are flock(2) locks. On local disks every process of a machine sees them, whatever container it is in. Between
machines they hold where the file system passes them on: NFS 4 does, as do Lustre and CephFS. Where it does not (SMB,
sshfs, NFS mounted with `local_lock`), a machine sees its own locks alone; what another machine does is then known by
its sign of life only, see `heartbeat.py`.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from bloodcell.errors import RunFolderError

GRACE_SECONDS = 0.5
"""A look at a lock holds it for a moment; only one that stays is somebody at work."""
_POLL_SECONDS = 0.02

_held: dict[Path, int] = {}
"""How often this process holds a lock."""


def is_held(path: Path) -> bool:
    """Tell whether a process holds the lock on a file.

    Raises:
        RunFolderError: this user may not see it, or the file system has no locks.
    """
    try:
        with path.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
    except BlockingIOError:
        return True
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise RunFolderError(
            f"Whether somebody works in {path.parent} cannot be seen: {error.strerror} ({path.name}). See to its "
            "permissions, or put BLOODCELL_HOME on a file system with locks."
        ) from error


@contextlib.contextmanager
def holding(path: Path, *, busy: str, again: bool = False, seconds: float = GRACE_SECONDS) -> Iterator[None]:
    """Hold the lock on a file for this process.

    Args:
        path: absolute; the file is made where it is not there.
        busy: what the error says where another one holds it.
        again: let a process that holds it hold it once more, as a command that runs another one does.
        seconds: how long to wait for it.

    Raises:
        RunFolderError: another process, or another part of this one, holds it.
        OSError: the file cannot be made or locked.
    """
    if again and path in _held:
        _held[path] += 1
        try:
            yield
        finally:
            _held[path] -= 1
        return
    with contextlib.closing(_locked_file(path, busy, seconds)):
        _held[path] = 1
        try:
            yield
        finally:
            del _held[path]


def _locked_file(path: Path, busy: str, seconds: float) -> IO[bytes]:
    """Open a file and lock it; again where it was deleted or replaced before the lock was had."""
    while True:
        stream = path.open("ab")
        try:
            if not taken(stream, seconds=seconds):
                raise RunFolderError(busy)
            if _is_still(stream, path):
                return stream
        except BaseException:
            stream.close()
            raise
        stream.close()


def taken(stream: IO[bytes] | IO[str], *, seconds: float) -> bool:
    """Take the lock on an open file, within so many seconds; return whether it was had."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
        time.sleep(_POLL_SECONDS)


def _is_still(stream: IO[bytes], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(stream.fileno()), path.stat())
    except FileNotFoundError:
        return False
