"""How large an image may be, and the sentences for those that are not."""

from bloodcell.errors import UnreadableImage

MAXIMUM_BYTES = 50_000_000
MAXIMUM_PIXELS = 25_000_000
"""A whole field of a 24-megapixel camera fits."""
MINIMUM_SIDE_PX = 16
TOO_MANY_PIXELS = f"The image has more than {MAXIMUM_PIXELS // 1_000_000} million pixels. Crop or shrink it."
TOO_MANY_SAMPLES = "The image needs too much memory once it is unpacked. Export it with 8 or 16 bits, or crop it."
TOO_MANY_BYTES = f"The file is larger than {MAXIMUM_BYTES // 1_000_000} MB. Crop or shrink the image."


def refuse_size(width: int, height: int) -> None:
    """Refuse a picture by its size, before its pixels are decoded.

    Raises:
        UnreadableImage: it has too many pixels, or a side that is too short.
    """
    if width * height > MAXIMUM_PIXELS:
        raise UnreadableImage(TOO_MANY_PIXELS)
    if min(width, height) < 1:
        raise UnreadableImage("The image has a width or height of zero. Export it again from its source.")
    if min(width, height) < MINIMUM_SIDE_PX:
        raise UnreadableImage(
            f"The image is {width} × {height} pixels; each side needs at least {MINIMUM_SIDE_PX}. Use the original."
        )
