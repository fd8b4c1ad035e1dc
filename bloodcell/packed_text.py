"""Text files that records keep packed: NAME is read from NAME.xz where only that is there."""

import io
import lzma
from pathlib import Path
from typing import TextIO

from bloodcell.paths import write_atomically

PACKED_SUFFIX = ".xz"


def kept_file(path: Path) -> Path | None:
    """Return a file, or the packed one in its place; None where there is neither."""
    packed = path.with_name(path.name + PACKED_SUFFIX)
    return path if path.exists() else packed if packed.exists() else None


def open_kept_text(path: Path, *, errors: str = "strict") -> TextIO:
    """Open a UTF-8 text file, packed or not, as `csv` reads it: line ends stay as they are.

    Raises:
        OSError: it cannot be read.
        ValueError: it is packed and was damaged.
    """
    kept = kept_file(path) or path
    if kept == path:
        return path.open(newline="", encoding="utf-8", errors=errors)
    try:
        data = lzma.decompress(kept.read_bytes())
    except (lzma.LZMAError, EOFError) as error:
        raise ValueError(f"{kept.name} is damaged") from error
    return io.StringIO(data.decode(errors=errors), newline="")


def write_packed(path: Path, data: bytes) -> None:
    """Write NAME.xz in place of NAME."""
    write_atomically(path.with_name(path.name + PACKED_SUFFIX), lzma.compress(data, preset=9 | lzma.PRESET_EXTREME))
    path.unlink(missing_ok=True)
