"""Fetch a large file over HTTP: it goes on where it broke off, and what is there is never taken for the whole."""

import contextlib
import email.message
import errno
import fcntl
import http.client
import json
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from bloodcell import __version__
from bloodcell.errors import DownloadError
from bloodcell.json_objects import read_json_object
from bloodcell.paths import write_atomically

_BLOCK_BYTES = 1 << 18
_ATTEMPTS_WITHOUT_PROGRESS = 6
_TEMPORARY_STATUSES = (408, 425, 429, 500, 502, 503, 504)
_FULL = (errno.ENOSPC, errno.EDQUOT)
_DISK_ERRORS = (*_FULL, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.ENOENT, errno.ENOTDIR, errno.EISDIR)

Progress = Callable[[int, int | None], object]
"""Called with bytes that are there and bytes in all, None where the server does not say."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetch:
    """What to fetch, and how patiently."""

    url: str
    most_bytes: int
    """A larger answer is refused: it is something else."""
    timeout_seconds: float = 60.0
    """Silence after which a connection is given up and tried again."""
    first_pause_seconds: float = 1.0
    """Pause before the second attempt; doubled for each further one without progress, at most a minute."""


def fetch_file(fetch: Fetch, target: Path, *, progress: Progress = lambda done, total: None) -> None:
    """Download a file to `target`; `TARGET.part` and `TARGET.part.json` keep what there is in between.

    Raises:
        DownloadError: the server refuses, does not answer, or the disk is full; what arrived is kept for the next call.
    """
    part, pause, attempts = _Part(target), fetch.first_pause_seconds, 0
    with _only_one(part):
        while True:
            before = part.size()
            try:
                if _receive(fetch, part, progress):
                    part.finish()
                    return
                problem = "the connection broke off"
            except urllib.error.HTTPError as error:
                if error.code not in _TEMPORARY_STATUSES:
                    raise DownloadError(f"The server refuses {fetch.url}: {error.code} {error.reason}.") from error
                problem = f"the server answers {error.code} {error.reason}"
            except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
                problem = f"the server cannot be reached ({getattr(error, 'reason', error) or type(error).__name__})"
            except OSError as error:
                if error.errno in _DISK_ERRORS:
                    raise _disk_error(error) from error
                problem = f"the connection broke off ({error.strerror or error})"
            if part.size() > before:
                pause, attempts = fetch.first_pause_seconds, 0
            attempts += 1
            if attempts == _ATTEMPTS_WITHOUT_PROGRESS:
                raise DownloadError(
                    f"{fetch.url} does not arrive: {problem}, {attempts} times in a row. What is there is kept: "
                    "start the download again later."
                )
            time.sleep(pause)
            pause = min(2 * pause, 60.0)


class _Part:
    """What has arrived of a file, and by which mark the server knows the version it is of."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(f"{target.name}.part")
        self.state = target.with_name(f"{target.name}.part.json")

    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def version(self) -> str | None:
        """Return the version's mark; None where a later answer could not be told from another version."""
        try:
            mark = read_json_object(self.state).get("version")
        except (OSError, ValueError):
            return None
        return mark if isinstance(mark, str) else None

    def describe(self, version: str | None, total: int | None) -> None:
        write_atomically(self.state, json.dumps({"version": version, "total": total}).encode())

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)
        self.state.unlink(missing_ok=True)

    def finish(self) -> None:
        self.path.replace(self.target)
        self.state.unlink(missing_ok=True)


def _receive(fetch: Fetch, part: _Part, progress: Progress) -> bool:
    """Ask for what is missing and append it; return whether the file is whole."""
    start, version = part.size(), part.version()
    headers = {"User-Agent": f"bloodcell/{__version__}", "Accept-Encoding": "identity"}
    if start and version:
        # Without a mark of the version, another file could be glued to the beginning of this one.
        headers |= {"Range": f"bytes={start}-", "If-Range": version}
    request = urllib.request.Request(fetch.url, headers=headers)
    try:
        response = urllib.request.urlopen(request, timeout=fetch.timeout_seconds)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing lies beyond what is there, or it is of another file
            part.forget()
            return False
        raise
    with response:
        start, total = _span(response, start)
        _refuse_size(fetch, part, start, total)
        part.describe(_version(response.headers), total)
        with part.path.open("r+b" if start else "wb") as stream:
            stream.seek(start)
            stream.truncate()
            done = _copy(response, stream, fetch, start, total, progress)
    return done == total or (total is None and done > 0)


def _copy(
    response: IO[bytes], stream: IO[bytes], fetch: Fetch, done: int, total: int | None, progress: Progress
) -> int:
    progress(done, total)
    while block := response.read(_BLOCK_BYTES):
        done += len(block)
        if done > fetch.most_bytes:
            raise _too_large(fetch)
        stream.write(block)
        progress(done, total)
    return done


def _span(response: Any, wanted_start: int) -> tuple[int, int | None]:
    """Return where the answer's bytes begin in the file, and the file's size where the server says it."""
    if response.status == 206:
        given = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if given and int(given[1]) == wanted_start:
            return wanted_start, None if given[2] == "*" else int(given[2])
        raise http.client.HTTPException("it sends another part than was asked for")
    length = response.headers.get("Content-Length")
    return 0, int(length) if length and length.isdigit() else None


def _version(headers: email.message.Message) -> str | None:
    """Return a mark that changes with the file. A weak ETag does not promise equal bytes."""
    tag = headers.get("ETag")
    return tag if tag and not tag.startswith("W/") else headers.get("Last-Modified")


def _refuse_size(fetch: Fetch, part: _Part, start: int, total: int | None) -> None:
    if total is None:
        return
    if total > fetch.most_bytes:
        raise _too_large(fetch)
    if total - start > shutil.disk_usage(part.path.parent).free:
        raise DownloadError(f"{total / 1e9:.1f} GB are to come, and the disk has less. Free some space.")


def _too_large(fetch: Fetch) -> DownloadError:
    return DownloadError(
        f"{fetch.url} sends more than {fetch.most_bytes / 1e9:g} GB: it is not the file that was meant."
    )


def _disk_error(error: OSError) -> DownloadError:
    if error.errno in _FULL:
        return DownloadError("disk full: the download is kept as far as it came. Free some space, then start it again.")
    return DownloadError(f"The download cannot be written: {error.strerror} ({error.filename}).")


@contextlib.contextmanager
def _only_one(part: _Part) -> Iterator[None]:
    """Hold the lock of a download; the system frees it when the process ends, however it ends."""
    try:
        part.target.parent.mkdir(parents=True, exist_ok=True)
        stream = part.target.with_name(f"{part.target.name}.lock").open("w")
    except OSError as error:
        raise _disk_error(error) from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DownloadError(f"{part.target.name} is being downloaded already. Wait for it.") from None
        yield
