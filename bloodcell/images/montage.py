"""Pictures put together in one file: a straight seam from edge to edge, which no cell image has."""

import numpy as np

LONGEST_SIDE_PX = 1024
"""Larger pictures are looked at in every second, third, … pixel."""
SHORTEST_SIDE_PX = 128
"""Of smaller pictures nothing is said: a few pixels in a row are easily alike, and blocks of a JPEG long."""
_STEP = 36
"""Of the three colours' sum over one pixel, 0 to 765: steps of a seam; those between a JPEG's blocks stay below."""
_STANDS_OUT = 0.25
"""By so much of its length must a seam's share of steps exceed that of the eighth line. Of 8,370 images of single
cells and smear fields, as they are and saved anew at JPEG quality 80 to 10 and at 128 to 1,080 px, 6 exceeded it, all
of 128 px at quality 10; of 1,200 montages of 2 to 9 cells 29 stayed below, all of two cells (November 2026)."""
_BORDER = 0.12
_FRAME_LEVELS, _FRAME_SHARE = 12, 0.9


def is_montage(image: np.ndarray) -> bool:
    """Return whether several pictures lie side by side in one.

    The longest straight line of colour steps must stand out among all parallel lines, away from the edges, and neither
    side may be a plain frame.

    Args:
        image: uint8 RGB (H, W, 3).

    Returns:
        False too where a side is shorter than `SHORTEST_SIDE_PX`.
    """
    if min(image.shape[:2]) < SHORTEST_SIDE_PX:
        return False
    stride = -(-max(image.shape[:2]) // LONGEST_SIDE_PX)
    seen = image[::stride, ::stride]
    return _has_seam(seen) or _has_seam(seen.transpose(1, 0, 2))


def _has_seam(image: np.ndarray) -> bool:
    """Look for an upright seam."""
    width = image.shape[1]
    lines = np.arange(int(_BORDER * width), int((1 - _BORDER) * width))
    steps = np.abs(np.diff(image.astype(np.int16), axis=1)).sum(axis=2)
    beside = np.maximum(steps[:, lines - 2], steps[:, lines + 2])
    shares = ((steps[:, lines] > _STEP) & (steps[:, lines] > 2 * beside)).mean(axis=0)
    seam = lines[shares.argmax()] + 1
    if shares.max() - np.sort(shares)[-8] < _STANDS_OUT:
        return False
    return not (_is_frame(image[:, :seam]) or _is_frame(image[:, seam:]))


def _is_frame(side: np.ndarray) -> bool:
    """Whether a side is of one colour, as the padding of a crop at its field's edge is."""
    pixels = side.reshape(-1, 3).astype(np.int16)
    far = np.abs(pixels - np.median(pixels, axis=0)).max(axis=1)
    return bool((far <= _FRAME_LEVELS).mean() >= _FRAME_SHARE)
