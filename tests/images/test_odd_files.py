"""Odd but sound files that programs write, made here: the same picture comes out, or a sentence that says why not."""

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
import tifffile
from PIL import Image, PngImagePlugin, TiffImagePlugin

from bloodcell.datasets.drawn_cells import draw_cell
from bloodcell.errors import UnreadableImage
from bloodcell.images.open_image import open_image

CELL = draw_cell(1, seed=0, size_px=96)
GREY = np.asarray(Image.fromarray(CELL).convert("L"))


def pillow(format_name: str, image: Image.Image | None = None, **options: object) -> bytes:
    stream = io.BytesIO()
    (image or Image.fromarray(CELL)).save(stream, format_name, **options)
    return stream.getvalue()


def tiff(data: np.ndarray, **options: object) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, data, **options)  # type: ignore[arg-type]
    return stream.getvalue()


def png_with_text() -> bytes:
    told = PngImagePlugin.PngInfo()
    told.add_text("Comment", "x" * 200_000, zip=True)
    return pillow("PNG", pnginfo=told)


def png_of_16_bits() -> bytes:
    """Write RGB of 16 bits per channel, which Pillow does not: 257 times the cell's values."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in CELL.astype(np.uint16) * 257)
    head = struct.pack(">LLBBBBB", CELL.shape[1], CELL.shape[0], 16, 2, 0, 0, 0)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def turned(orientation: int) -> bytes:
    """Store the cell so that the EXIF orientation puts it upright."""
    stored = {3: np.rot90(CELL, 2), 6: np.rot90(CELL, 1), 8: np.rot90(CELL, -1), 2: CELL[:, ::-1]}[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    return pillow("PNG", Image.fromarray(np.ascontiguousarray(stored)), exif=exif.tobytes())


def big_endian() -> bytes:
    return tiff(CELL, byteorder=">", photometric="rgb")


def jpeg_in_tiff() -> bytes:
    return pillow("TIFF", compression="jpeg", quality=100)


def with_gps() -> bytes:
    entries = TiffImagePlugin.ImageFileDirectory_v2()
    entries[270] = "a patient's name"
    return pillow("TIFF", tiffinfo=entries)


def palette_with_transparency() -> bytes:
    image = Image.fromarray(CELL).quantize(256)
    return pillow("PNG", image, transparency=bytes([255] * 256))


SAME: dict[str, tuple[Callable[[], bytes], float]] = {
    "PNG, interlaced by another writer's text of 200 kB": (png_with_text, 0),
    "PNG, 16 bits per channel": (png_of_16_bits, 0),
    "PNG, palette with opaque transparency": (palette_with_transparency, 6),
    "PNG, upside down by EXIF": (lambda: turned(3), 0),
    "PNG, on its side by EXIF": (lambda: turned(6), 0),
    "PNG, on its other side by EXIF": (lambda: turned(8), 0),
    "PNG, mirrored by EXIF": (lambda: turned(2), 0),
    "BMP, 24 bits": (lambda: pillow("BMP"), 0),
    "BMP, 8 bits with a palette": (lambda: pillow("BMP", Image.fromarray(CELL).quantize(256)), 6),
    "JPEG, progressive": (lambda: pillow("JPEG", progressive=True, quality=98), 2),
    "JPEG, CMYK": (lambda: pillow("JPEG", Image.fromarray(CELL).convert("CMYK"), quality=98), 3),
    "JPEG, bytes behind its end": (lambda: pillow("JPEG", quality=98) + b"camera notes" * 50, 2),
    "WEBP, without loss": (lambda: pillow("WEBP", lossless=True), 0),
    "TIFF, big-endian": (big_endian, 0),
    "TIFF, BigTIFF": (lambda: tiff(CELL, bigtiff=True, photometric="rgb"), 0),
    "TIFF, tiles": (lambda: tiff(CELL, tile=(32, 32), photometric="rgb"), 0),
    "TIFF, Deflate with predictor": (lambda: tiff(CELL, compression="zlib", predictor=True, photometric="rgb"), 0),
    "TIFF, Zstandard": (lambda: tiff(CELL, compression="zstd", photometric="rgb"), 0),
    "TIFF, LZW": (lambda: tiff(CELL, compression="lzw", photometric="rgb"), 0),
    "TIFF, PackBits": (lambda: tiff(CELL, compression="packbits", photometric="rgb"), 0),
    "TIFF, JPEG inside": (jpeg_in_tiff, 2),
    "TIFF, one strip per row": (lambda: tiff(CELL, rowsperstrip=1, photometric="rgb"), 0),
    "TIFF, metadata": (with_gps, 0),
    "GIF, one frame": (lambda: pillow("GIF", Image.fromarray(CELL).quantize(256)), 6),
}


@pytest.mark.parametrize(("make", "levels"), SAME.values(), ids=SAME.keys())
def test_the_picture_is_the_one_that_was_stored(make: Callable[[], bytes], levels: float) -> None:
    image = open_image(make())
    assert image.shape == CELL.shape
    assert np.abs(image.astype(int) - CELL.astype(int)).mean() <= levels


def test_white_is_zero_is_turned_back() -> None:
    image = open_image(tiff(255 - GREY, photometric="miniswhite"))
    assert np.abs(image[..., 0].astype(int) - GREY.astype(int)).mean() <= 1


def test_several_different_pages_are_refused() -> None:
    pages = np.stack([draw_cell(label, seed=0, size_px=96) for label in (0, 3, 5)])
    with pytest.raises(UnreadableImage, match="several different pictures"):
        open_image(tiff(pages, photometric="rgb"))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"%PDF-1.7 a report", "PDF"),
        (b"\0" * 128 + b"DICM" + bytes(200), "DICOM"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "text"),
        (b"", "empty"),
    ],
)
def test_what_is_no_cell_image_is_named(data: bytes, words: str) -> None:
    with pytest.raises(UnreadableImage, match=words):
        open_image(data)
