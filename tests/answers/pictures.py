"""Encoded pictures, good and bad, that tests of answers and of the command line share."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from bloodcell.datasets.drawn_cells import draw_cell


def encoded(label: int, format_name: str = "PNG", **options: object) -> bytes:
    """A drawn cell, 96 px, as the bytes of an image file."""
    stream = io.BytesIO()
    Image.fromarray(draw_cell(label, seed=0, size_px=96)).save(stream, format=format_name, **options)
    return stream.getvalue()


def converted(mode: str, format_name: str = "PNG") -> bytes:
    """A drawn cell in another pixel mode."""
    stream = io.BytesIO()
    Image.fromarray(draw_cell(1, seed=0, size_px=96)).convert(mode).save(stream, format=format_name)
    return stream.getvalue()


def sixteen_bit() -> bytes:
    """A grey picture of 16 bits per pixel."""
    stream = io.BytesIO()
    grey = np.asarray(Image.fromarray(draw_cell(1, seed=0, size_px=96)).convert("L")).astype(np.uint16) * 17
    Image.fromarray(grey).save(stream, format="PNG")
    return stream.getvalue()


def exif_rotated() -> bytes:
    """A JPEG that says that it lies on its side."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(2, "JPEG", exif=exif.tobytes())


def pixel_bomb(side_px: int = 13_000) -> bytes:
    """A PNG of a few bytes that would decode to 13,000 × 13,000 pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", side_px, side_px, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(1_000_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def write_broken_and_odd_files(folder: Path) -> tuple[set[str], set[str]]:
    """Fill a folder; return the names of files that must be answered and of those that cannot."""
    good = {
        "alpha.png": converted("RGBA"),
        "cmyk.jpg": converted("CMYK", "JPEG"),
        "exif.jpg": exif_rotated(),
        "grey.png": converted("L"),
        "palette.gif": converted("P", "GIF"),
        "plain.jpg": encoded(0, "JPEG"),
        "sixteen_bit.png": sixteen_bit(),
        "tiff.tif": encoded(3, "TIFF"),
    }
    bad = {
        "bomb.png": pixel_bomb(),
        "empty.png": b"",
        "half.jpg": encoded(4, "JPEG")[:2000],
        "text.png": b"This is not a picture.\n" * 20,
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in {**good, **bad}.items():
        (folder / name).write_bytes(data)
    return set(good), set(bad)
