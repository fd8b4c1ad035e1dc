"""ZIPs of images that strangers made: opened, listed and read without trusting their names and sizes."""

import lzma
import struct
import zipfile
import zlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from bloodcell.errors import DatasetError, UnreadableImage
from bloodcell.images.file_names import base_name, is_hidden, is_image_file, posix_name
from bloodcell.images.formats import LONGEST_SIGNATURE
from bloodcell.images.limits import MAXIMUM_BYTES, TOO_MANY_BYTES
from bloodcell.images.zip_traps import READ_METHODS, refuse_hostile, refuse_long_list, unpacks_to_too_much

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
        12: "bzip2",
        14: "LZMA",
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


def open_zip(file: Path | IO[bytes], name: str) -> zipfile.ZipFile:
    """Open a ZIP for reading.

    Raises:
        DatasetError: it is damaged or no ZIP, or such as only a trap is (`images.zip_traps`).
    """
    try:
        refuse_long_list(file)
        archive = zipfile.ZipFile(file)
    except _ZIP_ERRORS as error:
        raise DatasetError(f"{name} is damaged or not a ZIP. Make it again from the folder of images.") from error
    try:
        refuse_hostile(archive)
    except DatasetError:
        archive.close()
        raise
    return archive


def found_entries(archive: zipfile.ZipFile) -> FoundEntries:
    """Tell the images of a ZIP from all other files."""
    found: dict[bool, list[ZipEntry]] = {True: [], False: []}
    for info in archive.infolist():
        # On POSIX, zipfile keeps backslashes: a folder's entry may end with one.
        entry = ZipEntry(path=posix_name(info.filename), info=info)
        if entry.path.endswith("/") or is_hidden(entry.path):
            continue
        found[is_image_file(base_name(entry.path), partial(_read_start, archive, info))].append(entry)
    images, others = (tuple(sorted(found[kind], key=lambda entry: entry.path)) for kind in (True, False))
    return FoundEntries(images=images, others=others)


def read_entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Return an entry's bytes, never more than the limit, whatever size it declares.

    Raises:
        UnreadableImage: it is too large, damaged, locked with a password, or packed in a way that is not read.
    """
    if info.file_size > MAXIMUM_BYTES:
        raise UnreadableImage(TOO_MANY_BYTES)
    if info.compress_type not in READ_METHODS:
        raise UnreadableImage(_why_not_unpacked(info))
    if unpacks_to_too_much(info):
        raise UnreadableImage(
            "The file unpacks to more than 200 times its size in the ZIP, as no picture of a cell does."
        )
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
        if info.compress_type not in READ_METHODS:
            return b""
        with archive.open(info) as stream:
            return stream.read(LONGEST_SIGNATURE)
    except (*_ZIP_ERRORS, RuntimeError):
        return b""
