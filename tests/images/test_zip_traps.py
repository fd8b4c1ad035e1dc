"""ZIPs that are made to fill a disk or to hold a program up are refused by their list."""

import io
import struct
import zipfile
from pathlib import Path

import pytest

from bloodcell.errors import DatasetError, UnreadableImage
from bloodcell.images import zip_traps
from bloodcell.images.zip_images import found_entries, open_zip, read_entry


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def overlapping(copies: int, kernel: bytes) -> bytes:
    """Return a ZIP whose list names one and the same compressed file many times over."""
    data = zipped({"neutrophil/0.jpg": kernel})
    central = data.index(b"PK\x01\x02")
    entry = data[central : data.index(b"PK\x05\x06")]
    names = (f"{number:016d}".encode() for number in range(copies))
    entries = b"".join(entry[:46] + name + entry[46 + len(name) :] for name in names)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, copies, copies, len(entries), central, 0)
    return data[:central] + entries + end


def test_files_that_lie_over_one_another_are_refused() -> None:
    data = overlapping(500, bytes(range(256)) * 40)
    with pytest.raises(DatasetError, match="over one another"):
        open_zip(io.BytesIO(data), "The ZIP")


def test_a_zip_that_unpacks_to_hundreds_of_times_its_size_is_refused() -> None:
    data = zipped({f"neutrophil/{number}.bmp": bytes(20_000_000) for number in range(10)})
    with pytest.raises(DatasetError, match="200 times"):
        open_zip(io.BytesIO(data), "The ZIP")


def test_one_file_of_zeros_among_others_is_refused_alone() -> None:
    data = zipped({"a.bmp": bytes(20_000_000), "b.jpg": b"\xff\xd8\xff" + bytes(range(256))})
    with open_zip(io.BytesIO(data), "The ZIP") as archive:
        first, second = found_entries(archive).images
        with pytest.raises(UnreadableImage, match="200 times"):
            read_entry(archive, first.info)
        assert len(read_entry(archive, second.info)) == 259


@pytest.mark.parametrize(("method", "name"), [(zipfile.ZIP_BZIP2, "bzip2"), (zipfile.ZIP_LZMA, "LZMA")])
def test_packings_that_unpack_without_a_limit_are_not_read(method: int, name: str) -> None:
    archive = open_zip(io.BytesIO(zipped({"a.jpg": bytes(1_000)}, method)), "The ZIP")
    with archive, pytest.raises(UnreadableImage, match=f"packed with {name}"):
        read_entry(archive, found_entries(archive).images[0].info)


def test_a_list_that_is_too_long_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "cells.zip"
    file.write_bytes(zipped({f"{number}.jpg": b"x" for number in range(30)}))
    with open_zip(file, "The ZIP") as archive:
        assert len(archive.infolist()) == 30
    monkeypatch.setattr(zip_traps, "MOST_FILES", 29)
    monkeypatch.setattr(zipfile, "ZipFile", None)
    with pytest.raises(DatasetError, match="Split it"):
        open_zip(file, "The ZIP")


def test_a_wide_list_counts_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 10)
    data = zipped({f"{number}.jpg": b"x" for number in range(30)})
    assert b"PK\x06\x06" in data
    monkeypatch.setattr(zip_traps, "MOST_FILES", 29)
    with pytest.raises(DatasetError, match="Split it"):
        zip_traps.refuse_long_list(io.BytesIO(data))
