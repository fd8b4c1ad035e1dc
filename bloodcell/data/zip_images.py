"""ZIPs of images that strangers made: opened, listed, read and unpacked without trusting their names and sizes."""

import errno
import lzma
import os
import re
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from bloodcell.cell_classes import class_index_of_folder
from bloodcell.data.image_file import IMAGE_SUFFIXES, MAXIMUM_BYTES
from bloodcell.errors import DatasetError, UnreadableImage

MOST_UNPACKED_BYTES = 20_000_000_000
MOST_IMAGES = 200_000
_UNSAFE = re.compile(r"[^A-Za-z0-9._ ()+-]")
_LONGEST_NAME = 120
_ZIP_ERRORS = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, NotImplementedError, OSError, ValueError, OverflowError),
)
"""What zipfile raises on damaged archives; UnicodeDecodeError is a ValueError."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Target:
    entry: zipfile.ZipInfo
    folder: str
    name: str


def open_zip(file: Path | IO[bytes], name: str) -> zipfile.ZipFile:
    """Open a ZIP for reading.

    Raises:
        DatasetError: it is damaged or no ZIP.
    """
    try:
        return zipfile.ZipFile(file)
    except _ZIP_ERRORS as error:
        raise DatasetError(f"{name} is damaged or not a ZIP. Make it again from the folder of images.") from error


def image_entries(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Return the entries with an image's name, sorted by path; hidden ones are passed over."""
    entries = [entry for entry in archive.infolist() if not entry.is_dir() and _is_image_name(entry.filename)]
    return sorted(entries, key=lambda entry: entry.filename)


def read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """Return an entry's bytes, never more than the limit, whatever size it declares.

    Raises:
        UnreadableImage: it is too large, damaged, or locked with a password.
    """
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


def unpack_dataset(
    archive: zipfile.ZipFile,
    folder: Path,
    *,
    progress: Callable[[int, int], object] = lambda done, total: None,
    most_bytes: int = MOST_UNPACKED_BYTES,
) -> int:
    """Unpack the images that lie in class folders, at any depth, into a new dataset folder; return their number.

    Each image goes to CLASS FOLDER/NAME with a harmless name; everything else in the ZIP is passed over. The folder
    appears when it is complete, or not at all.

    Raises:
        DatasetError: the folder exists, no image lies in a class folder, an entry is damaged, the ZIP would unpack to
            more than `most_bytes`, or the disk is full.
    """
    if folder.exists():
        raise DatasetError(f"There is a dataset {folder.name} already. Choose another name.")
    targets = _targets(image_entries(archive))
    _refuse_too_much(targets, folder, most_bytes)
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".unpacking-"))
    written = 0
    try:
        for done, target in enumerate(targets, start=1):
            data = _read_named(archive, target.entry)
            # Declared sizes may lie: what really comes out is counted as well.
            written += len(data)
            if written > most_bytes:
                raise _too_much(most_bytes)
            (unfinished / target.folder).mkdir(exist_ok=True)
            (unfinished / target.folder / target.name).write_bytes(data)
            progress(done, len(targets))
        unfinished.chmod(0o755)
        unfinished.rename(folder)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DatasetError("disk full: the ZIP cannot be unpacked. Free some space, then try again.") from error
        raise DatasetError(f"The ZIP cannot be unpacked: {error.strerror} ({error.filename}).") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return len(targets)


def _is_image_name(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    return not hidden and path.suffix.lower() in IMAGE_SUFFIXES


def _targets(entries: list[zipfile.ZipInfo]) -> list[_Target]:
    """Return where each image in a class folder goes; two that would share a name get a number."""
    targets: list[_Target] = []
    taken: set[tuple[str, str]] = set()
    last_number: dict[tuple[str, str], int] = {}
    for entry in entries:
        path = PurePosixPath(entry.filename)
        folder = next((part for part in reversed(path.parts[:-1]) if class_index_of_folder(part) is not None), None)
        if folder is None:
            continue
        folder = folder.strip()
        stem, suffix = _UNSAFE.sub("_", path.stem)[:_LONGEST_NAME].strip(" .") or "image", path.suffix.lower()
        name, asked = f"{stem}{suffix}", (folder, f"{stem}{suffix}".lower())
        # From the last number on: thousands of patients' folders may each hold a cell.png.
        number = last_number.get(asked, 1)
        while (folder, name.lower()) in taken:
            number += 1
            name = f"{stem}_{number}{suffix}"
        last_number[asked] = number
        taken.add((folder, name.lower()))
        targets.append(_Target(entry=entry, folder=folder, name=name))
    if not targets:
        raise DatasetError(
            "The ZIP holds no image in a class folder. It needs folders such as basophil/ and monocyte/ of images."
        )
    return targets


def _refuse_too_much(targets: list[_Target], folder: Path, most_bytes: int) -> None:
    declared = sum(target.entry.file_size for target in targets)
    if declared > most_bytes:
        raise _too_much(most_bytes)
    if len(targets) > MOST_IMAGES:
        raise DatasetError(f"The ZIP holds more than {MOST_IMAGES:,} images. Split it.")
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if declared > shutil.disk_usage(existing).free:
        raise DatasetError(f"The ZIP needs {declared / 1e9:.1f} GB, and the disk has less. Free some space.")


def _too_much(most_bytes: int) -> DatasetError:
    return DatasetError(f"The ZIP would unpack to more than {most_bytes / 1e9:g} GB. Split it.")


def _read_named(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    try:
        return read_entry(archive, entry)
    except UnreadableImage as error:
        raise DatasetError(f"{os.path.basename(entry.filename)}: {error}") from error
