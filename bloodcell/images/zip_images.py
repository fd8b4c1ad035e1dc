"""ZIPs of images that strangers made: opened, listed, read and unpacked without trusting their names and sizes."""

import errno
import lzma
import re
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from bloodcell.cell_classes import class_index_of_folder
from bloodcell.errors import DatasetError, UnreadableImage
from bloodcell.images.file_names import is_hidden, is_image_file, posix_name
from bloodcell.images.formats import LONGEST_SIGNATURE
from bloodcell.images.limits import MAXIMUM_BYTES, TOO_MANY_BYTES

MOST_UNPACKED_BYTES = 20_000_000_000
MOST_IMAGES = 200_000
_UNSAFE = re.compile(r"[^A-Za-z0-9._ ()+-]")
_LONGEST_NAME = 120
_ZIP_ERRORS = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, NotImplementedError, OSError, ValueError, OverflowError),
)
"""What zipfile raises on damaged archives; UnicodeDecodeError is a ValueError."""
_METHODS = {
    **{
        1: "Shrink",
        6: "Implode",
        9: "Deflate64",
        10: "PKWARE Implode",
        18: "IBM Terse",
        20: "Zstandard",
        93: "Zstandard",
    },
    **{94: "MP3", 95: "XZ", 96: "JPEG", 97: "WavPack", 98: "PPMd", 99: "AES encryption"},
}
_LOCKED = "The file is locked with a password. Unpack the ZIP first."
_ENCRYPTED, _STRONGLY_ENCRYPTED = 0x1, 0x40


@dataclass(frozen=True, kw_only=True, slots=True)
class ZipEntry:
    """A file in a ZIP."""

    path: str
    """Its path with forward slashes."""
    info: zipfile.ZipInfo


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundEntries:
    """The files of a ZIP, hidden ones left out, each sorted by path."""

    images: tuple[ZipEntry, ...]
    """Files that are to be read as images; a few of them may be in a format that is not read."""
    others: tuple[ZipEntry, ...]
    """Files that are no images by name and by their first bytes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Target:
    entry: ZipEntry
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


def found_entries(archive: zipfile.ZipFile) -> FoundEntries:
    """Tell the images of a ZIP from all other files."""
    found: dict[bool, list[ZipEntry]] = {True: [], False: []}
    for info in archive.infolist():
        # On POSIX, zipfile keeps backslashes: a folder's entry may end with one.
        entry = ZipEntry(path=posix_name(info.filename), info=info)
        path = PurePosixPath(entry.path)
        if entry.path.endswith("/") or is_hidden(path):
            continue
        found[is_image_file(path.name, partial(_read_start, archive, info))].append(entry)
    images, others = (tuple(sorted(found[kind], key=lambda entry: entry.path)) for kind in (True, False))
    return FoundEntries(images=images, others=others)


def read_entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Return an entry's bytes, never more than the limit, whatever size it declares.

    Raises:
        UnreadableImage: it is too large, damaged, locked with a password, or packed in a way that is not read.
    """
    if info.file_size > MAXIMUM_BYTES:
        raise UnreadableImage(TOO_MANY_BYTES)
    try:
        with archive.open(info) as stream:
            data = stream.read(MAXIMUM_BYTES + 1)
    except NotImplementedError as error:
        raise UnreadableImage(_why_not_unpacked(info)) from error
    except _ZIP_ERRORS as error:
        raise UnreadableImage("The file is damaged inside the ZIP. Make the ZIP again.") from error
    except RuntimeError as error:
        raise UnreadableImage(_LOCKED) from error
    if len(data) > MAXIMUM_BYTES:
        raise UnreadableImage(TOO_MANY_BYTES)
    return data


def _why_not_unpacked(info: zipfile.ZipInfo) -> str:
    method = _METHODS.get(info.compress_type, f"method {info.compress_type}")
    if info.flag_bits & (_ENCRYPTED | _STRONGLY_ENCRYPTED) or info.compress_type == 99:
        return _LOCKED
    return f"The ZIP is packed with {method}, which is not read here. Unpack it and make the ZIP again with Deflate."


def _read_start(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    try:
        with archive.open(info) as stream:
            return stream.read(LONGEST_SIGNATURE)
    except (*_ZIP_ERRORS, RuntimeError):
        return b""


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
    targets = _targets(found_entries(archive).images)
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


def _targets(entries: Sequence[ZipEntry]) -> list[_Target]:
    """Return where each image in a class folder goes; two that would share a name get a number."""
    targets: list[_Target] = []
    taken: set[tuple[str, str]] = set()
    last_number: dict[tuple[str, str], int] = {}
    for entry in entries:
        path = PurePosixPath(entry.path)
        folder = next((part for part in reversed(path.parts[:-1]) if class_index_of_folder(part) is not None), None)
        if folder is None:
            continue
        folder = folder.strip()
        stem, suffix = _harmless_name(path.name)
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


def _harmless_name(name: str) -> tuple[str, str]:
    """Return stem and ending of a file's name without what could harm; blanks and dots around it go."""
    path = PurePosixPath(name.strip(" .") or "image")
    suffix = _UNSAFE.sub("_", path.suffix.lower())
    return _UNSAFE.sub("_", path.stem)[:_LONGEST_NAME].strip(" .") or "image", suffix


def _refuse_too_much(targets: list[_Target], folder: Path, most_bytes: int) -> None:
    declared = sum(target.entry.info.file_size for target in targets)
    if declared > most_bytes:
        raise _too_much(most_bytes)
    if len(targets) > MOST_IMAGES:
        raise DatasetError(f"The ZIP holds more than {MOST_IMAGES:,} images. Split it.")
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if declared > shutil.disk_usage(existing).free:
        raise DatasetError(f"The ZIP needs {declared / 1e9:.1f} GB, and the disk has less. Free some space.")


def _too_much(most_bytes: int) -> DatasetError:
    return DatasetError(f"The ZIP would unpack to more than {most_bytes / 1e9:g} GB. Split it.")


def _read_named(archive: zipfile.ZipFile, entry: ZipEntry) -> bytes:
    try:
        return read_entry(archive, entry.info)
    except UnreadableImage as error:
        raise DatasetError(f"{PurePosixPath(entry.path).name}: {error}") from error
