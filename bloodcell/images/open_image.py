"""The one door for image bytes: whatever a user hands in becomes a uint8 RGB array or one plain sentence."""

import io
import stat
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pi_heif
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from bloodcell.errors import LostFile, UnreadableImage
from bloodcell.images.animated import holds_several, the_one_frame
from bloodcell.images.colour import as_srgb
from bloodcell.images.damage import refuse_hidden_damage
from bloodcell.images.decoding_memory import memory_for_picture
from bloodcell.images.formats import ACCEPTED_FORMATS, format_of, why_unidentified
from bloodcell.images.jpeg import read_unusual_jpeg
from bloodcell.images.limits import MAXIMUM_BYTES, TOO_MANY_BYTES, TOO_MANY_PIXELS, refuse_size
from bloodcell.images.orientation import EXIF_ORIENTATION, upright
from bloodcell.images.scaling import stretched_grey
from bloodcell.images.tiff import read_tiff

pi_heif.register_heif_opener(thumbnails=False)

# Pillow warns about damaged metadata, which is dropped here anyway. `warnings.catch_warnings` around each call is not
# safe in threads: two that overlap can leave every warning of the process switched off.
warnings.filterwarnings("ignore", module=r"PIL\.")

# Decoders raise all of these on damaged bytes. Warning: where Python runs with -W error.
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


def open_image(data: bytes) -> NDArray[np.uint8]:
    """Decode image bytes, shape (H, W, 3), uint8, RGB, 0 to 255, C-contiguous, upright by its EXIF orientation.

    Colours with an ICC profile become sRGB, transparency is laid over white, samples with more than 8 bits are scaled
    by their real range (grey is stretched, colours keep their hue: `images.scaling`). Of several frames or pages the
    one is taken that is certain to be the picture: `images.one_picture`. Metadata is dropped.

    Memory for decoding is shared by all threads: who finds it spent waits (`images.decoding_memory`).

    Raises:
        UnreadableImage: the bytes are empty, damaged, cut short, too large, too small, hold several pictures, or are in
            no accepted format or coding.
    """
    if not data:
        raise UnreadableImage("The file is empty. Copy it again from its source.")
    if len(data) > MAXIMUM_BYTES:
        raise UnreadableImage(TOO_MANY_BYTES)
    try:
        return _decoded(data)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UnreadableImage(TOO_MANY_PIXELS) from None
    except MemoryError:
        raise UnreadableImage("There is not enough memory to decode the image. Crop or shrink it.") from None
    except UnidentifiedImageError:
        raise UnreadableImage(why_unidentified(data)) from None
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
        LostFile: the file is missing, may not be read, or the disk does not give it.
        UnreadableImage: it is a folder, no regular file, or over the byte limit.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise UnreadableImage("This is a folder, not an image file. Choose a file in it.")
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableImage("This is a device or a pipe, not an image file. Choose an image file.")
        if status.st_size > MAXIMUM_BYTES:
            raise UnreadableImage(TOO_MANY_BYTES)
        with path.open("rb") as file:
            return file.read(MAXIMUM_BYTES + 1)
    except FileNotFoundError:
        raise LostFile("The file does not exist. Check its name and folder.") from None
    except PermissionError:
        raise LostFile("The file may not be read by this user. Change its permissions or copy it.") from None
    except (OSError, ValueError) as error:
        raise LostFile("The file cannot be read from the disk. Check its name and the disk.") from error


def _decoded(data: bytes) -> NDArray[np.uint8]:
    format_name = format_of(data)
    if format_name == "TIFF":
        return read_tiff(data)
    if format_name == "JPEG" and (unusual := read_unusual_jpeg(data)) is not None:
        return unusual
    with Image.open(io.BytesIO(data), formats=ACCEPTED_FORMATS) as image:
        refuse_size(*image.size)
        several = holds_several(image)
        with memory_for_picture(*image.size, pictures=2 if several else 1):
            picture = Image.fromarray(the_one_frame(image)) if several else _as_rgb(image)
            refuse_hidden_damage(data, format_name, image.mode)
            return upright(picture, _orientation(image))


def _as_rgb(image: Image.Image) -> Image.Image:
    image.load()
    if image.mode.startswith(_WIDE_GREY_MODES):
        return Image.fromarray(stretched_grey(np.asarray(image))).convert("RGB")
    return as_srgb(image)


def _orientation(image: Image.Image) -> object:
    # After the pixels are loaded: PNG may carry EXIF behind them.
    try:
        return image.getexif().get(EXIF_ORIENTATION, 1)
    except _DECODER_ERRORS:
        return 1  # Damaged metadata beside sound pixels: the pixels count.
