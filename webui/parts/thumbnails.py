"""Cell images as small JPEG files, for pages."""

import io

import numpy as np
from PIL import Image


def jpeg_bytes(image: np.ndarray, side_px: int) -> bytes:
    """Encode a cell image, uint8 RGB (H, W, 3), shrunk where a side is longer than `side_px`."""
    picture = Image.fromarray(image)
    picture.thumbnail((side_px, side_px))
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=90)
    return stream.getvalue()
