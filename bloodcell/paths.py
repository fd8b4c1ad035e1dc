"""Where data, runs and weights live, and how files are written."""

import contextlib
import io
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, TextIO

import platformdirs

SHIPPED_WEIGHTS = Path(__file__).resolve().parent.parent / "weights"
"""The models that come with the project; read-only, their names cannot be shadowed."""

DEFAULT_WEIGHTS = "unet_encoder"
"""Name of the weights that answer where none are named."""


def home_folder() -> Path:
    """Return BLOODCELL_HOME, or the user's data folder: it holds runs and published weights."""
    named = os.environ.get("BLOODCELL_HOME")
    return Path(named).expanduser() if named else Path(platformdirs.user_data_dir("bloodcell"))


def data_folder() -> Path | None:
    """Return BLOODCELL_DATA, the dataset, or None where it is not set."""
    named = os.environ.get("BLOODCELL_DATA")
    return Path(named).expanduser() if named else None


def published_weights() -> Path:
    """Return the folder of the models that a user published."""
    return home_folder() / "weights"


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
    """Yield a temporary file that replaces `path` when the context ends without an error."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
