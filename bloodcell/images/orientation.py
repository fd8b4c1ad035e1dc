"""Turning a picture upright by the orientation that its metadata state."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

EXIF_ORIENTATION = 0x0112
TURN_OF_ORIENTATION = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def upright(image: Image.Image, orientation: object) -> NDArray[np.uint8]:
    """Return an RGB image turned upright, as a C-contiguous array (H, W, 3); an unknown orientation turns nothing."""
    turn = TURN_OF_ORIENTATION.get(orientation) if isinstance(orientation, int) else None
    return np.array(image if turn is None else image.transpose(turn), order="C")
