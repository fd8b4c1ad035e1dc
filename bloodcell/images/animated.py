"""Files of PNG, GIF, WEBP, AVIF, HEIC and MPO that hold several pictures."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bloodcell.errors import UnreadableImage
from bloodcell.images.colour import as_srgb
from bloodcell.images.limits import MAXIMUM_PIXELS, TOO_MANY_PIXELS
from bloodcell.images.one_picture import MOST_PICTURES, several_pictures, the_one_picture

_MP_ENTRIES = 0xB002
_SMALLER = 0.8


def holds_several(image: Image.Image) -> bool:
    """Say whether an open image has more than one frame."""
    return _frame_count(image) > 1


def the_one_frame(image: Image.Image) -> NDArray[np.uint8]:
    """Return the frame that holds something, uint8 RGB (H, W, 3), not turned.

    Raises:
        UnreadableImage: two frames hold different pictures, all are empty, or there are too many.
    """
    frames = _frame_count(image)
    if frames > MOST_PICTURES:
        raise several_pictures("frames", frames)
    if frames * image.width * image.height > MAXIMUM_PIXELS:
        raise UnreadableImage(TOO_MANY_PIXELS)
    return the_one_picture(_frames(image), called="frames")


def _frame_count(image: Image.Image) -> int:
    return int(getattr(image, "n_frames", 1))


def _frames(image: Image.Image) -> Iterator[NDArray[np.uint8]]:
    first_size = image.size
    for number in range(_frame_count(image)):
        if number and _is_companion(image, number):
            continue
        image.seek(number)
        if image.format == "MPO" and number and max(image.width, image.height) <= _SMALLER * max(first_size):
            continue  # A preview or a gain map: viewers show the first.
        image.load()
        yield np.asarray(as_srgb(image))


def _is_companion(image: Image.Image, number: int) -> bool:
    """Say whether a frame of an MPO is called a large thumbnail of the first."""
    entries = (getattr(image, "mpinfo", None) or {}).get(_MP_ENTRIES) or ()
    return number < len(entries) and str(entries[number]["Attribute"]["MPType"]).startswith("Large Thumbnail")
