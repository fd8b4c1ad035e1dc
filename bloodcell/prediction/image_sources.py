"""What a user points at, as a list of images: a file, a folder at any depth, or a ZIP."""

import contextlib
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from bloodcell.data.folder_scan import image_files_below
from bloodcell.data.image_file import IMAGE_SUFFIXES, MAXIMUM_BYTES, read_image_bytes
from bloodcell.errors import DatasetError, UnreadableImage
from bloodcell.prediction.classifier import ImageSource


@contextlib.contextmanager
def open_sources(paths: Sequence[Path]) -> Iterator[list[ImageSource]]:
    """List the images of files, folders and ZIPs, in that order; a folder's and a ZIP's are sorted by path.

    Files in a folder or ZIP whose name has no image suffix, and hidden ones, are passed over. A ZIP stays open until
    the context ends.

    Raises:
        DatasetError: a path does not exist, holds no image, or is a damaged ZIP.
    """
    with contextlib.ExitStack() as stack:
        sources: list[ImageSource] = []
        for path in paths:
            if path.is_dir():
                found = [_file_source(file, file.relative_to(path).as_posix()) for file in image_files_below(path)]
            elif not path.exists():
                raise DatasetError(f"{path} does not exist. Give an image, a folder or a ZIP.")
            elif path.suffix.lower() == ".zip":
                found = zip_sources(stack.enter_context(open_zip(path, path.name)))
            else:
                found = [_file_source(path, path.name)]
            if not found:
                raise DatasetError(f"There is no image in {path}. Accepted: {', '.join(IMAGE_SUFFIXES)}.")
            sources += found
        yield sources


def _file_source(path: Path, name: str) -> ImageSource:
    return ImageSource(name=name, read=partial(read_image_bytes, path))


_ZIP_ERRORS = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, NotImplementedError, OSError, ValueError, OverflowError),
)
"""What zipfile raises on damaged archives; UnicodeDecodeError is a ValueError."""


def open_zip(file: Path | IO[bytes], name: str) -> zipfile.ZipFile:
    """Open a ZIP for reading.

    Raises:
        DatasetError: it is damaged or no ZIP.
    """
    try:
        return zipfile.ZipFile(file)
    except _ZIP_ERRORS as error:
        raise DatasetError(f"{name} is damaged or not a ZIP. Make it again from the folder of images.") from error


def zip_sources(archive: zipfile.ZipFile) -> list[ImageSource]:
    """List the images of an open ZIP, sorted by path; it must stay open while they are read."""
    entries = [entry for entry in archive.infolist() if not entry.is_dir() and _is_image_name(entry.filename)]
    return [
        ImageSource(name=entry.filename, read=partial(_read_entry, archive, entry))
        for entry in sorted(entries, key=lambda entry: entry.filename)
    ]


def _is_image_name(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    return not hidden and path.suffix.lower() in IMAGE_SUFFIXES


def _read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """Return an entry's bytes, never more than the limit, whatever size it declares."""
    too_large = UnreadableImage(f"The file is larger than {MAXIMUM_BYTES // 1_000_000} MB. Crop or shrink the image.")
    if entry.file_size > MAXIMUM_BYTES:
        raise too_large
    try:
        with archive.open(entry) as stream:
            data = stream.read(MAXIMUM_BYTES + 1)
    except _ZIP_ERRORS as error:
        raise UnreadableImage("The file is damaged inside the ZIP. Make the ZIP again.") from error
    except RuntimeError as error:
        raise UnreadableImage("The file is locked with a password. Unpack the ZIP first.") from error
    if len(data) > MAXIMUM_BYTES:
        raise too_large
    return data
