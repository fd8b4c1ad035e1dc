"""ZIPs that are made to fill a disk or to hold a program up: told by their list of files, before any is unpacked."""

import os
import struct
import zipfile
from itertools import pairwise
from pathlib import Path
from typing import IO

from bloodcell.errors import DatasetError

READ_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Python's readers of bzip2 and LZMA unpack a whole block before they look at a limit: gigabytes from kilobytes."""
MOST_FILES = 200_000
MOST_LIST_BYTES = 64_000_000
_MOST_RATIO = 200
"""A photograph unpacks to at most 20 times its size; an even picture of one colour to 1,000 times."""
_RATIO_COUNTS_FROM_BYTES = 1_000_000
_LOCAL_HEADER_BYTES = 30
_END = struct.Struct("<4s4H2LH")
_LONGEST_COMMENT = 65_535
_WIDE_END = struct.Struct("<4sQ2H2L4Q")
_WIDE_LOCATOR = struct.Struct("<4sLQL")


def refuse_long_list(file: Path | IO[bytes]) -> None:
    """Refuse a ZIP by the length of its list of files, before the list is read.

    Raises:
        DatasetError: it is too long.
        OSError, ValueError, struct.error: the file cannot be read.
    """
    if isinstance(file, Path):
        with file.open("rb") as stream:
            refuse_long_list(stream)
        return
    size = file.seek(0, os.SEEK_END)
    start = file.seek(max(0, size - _END.size - _LONGEST_COMMENT))
    tail = file.read()
    file.seek(0)
    at = tail.rfind(b"PK\5\6")
    if at < 0 or at + _END.size > len(tail):
        return  # No ZIP: zipfile says so.
    _, _, _, _, files, list_bytes, _, _ = _END.unpack_from(tail, at)
    if at >= _WIDE_LOCATOR.size and tail[at - _WIDE_LOCATOR.size :].startswith(b"PK\6\7"):
        file.seek(max(0, start + at - _WIDE_LOCATOR.size - _WIDE_END.size))
        wide = file.read(_WIDE_END.size)
        file.seek(0)
        if len(wide) == _WIDE_END.size and wide.startswith(b"PK\6\6"):
            files, list_bytes = _WIDE_END.unpack(wide)[7:9]
    if files > MOST_FILES or list_bytes > MOST_LIST_BYTES:
        raise DatasetError(f"The ZIP holds more than {MOST_FILES:,} files. Split it.")


def refuse_hostile(archive: zipfile.ZipFile) -> None:
    """Refuse a ZIP whose files lie over one another, or that unpacks to far more than pictures do.

    Raises:
        DatasetError: it is such a one.
    """
    infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
    if len(infos) > MOST_FILES:
        raise DatasetError(f"The ZIP holds more than {MOST_FILES:,} files. Split it.")
    ends = [info.header_offset + _LOCAL_HEADER_BYTES + info.compress_size for info in infos]
    if any(end > after.header_offset for end, (_, after) in zip(ends, pairwise(infos), strict=False)):
        raise DatasetError(
            "Files lie over one another in the ZIP, as no honest program writes them. Make it again from the folder."
        )
    declared, packed = sum(info.file_size for info in infos), sum(info.compress_size for info in infos)
    if declared > _MOST_RATIO * packed + 100 * _RATIO_COUNTS_FROM_BYTES:
        raise DatasetError("The ZIP unpacks to more than 200 times its size, as no pictures do. It is not unpacked.")


def unpacks_to_too_much(info: zipfile.ZipInfo) -> bool:
    """Say whether a file declares more than 200 times its packed size."""
    return info.file_size > _RATIO_COUNTS_FROM_BYTES and info.file_size > _MOST_RATIO * max(1, info.compress_size)
