"""Samples of a TIFF page that Pillow cannot read, as an 8-bit image."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tifffile import COMPRESSION, EXTRASAMPLE, PHOTOMETRIC, TiffPage

from bloodcell.errors import UnreadableImage
from bloodcell.images.scaling import scaled_colour, stretched_grey

_WHOLE_BITS = (8, 16, 32, 64)
_ALPHA = (EXTRASAMPLE.ASSOCALPHA, EXTRASAMPLE.UNASSALPHA)


def page_image(
    array: NDArray[np.generic], page: TiffPage, *, photometric: int | None = None, axes: str | None = None
) -> Image.Image:
    """Return a page's samples as an image of mode L, RGB, RGBA or CMYK.

    Args:
        array: what tifffile decoded; its axes are those of the page or `axes`.
        photometric: what the samples mean, where that is not what the page says.

    Raises:
        UnreadableImage: the samples are in a colour space or an arrangement that is not read.
    """
    samples, meaning = _channels_last(array, axes or page.axes), photometric or page.photometric
    if not (np.issubdtype(samples.dtype, np.integer) or np.issubdtype(samples.dtype, np.floating)):
        raise UnreadableImage(
            f"The TIFF holds numbers of kind {samples.dtype}, which are no colours. Export it as PNG."
        )
    channels = samples.shape[2]
    if meaning in (PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.MINISWHITE):
        if channels > 1 and not (channels == 2 and page.extrasamples and page.extrasamples[0] in _ALPHA):
            raise UnreadableImage(
                f"The TIFF holds {channels} channels and does not name their colours. Export it as an RGB image."
            )
        return _grey(samples[..., 0], white_is_zero=meaning == PHOTOMETRIC.MINISWHITE)
    if meaning == PHOTOMETRIC.RGB and channels >= 3:
        return _rgb(samples, page)
    if meaning == PHOTOMETRIC.YCBCR and page.compression == COMPRESSION.JPEG and samples.dtype == np.uint8:
        return _rgb(samples, page)  # The JPEG decoder has turned it into RGB.
    if meaning == PHOTOMETRIC.SEPARATED and channels == 4 and np.issubdtype(samples.dtype, np.unsignedinteger):
        divisor = (256**samples.dtype.itemsize - 1) // 255
        return Image.frombytes("CMYK", samples.shape[1::-1], (samples // divisor).astype(np.uint8).tobytes())
    name = getattr(meaning, "name", meaning)
    raise UnreadableImage(
        f"The TIFF holds colours of kind {name} in {samples.dtype.itemsize * 8} bits, which are not read here. "
        "Export it as an RGB image."
    )


def _channels_last(array: NDArray[np.generic], axes: str) -> NDArray[np.generic]:
    if axes == "YX":
        return array[..., np.newaxis]
    if axes == "SYX":
        return np.moveaxis(array, 0, -1)
    if axes == "YXS":
        return array
    raise UnreadableImage("The TIFF holds a stack of planes. Save each cell as a file of its own.")


def _grey(samples: NDArray[np.generic], *, white_is_zero: bool) -> Image.Image:
    if samples.dtype == np.uint8:
        return Image.fromarray(255 - samples if white_is_zero else samples)
    return Image.fromarray(stretched_grey(samples, white_is_zero=white_is_zero))


def _rgb(samples: NDArray[np.generic], page: TiffPage) -> Image.Image:
    colours = _bytes(samples[..., :3], page)
    extra = list(page.extrasamples)[: samples.shape[2] - 3]
    position = next((place for place, kind in enumerate(extra) if kind in _ALPHA), None)
    if position is None:
        return Image.fromarray(np.ascontiguousarray(colours))
    alpha = samples[..., 3 + position : 4 + position]
    if alpha.min() == alpha.max():
        return Image.fromarray(np.ascontiguousarray(colours))
    rgba = np.concatenate((colours, _bytes(alpha, page)), axis=2)
    if extra[position] == EXTRASAMPLE.UNASSALPHA:
        return Image.fromarray(rgba)
    # "RGBa": colours that were multiplied by alpha.
    return Image.frombytes("RGBa", rgba.shape[1::-1], rgba.tobytes())


def _bytes(samples: NDArray[np.generic], page: TiffPage) -> NDArray[np.uint8]:
    if samples.dtype == np.uint8:
        return samples.astype(np.uint8, copy=False)
    bits = page.bitspersample
    return scaled_colour(samples, bits=None if not isinstance(bits, int) or bits in _WHOLE_BITS else bits)
