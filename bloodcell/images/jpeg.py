"""JPEG that Pillow cannot read: what its headers say, and 12-bit samples."""

from collections.abc import Iterator

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bloodcell.errors import UnreadableImage
from bloodcell.images.colour import as_srgb
from bloodcell.images.decoding_memory import memory_for_samples
from bloodcell.images.limits import refuse_size
from bloodcell.images.orientation import EXIF_ORIENTATION, upright
from bloodcell.images.scaling import scaled_colour

_NO_LENGTH = {0x01, *range(0xD0, 0xDA)}
_START_OF_SCAN = 0xDA
_CODINGS = {
    **dict.fromkeys((0xC0, 0xC1, 0xC2), "ordinary"),
    0xC3: "lossless",
    **dict.fromkeys((0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF), "hierarchical"),
    **dict.fromkeys((0xC9, 0xCA), "arithmetic"),
    0xCB: "lossless arithmetic",
    0xF7: "JPEG-LS",
}
_DECODED = ("ordinary", "lossless")
_EXIF, _ICC = b"Exif\0\0", b"ICC_PROFILE\0"


def read_unusual_jpeg(data: bytes) -> NDArray[np.uint8] | None:
    """Decode a JPEG with samples of 12 or more bits, or lossless, uint8 RGB (H, W, 3), upright.

    None where it is an ordinary JPEG of 8 bits, which Pillow reads.

    Raises:
        UnreadableImage: it is in a coding that is not read; the sentence names it.
        Exception: the file is damaged: any of what decoders raise.
    """
    segments = list(jpeg_segments(data))
    frame = next(((marker, body) for marker, body in segments if marker in _CODINGS and len(body) >= 6), None)
    if frame is None:
        return None
    coding, bits = _CODINGS[frame[0]], frame[1][0]
    if coding in ("ordinary", "arithmetic") and bits == 8:
        return None
    if coding not in _DECODED or frame[1][5] not in (1, 3):
        raise UnreadableImage(
            f"The file is a JPEG in the coding {coding}, {bits} bits, which is not read here. Export it as PNG or TIFF."
        )
    width, height = int.from_bytes(frame[1][3:5]), int.from_bytes(frame[1][1:3])
    refuse_size(width, height)
    exif = Image.Exif()
    exif.load(next((body for marker, body in segments if marker == 0xE1 and body.startswith(_EXIF)), b""))
    with memory_for_samples(width * height * frame[1][5] * 2, width * height):
        samples = np.asarray(imagecodecs.jpeg8_decode(data))
        image = Image.fromarray(scaled_colour(samples, bits=bits) if samples.dtype != np.uint8 else samples)
        return upright(as_srgb(image, _profile(segments)), exif.get(EXIF_ORIENTATION, 1))


def jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield marker and body of each segment in front of the first scan."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker in _NO_LENGTH:
            at += 2
            continue
        length = int.from_bytes(data[at + 2 : at + 4])
        yield marker, data[at + 4 : at + 2 + length]
        if marker == _START_OF_SCAN or length < 2:
            return
        at += 2 + length


def _profile(segments: list[tuple[int, bytes]]) -> bytes:
    parts = sorted(body[len(_ICC) :] for marker, body in segments if marker == 0xE2 and body.startswith(_ICC))
    return b"".join(part[2:] for part in parts)
