"""Image files with flipped bits, missing tails, blanks, copies and foreign bytes in them."""

import io
import random
from collections.abc import Callable

import numpy as np
from PIL import Image

from benchmarks.robustness.attack import Tally
from bloodcell.datasets.drawn_cells import draw_cell
from bloodcell.images.open_image import open_image

_FORMATS: dict[str, dict[str, object]] = {
    "JPEG": {"quality": 90},
    "PNG": {},
    "WEBP": {"quality": 90},
    "TIFF": {"compression": "tiff_lzw"},
    "BMP": {},
    "GIF": {},
    "AVIF": {"quality": 90},
}
_SIZE_PX = 160
_BLANK_BYTES = 512
_BLANKS_SHOW = ("JPEG", "WEBP", "AVIF")
"""Formats in which a blank of that length is never part of a sound file: reading one is wrong."""


def mutated_images(count: int) -> Tally:
    """Open so many mutated files. Right is an image of three channels, or a sentence."""
    chance = random.Random(0)
    sound = {name: _encoded(name, label % 8) for label, name in enumerate(_FORMATS)}
    for data in sound.values():
        open_image(data)  # loads what is loaded once
    tally = Tally(name=f"mutated images, {len(_FORMATS)} formats")
    for number in range(count):
        name = chance.choice(list(sound))
        kind = chance.choice(list(_MUTATIONS))
        data = _MUTATIONS[kind](bytearray(sound[name]), chance)
        may_be_read = kind != "blank" or name not in _BLANKS_SHOW
        tally.try_one(
            f"{name} {kind} {number}", lambda data=data, may_be_read=may_be_read: _opens(data) and may_be_read
        )
    return tally


def _encoded(format_name: str, label: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(draw_cell(label, seed=0, size_px=_SIZE_PX)).save(buffer, format_name, **_FORMATS[format_name])
    return buffer.getvalue()


def _opens(data: bytes) -> bool:
    image = open_image(data)
    return image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3


def _flip_bits(data: bytearray, chance: random.Random) -> bytes:
    for _ in range(chance.choice((1, 3, 20))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(data)


def _flip_in_head(data: bytearray, chance: random.Random) -> bytes:
    for _ in range(chance.choice((1, 3))):
        data[chance.randrange(min(64, len(data)))] = chance.randrange(256)
    return bytes(data)


def _cut(data: bytearray, chance: random.Random) -> bytes:
    return bytes(data[: chance.randrange(len(data))])


def _blank(data: bytearray, chance: random.Random) -> bytes:
    """Blank inside the compressed part, behind the first third."""
    at = chance.randrange(len(data) // 3, len(data) - _BLANK_BYTES - 8)
    data[at : at + _BLANK_BYTES] = bytes(_BLANK_BYTES)
    return bytes(data)


def _copy_piece(data: bytearray, chance: random.Random) -> bytes:
    start, at = chance.randrange(len(data)), chance.randrange(len(data))
    return bytes(data[:at] + data[start : start + 200] + data[at:])


def _insert_noise(data: bytearray, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return bytes(data[:at]) + chance.randbytes(chance.choice((1, 50, 5000))) + bytes(data[at:])


def _large_numbers(data: bytearray, chance: random.Random) -> bytes:
    at = chance.randrange(min(256, len(data) - 4))
    data[at : at + 4] = b"\xff\xff\xff\x7f"
    return bytes(data)


_MUTATIONS: dict[str, Callable[[bytearray, random.Random], bytes]] = {
    "bits": _flip_bits,
    "head": _flip_in_head,
    "cut": _cut,
    "blank": _blank,
    "copy": _copy_piece,
    "noise": _insert_noise,
    "large": _large_numbers,
}
