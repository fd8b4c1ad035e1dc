"""Where data, runs and weights live, and how files are written."""

import contextlib
import errno
import io
import itertools
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, TextIO

import platformdirs

SHIPPED_WEIGHTS = Path(__file__).resolve().parent.parent / "weights"
"""The models that come with the project; read-only, their names cannot be shadowed."""

SHIPPED_RECORDS = Path(__file__).resolve().parent.parent / "records"
"""The records of suites that come with the project: settings, figures and answers as text; read-only."""

DEFAULT_WEIGHTS = "unet_encoder"
"""Name of the weights that answer where none are named."""

ELSEWHERE_WEIGHTS = "any_laboratory"
"""Name of the weights that answer where an image is unlike those of the laboratory that other weights know."""


def home_folder() -> Path:
    """Return BLOODCELL_HOME, or the user's data folder: it holds runs and published weights."""
    named = os.environ.get("BLOODCELL_HOME")
    return Path(named) if named else Path(platformdirs.user_data_dir("bloodcell"))


def data_folder() -> Path | None:
    """Return BLOODCELL_DATA, the dataset, or None where it is not set."""
    named = os.environ.get("BLOODCELL_DATA")
    return Path(named) if named else None


def published_weights() -> Path:
    """Return the folder of the models that a user published."""
    return home_folder() / "weights"


def runs_folder() -> Path:
    """Return the folder that holds a folder per run."""
    return home_folder().resolve() / "runs"


def own_data_folder() -> Path:
    """Return the folder of datasets that were downloaded or uploaded."""
    return home_folder().resolve() / "data"


def suites_folder() -> Path:
    """Return the folder of the user's suites."""
    return home_folder() / "suites"


def laboratories_folder() -> Path:
    """Return where the laboratories stand that a person has named."""
    return home_folder() / "laboratories"


def numbered_names(name: str, separator: str = "-") -> Iterator[str]:
    """Yield a name, then the same with 2, 3 … behind it, for whoever looks for one that is free."""
    yield name
    yield from (f"{name}{separator}{number}" for number in itertools.count(2))


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that a reader, or the next start after a crash, sees the old or the new one, never half of it."""
    with _replacing(path) as handle:
        handle.write(data)


@contextlib.contextmanager
def open_atomically(path: Path) -> Iterator[TextIO]:
    """Open a text file for writing, UTF-8 with line ends as given; it takes its place when the context ends well.

    Raises:
        OSError: the folder does not exist or cannot be written.
    """
    with _replacing(path) as handle:
        text = io.TextIOWrapper(handle, encoding="utf-8", newline="")
        yield text
        text.detach()


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """Yield a temporary file that replaces `path` when the context ends without an error.

    A link's target is replaced, not the link. What is there and is no file (a pipe, /dev/null) is written to as it is.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        with path.open("wb") as stream:
            yield stream
        return
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "The folder does not exist", str(path.parent))
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o666 & ~_UMASK)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _read_umask() -> int:
    """Return the process's umask; asking is setting, so it is done once, before there are threads."""
    umask = os.umask(0o022)
    os.umask(umask)
    return umask


_UMASK = _read_umask()


def readable_path(path: Path | str) -> str:
    """Return a path as text that can be printed: no control character, no byte that is no UTF-8."""
    text = str(path).encode(errors="surrogateescape").decode(errors="replace")
    return "".join(character if character.isprintable() else "?" for character in text)
