"""ZIP archives that are bombs, climb out of their folder, or lie about what they hold."""

import io
import struct
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from benchmarks.robustness.attack import Tally
from bloodcell.answers.image_sources import open_sources
from bloodcell.datasets.drawn_cells import draw_cell
from bloodcell.datasets.zip_dataset import unpack_dataset
from bloodcell.errors import UnreadableImage
from bloodcell.images.open_image import open_image
from bloodcell.images.zip_images import open_zip

MOST_SECONDS, MOST_BYTES = 2.0, 100_000_000
"""What a refused archive may take."""


def hostile_zips() -> Tally:
    """Read each kind as Classify does and as the Dataset page does; right is what stays in its folder and bounds."""
    cell = io.BytesIO()
    Image.fromarray(draw_cell(0, seed=0, size_px=96)).save(cell, "JPEG")
    open_image(cell.getvalue())  # loads what is loaded once
    tally = Tally(name=f"hostile ZIPs, {len(_KINDS)} kinds, read in two ways")
    for name, make in _KINDS.items():
        with tempfile.TemporaryDirectory() as place:
            file = Path(place) / "inside" / "cells.zip"
            file.parent.mkdir()
            file.write_bytes(make(cell.getvalue()))
            tally.try_one(f"{name}, classified", lambda file=file: _classified(file))
            tally.try_one(f"{name}, unpacked", lambda file=file: _unpacked(file))
    return tally


def _classified(file: Path) -> bool:
    with open_sources([file]) as found:
        for source in found.sources:
            try:
                open_image(source.read())
            except UnreadableImage:
                continue  # a row of its own with the reason
    return _nothing_escaped(file)


def _unpacked(file: Path) -> bool:
    with open_zip(file, file.name) as archive:
        unpack_dataset(archive, file.parent / "dataset")
    return _nothing_escaped(file)


def _nothing_escaped(file: Path) -> bool:
    beside = {path.name for path in file.parent.parent.iterdir()}
    written = sum(path.stat().st_size for path in file.parent.rglob("*") if path.is_file()) - file.stat().st_size
    links = [path for path in file.parent.rglob("*") if path.is_symlink()]
    return beside == {"inside"} and written < MOST_BYTES and not links


def _zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name) if name.endswith("/") else name, data)
    return buffer.getvalue()


def _named(*names: str) -> Callable[[bytes], bytes]:
    return lambda cell: _zipped(dict.fromkeys(names, cell))


def _overlapping(copies: int) -> Callable[[bytes], bytes]:
    def make(cell: bytes) -> bytes:
        data = _zipped({"neutrophil/0.jpg": cell * 40})
        central = data.index(b"PK\x01\x02")
        entry = data[central : data.index(b"PK\x05\x06")]
        names = (f"neutrophil/{number:05d}"[:16].encode().ljust(16, b"_") for number in range(copies))
        entries = b"".join(entry[:46] + name + entry[46 + len(name) :] for name in names)
        return (
            data[:central]
            + entries
            + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, copies, copies, len(entries), central, 0)
        )

    return make


def _list_field(offset: int, value: bytes) -> Callable[[bytes], bytes]:
    """Overwrite a field of the first entry in the archive's list."""

    def make(cell: bytes) -> bytes:
        data = bytearray(_zipped({"neutrophil/a.jpg": cell, "neutrophil/b.jpg": cell}))
        at = data.index(b"PK\x01\x02") + offset
        data[at : at + len(value)] = value
        return bytes(data)

    return make


def _nested(cell: bytes) -> bytes:
    for depth in range(5):
        cell = _zipped({f"neutrophil/{depth}.zip": cell})
    return cell


def _link(cell: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo("neutrophil/link.jpg")
        info.create_system, info.external_attr = 3, 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
        archive.writestr("neutrophil/a.jpg", cell)
    return buffer.getvalue()


def _twice(cell: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for data in (cell, b"\xff\xd8\xff" + bytes(50)):
            archive.writestr("neutrophil/a.jpg", data)
    return buffer.getvalue()


def _bmp_of_zeros(cell: bytes) -> bytes:
    return _zipped({"neutrophil/a.jpg": cell, "neutrophil/z.bmp": b"BM" + bytes(60_000_000)})


_KINDS: dict[str, Callable[[bytes], bytes]] = {
    "sound": _named("neutrophil/a.jpg", "monocyte/b.jpg"),
    "overlapping, 500": _overlapping(500),
    "overlapping, 60,000": _overlapping(60_000),
    "zeros, ten files": lambda cell: _zipped({f"neutrophil/{n}.bmp": b"BM" + bytes(20_000_000) for n in range(10)}),
    "zeros, one file among others": _bmp_of_zeros,
    "70,000 names": lambda cell: _zipped({f"neutrophil/{n}.jpg": b"x" for n in range(70_000)}, zipfile.ZIP_STORED),
    "ZIPs in ZIPs": _nested,
    "bzip2": lambda cell: _zipped({"neutrophil/a.jpg": cell}, zipfile.ZIP_BZIP2),
    "LZMA": lambda cell: _zipped({"neutrophil/a.jpg": cell}, zipfile.ZIP_LZMA),
    "Deflate64": _list_field(10, struct.pack("<H", 9)),
    "Zstandard": _list_field(10, struct.pack("<H", 93)),
    "unknown packing": _list_field(10, struct.pack("<H", 4711)),
    "encrypted": _list_field(8, struct.pack("<H", 1)),
    "wrong checksum": _list_field(16, b"abcd"),
    "packed size too large": _list_field(20, struct.pack("<L", 2**31)),
    "packed size 0": _list_field(20, struct.pack("<L", 0)),
    "unpacked size too large": _list_field(24, struct.pack("<L", 2**31)),
    "unpacked size 1": _list_field(24, struct.pack("<L", 1)),
    "extra field too long": _list_field(30, struct.pack("<H", 60_000)),
    "points behind its end": _list_field(42, struct.pack("<L", 2**31)),
    "climbs out": _named("../../neutrophil/a.jpg", "neutrophil/../../b.jpg"),
    "absolute": _named("/tmp/neutrophil/a.jpg", "C:\\neutrophil\\b.jpg"),
    "backslashes that climb": _named("..\\..\\neutrophil\\a.jpg"),
    "control characters": _named("neutrophil/\r\n=cmd.jpg", "neutrophil/\x1b[2J.jpg"),
    "a name of 60,000 letters": _named(f"neutrophil/{'x' * 60_000}.jpg"),
    "a thousand folders deep": _named("neutrophil/" + "a/" * 1000 + "a.jpg"),
    "a link": _link,
    "one name twice": _twice,
    "folders named as images": lambda cell: _zipped({"neutrophil/a.jpg/": b"", "neutrophil/b.jpg": cell}),
    "no file": lambda cell: _zipped({}),
    "cut tail": lambda cell: _zipped({"neutrophil/a.jpg": cell})[:-30],
    "cut head": lambda cell: _zipped({"neutrophil/a.jpg": cell})[40:],
    "no ZIP": lambda cell: cell,
    "texts named as images": lambda cell: _zipped({"neutrophil/a.jpg": b"text " * 99, "neutrophil/b.png": b""}),
}
