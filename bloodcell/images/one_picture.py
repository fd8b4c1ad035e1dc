"""Which of several pictures in a file is the one: empty frames and copies of another do not count."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bloodcell.errors import UnreadableImage

MOST_PICTURES = 32
"""A file with more is refused before it is decoded."""
_EMPTY_SPREAD_LEVELS = 6
_EMPTY_SHARE = 0.001
_COPY_LEVELS = 3.0
_SMALLER_COPY_LEVELS = 8.0
_SMALLER = 0.8
_SHAPE_TOLERANCE = 0.06


def the_one_picture(pictures: Iterable[NDArray[np.uint8]], *, called: str) -> NDArray[np.uint8]:
    """Return the one picture of a file that holds several, uint8 RGB (H, W, 3) each.

    Empty ones are passed over, and so are copies of another, also smaller ones; the largest copy is returned.

    Args:
        called: what they are called in the file, "frames" or "pages".

    Raises:
        UnreadableImage: two pictures differ, or all are empty.
    """
    found: NDArray[np.uint8] | None = None
    for picture in pictures:
        if _is_empty(picture):
            continue
        if found is None:
            found = picture
        elif not _is_copy(found, picture):
            raise several_pictures(called)
        elif picture.size > found.size:
            found = picture
    if found is None:
        raise UnreadableImage(f"The file holds several {called}, and all are empty. Export the picture again.")
    return found


def several_pictures(called: str, number: int | None = None) -> UnreadableImage:
    """Return the refusal of a file with several pictures of which none is certain to be meant."""
    some = "several different" if number is None else f"{number:,} different"
    return UnreadableImage(f"The file holds {some} pictures ({called}). Save each cell as a file of its own.")


def _is_empty(picture: NDArray[np.uint8]) -> bool:
    """Say whether nearly all pixels have one colour."""
    middle = np.median(picture[::7, ::7].reshape(-1, 3), axis=0).astype(np.int16)
    differs = (np.abs(picture.astype(np.int16) - middle) > _EMPTY_SPREAD_LEVELS).any(axis=2)
    return bool(differs.mean() <= _EMPTY_SHARE)


def _is_copy(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    small, large = sorted((one, other), key=lambda picture: picture.size)
    if small.shape == large.shape:
        return _difference(small, large) <= _COPY_LEVELS
    height, width = small.shape[0] / large.shape[0], small.shape[1] / large.shape[1]
    if max(height, width) > _SMALLER or abs(height / width - 1) > _SHAPE_TOLERANCE:
        return False
    shrunk = Image.fromarray(large).resize((small.shape[1], small.shape[0]), Image.Resampling.BOX)
    return _difference(small, np.asarray(shrunk)) <= _SMALLER_COPY_LEVELS


def _difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(np.abs(one.astype(np.int16) - other).mean())
