"""Planes of a TIFF that belong together: three that the file names red, green and blue, or a stack."""

from math import prod
from xml.etree import ElementTree

from tifffile import PHOTOMETRIC, TiffFile, TiffPage

_COLOURS = ("red", "green", "blue")
_SHORT_NAMES = {"r": "red", "g": "green", "b": "blue"}
# OME stores a colour as a signed 32-bit RGBA.
_OME_COLOURS = {0xFF0000FF: "red", 0x00FF00FF: "green", 0x0000FFFF: "blue"}


def named_planes(file: TiffFile, pages: list[TiffPage]) -> list[TiffPage] | None:
    """Return the pages of the red, green and blue plane, in that order, or one page that holds all three.

    None where the file does not say for certain that its planes are these.
    """
    if len(pages) == 1 and pages[0].photometric != PHOTOMETRIC.MINISBLACK:
        return None
    names = _ome_channels(file) if file.is_ome else _imagej_channels(file) if file.is_imagej else None
    if names is None or sorted(names) != sorted(_COLOURS):
        return None
    if len(pages) == 1:
        is_planar = pages[0].axes == "SYX" and pages[0].samplesperpixel == 3
        return pages if is_planar and tuple(names) == _COLOURS else None
    if len(pages) != 3 or len({page.shape for page in pages}) != 1 or pages[0].axes != "YX":
        return None
    return [pages[names.index(colour)] for colour in _COLOURS]


def hidden_planes(file: TiffFile, pages: list[TiffPage]) -> int:
    """Return how many planes a file says that it holds, where these are more than its pages; else 0."""
    stated, size = 0, sum(page.size for page in pages)
    if file.is_imagej:
        stated = _whole((file.imagej_metadata or {}).get("images"))
    elif file.is_stk:
        stated = _whole((file.stk_metadata or {}).get("NumberPlanes"))
    elif file.is_shaped and size:
        shapes = [metadata.get("shape") for metadata in file.shaped_metadata or ()]
        sizes = [prod(shape) for shape in shapes if isinstance(shape, list | tuple) and all(map(_whole, shape))]
        stated = len(pages) * sum(sizes) // size
    return stated if stated > len(pages) else 0


def _whole(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _ome_channels(file: TiffFile) -> list[str] | None:
    """Return the colour of each channel of an OME-TIFF with one image of one plane, by page; "" where it names none."""
    try:
        root = ElementTree.fromstring(file.ome_metadata or "")
    except ElementTree.ParseError:
        return None
    pixels = [element for element in root.iter() if element.tag.endswith("}Pixels")]
    if len(pixels) != 1 or any(pixels[0].get(f"Size{axis}") != "1" for axis in "ZT"):
        return None
    names = [_colour_of(channel) for channel in pixels[0] if channel.tag.endswith("}Channel")]
    order = list(names)
    for part in (part for part in pixels[0] if part.tag.endswith("}TiffData")):
        page, channel = part.get("IFD"), part.get("FirstC")
        if page is None or channel is None:
            continue
        if not (page.isdecimal() and channel.isdecimal() and max(int(page), int(channel)) < len(names)):
            return None
        order[int(page)] = names[int(channel)]
    return order


def _colour_of(channel: ElementTree.Element) -> str:
    name = (channel.get("Name") or "").strip().lower()
    name = _SHORT_NAMES.get(name, name)
    if name in _COLOURS:
        return name
    colour = channel.get("Color") or ""
    return _OME_COLOURS.get(int(colour) & 0xFFFFFFFF, "") if colour.lstrip("-").isdecimal() else ""


def _imagej_channels(file: TiffFile) -> list[str] | None:
    """Return red, green, blue where ImageJ shows three channels as one picture in these colours."""
    metadata = file.imagej_metadata or {}
    is_one_picture = metadata.get("channels") == 3 and metadata.get("images") == 3
    return list(_COLOURS) if is_one_picture and metadata.get("mode") == "composite" and "LUTs" not in metadata else None
