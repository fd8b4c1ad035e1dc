"""The one door for image bytes: whatever a user hands in becomes a uint8 RGB array or one plain sentence."""

import io
import stat
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from bloodcell.errors import UnreadableImage

MAXIMUM_BYTES = 50_000_000
MAXIMUM_PIXELS = 40_000_000
MINIMUM_SIDE_PX = 16
ACCEPTED_FORMATS: tuple[str, ...] = ("JPEG", "PNG", "TIFF", "BMP", "WEBP", "GIF")
"""Pillow's names of the formats that are tried; every other decoder stays out of reach of the bytes."""
IMAGE_SUFFIXES: tuple[str, ...] = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".tif", ".tiff", ".bmp", ".webp", ".gif",
)  # fmt: skip
"""File name endings, in lower case, under which images are looked for; the bytes alone decide the format."""

# Pillow warns about damaged metadata, which is dropped here anyway. `warnings.catch_warnings` around each call is not
# safe in threads: two that overlap can leave every warning of the process switched off.
warnings.filterwarnings("ignore", module=r"PIL\.")

# Pillow's decoders raise all of these on damaged bytes. Warning: where Python runs with -W error.
_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    BufferError,
    EOFError,
    RuntimeError,
    struct.error,
    zlib.error,
    Warning,
)
_WIDE_GREY_MODES = ("I", "F")
_EXIF_ORIENTATION = 0x0112
_UPRIGHT_BY_ORIENTATION = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG", "PNG"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"BM", "BMP"),
    (b"RIFF", "WEBP"),
    (b"GIF8", "GIF"),
)
_TOO_MANY_PIXELS = f"The image has more than {MAXIMUM_PIXELS // 1_000_000} million pixels. Crop or shrink it."
_TOO_MANY_BYTES = f"The file is larger than {MAXIMUM_BYTES // 1_000_000} MB. Crop or shrink the image."


def open_image(data: bytes) -> NDArray[np.uint8]:
    """Decode image bytes, shape (H, W, 3), uint8, RGB, 0 to 255, C-contiguous, upright by its EXIF orientation.

    Of an animation or a stack, the first frame is taken. Transparency is laid over white. Greyscale with more than
    8 bits (16-bit, 32-bit, float) is stretched linearly: its lowest finite value becomes 0, its highest 255; NaN and
    minus infinity become 0, plus infinity 255, and an image with one value everywhere mid-grey. Metadata is dropped.

    Raises:
        UnreadableImage: the bytes are empty, damaged, cut short, too large, too small, or in no accepted format.
    """
    if not data:
        raise UnreadableImage("The file is empty. Copy it again from its source.")
    if len(data) > MAXIMUM_BYTES:
        raise UnreadableImage(_TOO_MANY_BYTES)
    try:
        with Image.open(io.BytesIO(data), formats=ACCEPTED_FORMATS) as image:
            _refuse_size(*image.size)
            image.load()
            rgb, turn = _as_rgb(image), _upright_turn(image)
            return np.array(rgb.transpose(turn) if turn is not None else rgb, order="C")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UnreadableImage(_TOO_MANY_PIXELS) from None
    except MemoryError:
        raise UnreadableImage("There is not enough memory to decode the image. Crop or shrink it.") from None
    except UnidentifiedImageError:
        raise UnreadableImage(_why_unidentified(data)) from None
    except _DECODER_ERRORS as error:
        raise UnreadableImage("The image is damaged or cut short. Copy or export it again from its source.") from error


def read_image_file(path: Path) -> NDArray[np.uint8]:
    """Read and decode an image file; the array is that of `open_image`. A file over the byte limit is not read.

    Raises:
        UnreadableImage: as `open_image`; also if the file is missing, a folder, no regular file, or cannot be read.
    """
    return open_image(read_image_bytes(path))


def read_image_bytes(path: Path) -> bytes:
    """Read the bytes of an image file, at most one more than `MAXIMUM_BYTES`.

    Raises:
        UnreadableImage: the file is missing, a folder, no regular file, over the byte limit, or cannot be read.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise UnreadableImage("This is a folder, not an image file. Choose a file in it.")
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableImage("This is a device or a pipe, not an image file. Choose an image file.")
        if status.st_size > MAXIMUM_BYTES:
            raise UnreadableImage(_TOO_MANY_BYTES)
        with path.open("rb") as file:
            return file.read(MAXIMUM_BYTES + 1)
    except FileNotFoundError:
        raise UnreadableImage("The file does not exist. Check its name and folder.") from None
    except PermissionError:
        raise UnreadableImage("The file may not be read by this user. Change its permissions or copy it.") from None
    except (OSError, ValueError) as error:
        raise UnreadableImage("The file cannot be read from the disk. Check its name and the disk.") from error


def _refuse_size(width: int, height: int) -> None:
    if width * height > MAXIMUM_PIXELS:
        raise UnreadableImage(_TOO_MANY_PIXELS)
    if min(width, height) < 1:
        raise UnreadableImage("The image has a width or height of zero. Export it again from its source.")
    if min(width, height) < MINIMUM_SIDE_PX:
        raise UnreadableImage(
            f"The image is {width} × {height} pixels; each side needs at least {MINIMUM_SIDE_PX}. Use the original."
        )


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(_WIDE_GREY_MODES):
        return Image.fromarray(_stretched_to_bytes(np.asarray(image))).convert("RGB")
    if image.mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in image.info:
        # La converts to LA only, RGBa to RGBA only.
        straight = image.convert("LA") if image.mode == "La" else image
        rgba = straight.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return image.convert("RGB")


def _stretched_to_bytes(grey: NDArray[np.generic]) -> NDArray[np.uint8]:
    # float64: float32 cannot hold the difference of two 32-bit integers, nor that of the largest float32 values.
    values = grey.astype(np.float64)
    finite = values[np.isfinite(values)]
    if not finite.size:
        raise UnreadableImage("The image holds no finite value. Export it again from its source.")
    lowest, highest = float(finite.min()), float(finite.max())
    if lowest == highest:
        values = np.where(values == lowest, 0.5, values)
    else:
        values -= lowest
        values /= highest - lowest
    np.nan_to_num(values, copy=False, nan=0.0, posinf=1.0, neginf=0.0)
    values *= 255.0
    return np.rint(values, out=values).astype(np.uint8)


def _upright_turn(image: Image.Image) -> Image.Transpose | None:
    # After the pixels are loaded: PNG may carry EXIF behind them, and Pillow turns TIFF itself while loading.
    try:
        return _UPRIGHT_BY_ORIENTATION.get(image.getexif().get(_EXIF_ORIENTATION, 1))
    except _DECODER_ERRORS:
        return None  # Damaged metadata beside sound pixels: the pixels count.


def _why_unidentified(data: bytes) -> str:
    formats = ", ".join(ACCEPTED_FORMATS)
    for signature, name in _SIGNATURES:
        if data.startswith(signature):
            if _declares_zero_size(data, name):
                return "The image has a width or height of zero. Export it again from its source."
            return f"The file begins like a {name} image, but its header is damaged. Copy or export it again."
    start = data[:1024]
    if b"\0" not in start and start.isascii():
        return f"The file holds text, not an image. Choose an image file ({formats})."
    return f"The file is in no accepted image format. Save it as one of {formats}."


def _declares_zero_size(data: bytes, format_name: str) -> bool:
    layout = {"PNG": (">II", 16), "GIF": ("<HH", 6), "BMP": ("<ii", 18)}.get(format_name)
    if layout is None or len(data) < layout[1] + struct.calcsize(layout[0]):
        return False
    return 0 in struct.unpack_from(layout[0], data, layout[1])
