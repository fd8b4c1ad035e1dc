"""TIFF: the page that is the picture, read by Pillow where its samples have 8 bits, else by tifffile."""

import io
import logging

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tifffile import COMPRESSION, PHOTOMETRIC, TiffFile, TiffPage, TiffPages

from bloodcell.errors import UnreadableImage
from bloodcell.images.colour import as_srgb
from bloodcell.images.decoding_memory import memory_for_picture, memory_for_samples
from bloodcell.images.limits import MAXIMUM_PIXELS, TOO_MANY_PIXELS, refuse_size
from bloodcell.images.one_picture import MOST_PICTURES, several_pictures, the_one_picture
from bloodcell.images.orientation import upright
from bloodcell.images.tiff_planes import hidden_planes, named_planes
from bloodcell.images.tiff_samples import page_image

# It logs what is damaged in a file; here that becomes a refusal or does no harm.
logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)

_REDUCED, _MASK = 1, 4
_BY_PILLOW = {
    *(COMPRESSION.NONE, COMPRESSION.LZW, COMPRESSION.JPEG, COMPRESSION.OJPEG, COMPRESSION.PACKBITS),
    *(COMPRESSION.ADOBE_DEFLATE, COMPRESSION.DEFLATE, COMPRESSION.LZMA, COMPRESSION.ZSTD),
    *(COMPRESSION.CCITTRLE, COMPRESSION.CCITTFAX3, COMPRESSION.CCITTFAX4),
}
_BY_TIFFFILE = {
    *(COMPRESSION.NONE, COMPRESSION.LZW, COMPRESSION.JPEG, COMPRESSION.PACKBITS, COMPRESSION.ADOBE_DEFLATE),
    *(COMPRESSION.DEFLATE, COMPRESSION.LZMA, COMPRESSION.ZSTD, COMPRESSION.WEBP, COMPRESSION.JPEG2000),
    *(COMPRESSION.APERIO_JP2000_RGB, COMPRESSION.JPEGXL, COMPRESSION.JPEGXL_DNG, COMPRESSION.PNG),
}
_PILLOW_SAMPLES: dict[int, tuple[int, ...]] = {
    PHOTOMETRIC.RGB: (3, 4),
    PHOTOMETRIC.SEPARATED: (4,),
    PHOTOMETRIC.YCBCR: (3,),
    PHOTOMETRIC.CIELAB: (3,),
}
_ORIENTATION, _ICC_PROFILE = 274, 34675


def read_tiff(data: bytes) -> NDArray[np.uint8]:
    """Decode a TIFF's picture, uint8 RGB (H, W, 3), upright.

    Of several pages the one is taken that is no thumbnail, mask, empty page or copy of another; three planes that the
    file names red, green and blue are put together.

    Raises:
        UnreadableImage: the file holds several different pictures, a page is too large or too small, or the pixels are
            in a coding or colour space that is not read; the sentence names it.
        Exception: the file is damaged: any of what decoders raise.
    """
    with TiffFile(io.BytesIO(data)) as file:
        pages = _pages(file.pages)
        planes = named_planes(file, pages)
        if planes is not None:
            refuse_size(*_size(planes[0]))
            return _read_planes(data, planes)
        if number := hidden_planes(file, pages):
            raise several_pictures("planes of a stack", number)
        pages = [page for page in pages if not page.subfiletype & (_REDUCED | _MASK)] or pages
        if len(pages) == 1:
            refuse_size(*_size(pages[0]))
            return _read_page(data, pages[0])
        if sum(width * height for width, height in map(_size, pages)) > MAXIMUM_PIXELS:
            raise UnreadableImage(TOO_MANY_PIXELS)
        picture = the_one_picture((_read_page(data, page) for page in pages), called="pages")
        refuse_size(picture.shape[1], picture.shape[0])
        return picture


def _pages(pages: TiffPages) -> list[TiffPage]:
    found: list[TiffPage] = []
    for page in pages:
        if len(found) == MOST_PICTURES:
            raise UnreadableImage(
                f"The file holds more than {MOST_PICTURES} pictures (pages). Save each cell as a file of its own."
            )
        # A page that shares its tags with the first is a TiffFrame unless it is asked for in full.
        found.append(page if isinstance(page, TiffPage) else page.aspage())
    if not found:
        raise ValueError("a TIFF without a page")
    return found


def _size(page: TiffPage) -> tuple[int, int]:
    if page.imagedepth > 1:
        raise several_pictures("planes of a stack", page.imagedepth)
    return page.imagewidth, page.imagelength


def _read_page(data: bytes, page: TiffPage) -> NDArray[np.uint8]:
    if _is_read_by_pillow(page):
        with (
            memory_for_picture(page.imagewidth, page.imagelength),
            Image.open(io.BytesIO(data), formats=("TIFF",)) as file,
        ):
            file.seek(page.index)
            # Pillow turns a TIFF upright itself while it loads.
            file.load()
            return np.array(as_srgb(file), order="C")
    _refuse_coding(page)
    _refuse_missing_parts(data, page)
    profile = page.tags.valueof(_ICC_PROFILE)
    with memory_for_samples(page.nbytes, page.imagewidth * page.imagelength):
        image = page_image(page.asarray(maxworkers=1), page)
        return upright(as_srgb(image, profile if isinstance(profile, bytes) else b""), page.tags.valueof(_ORIENTATION))


def _read_planes(data: bytes, planes: list[TiffPage]) -> NDArray[np.uint8]:
    for page in planes:
        _refuse_coding(page)
        _refuse_missing_parts(data, page)
    first = planes[0]
    with memory_for_samples(sum(page.nbytes for page in planes), first.imagewidth * first.imagelength):
        arrays = [page.asarray(maxworkers=1) for page in planes]
        samples = np.moveaxis(arrays[0], 0, -1) if len(arrays) == 1 else np.stack(arrays, axis=-1)
        image = page_image(samples, first, photometric=PHOTOMETRIC.RGB, axes="YXS")
        return upright(as_srgb(image, b""), first.tags.valueof(_ORIENTATION))


def _is_read_by_pillow(page: TiffPage) -> bool:
    """Say whether Pillow shows a page as it is: it cuts wider colours to their high bytes, planar ones it garbles."""
    bits = page.bitspersample if isinstance(page.bitspersample, tuple) else (page.bitspersample,)
    if page.sampleformat != 1 or page.compression not in _BY_PILLOW or set(bits) - {1, 2, 4, 8}:
        return False
    if page.photometric in _PILLOW_SAMPLES:
        return page.samplesperpixel in _PILLOW_SAMPLES[page.photometric]
    is_grey = page.photometric in (PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.MINISWHITE, PHOTOMETRIC.PALETTE)
    return is_grey and (page.samplesperpixel == 1 or (page.samplesperpixel == 2 and any(page.extrasamples)))


def _refuse_coding(page: TiffPage) -> None:
    if page.compression in _BY_TIFFFILE:
        return
    name = getattr(page.compression, "name", f"coding {page.compression}")
    raise UnreadableImage(f"The TIFF is packed as {name}, which is not read here. Save it without compression.")


def _refuse_missing_parts(data: bytes, page: TiffPage) -> None:
    """Refuse a page of which a strip or tile is missing: tifffile would fill it with zeros."""
    parts = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    if not parts or any(offset <= 0 or size <= 0 or offset + size > len(data) for offset, size in parts):
        raise ValueError("a strip or tile is missing")
