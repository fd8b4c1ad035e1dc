"""Formats by their first bytes: which are read, and what is said of those that are not."""

import struct

ACCEPTED_FORMATS: tuple[str, ...] = ("JPEG", "PNG", "TIFF", "BMP", "WEBP", "GIF", "AVIF", "HEIF")
"""Pillow's names of the formats that are tried; every other decoder stays out of reach of the bytes."""
FORMAT_WORDS = ", ".join(name.replace("HEIF", "HEIF (HEIC)") for name in ACCEPTED_FORMATS)
"""The same for people."""

_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"\x89PNG", "PNG"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (0, b"II+\0", "TIFF"),
    (0, b"MM\0+", "TIFF"),
    (0, b"BM", "BMP"),
    (8, b"WEBP", "WEBP"),
    (0, b"GIF8", "GIF"),
)
_FOREIGN_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (128, b"DICM", "a DICOM file"),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 file"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 file"),
    (0, b"\xff\x0a", "a JPEG XL file"),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL file"),
    (0, b"II\xbc", "a JPEG XR file"),
    (0, b"8BPS", "a Photoshop file"),
    (0, b"v/1\x01", "an OpenEXR file"),
    (0, b"#?RADIANCE", "a Radiance HDR file"),
    (0, b"ZISRAWFILE", "a Zeiss CZI file"),
    (0, b"\xda\xce\xbe\x0a", "a Nikon ND2 file"),
    (0, b"\x89HDF", "an HDF5 file"),
    (0, b"\xd0\xcf\x11\xe0", "an Office file or a microscope's container"),
    (0, b"FUJIFILMCCD-RAW", "a camera's raw file"),
    (0, b"%PDF", "a PDF"),
    (0, b"PK\x03\x04", "a ZIP"),
    (0, b"Rar!", "a RAR archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (0, b"\x1f\x8b", "compressed with gzip"),
    (0, b"\x28\xb5\x2f\xfd", "compressed with Zstandard"),
    (0, b"\xfd7zXZ\0", "compressed with XZ"),
    (0, b"BZh", "compressed with bzip2"),
)
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
_AVIF_BRANDS = (b"avif", b"avis")
_ARCHIVES = ("a ZIP", "a RAR archive", "a 7-Zip archive", "compressed")
LONGEST_SIGNATURE = 160
"""Bytes from a file's beginning that tell its format."""


def format_of(start: bytes) -> str | None:
    """Return the accepted format that a file's first bytes announce, by Pillow's name; None for any other."""
    if start[4:8] == b"ftyp":
        brand = start[8:12]
        return "AVIF" if brand in _AVIF_BRANDS else "HEIF" if brand in _HEIF_BRANDS else None
    return next((name for at, signature, name in _SIGNATURES if start.startswith(signature, at)), None)


def foreign_format_of(start: bytes) -> str | None:
    """Return what a file is whose first bytes announce a known format that is not read, with its article."""
    if start[4:8] == b"ftyp" and format_of(start) is None:
        return "a film or a picture in an unknown coding"
    return next((name for at, signature, name in _FOREIGN_SIGNATURES if start.startswith(signature, at)), None)


def is_picture(start: bytes) -> bool:
    """Say whether a file's first bytes announce a picture, whether or not its format is read."""
    foreign = foreign_format_of(start)
    return format_of(start) is not None or (foreign is not None and not foreign.startswith((*_ARCHIVES, "a PDF")))


def why_unidentified(data: bytes) -> str:
    """Return the sentence for bytes in which no decoder found an image."""
    if name := format_of(data):
        if _declares_zero_size(data, name):
            return "The image has a width or height of zero. Export it again from its source."
        return f"The file begins like a {name} image, but its header is damaged. Copy or export it again."
    if foreign := foreign_format_of(data):
        if foreign.startswith(_ARCHIVES):
            return f"The file is {foreign}. Unpack it first, then hand in the images ({FORMAT_WORDS})."
        return f"The file is {foreign}, which is not read here. Export the cell as one of {FORMAT_WORDS}."
    start = data[:1024]
    if b"\0" not in start and start.isascii():
        return f"The file holds text, not an image. Choose an image file ({FORMAT_WORDS})."
    return f"The file is in no accepted image format. Save it as one of {FORMAT_WORDS}."


def _declares_zero_size(data: bytes, format_name: str) -> bool:
    layout = {"PNG": (">II", 16), "GIF": ("<HH", 6), "BMP": ("<ii", 18)}.get(format_name)
    if layout is None or len(data) < layout[1] + struct.calcsize(layout[0]):
        return False
    return 0 in struct.unpack_from(layout[0], data, layout[1])
