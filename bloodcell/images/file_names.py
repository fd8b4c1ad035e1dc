"""Which files of a folder or ZIP are handed to the door of images, and which are passed over and named."""

import posixpath
from collections.abc import Callable

from bloodcell.images.formats import is_picture

IMAGE_SUFFIXES: tuple[str, ...] = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".tif", ".tiff", ".bmp", ".webp", ".gif",
    ".heic", ".heif", ".hif", ".avif",
)  # fmt: skip
"""File name endings, in lower case, under which images are looked for; the bytes alone decide the format."""
_UNREAD_PICTURES = {
    *(".svs", ".ndpi", ".scn", ".mrxs", ".vsi", ".bif", ".czi", ".lif", ".nd2", ".oib", ".oif", ".lsm", ".stk", ".btf"),
    *(".dcm", ".dicom", ".jp2", ".j2k", ".jpx", ".jxl", ".jxr", ".wdp", ".psd", ".exr", ".hdr", ".tga", ".pcx", ".ico"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".raw", ".apng"),
}
"""Endings of pictures that are mostly not read: they are handed to the door all the same, whose sentence says why."""
_PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip", ".rar", ".7z", ".tar", ".tgz")
_NO_PICTURES = {
    *(
        ".txt",
        ".csv",
        ".tsv",
        ".json",
        ".xml",
        ".html",
        ".htm",
        ".md",
        ".log",
        ".ini",
        ".cfg",
        ".yaml",
        ".yml",
        ".toml",
    ),
    *(".pdf", ".doc", ".docx", ".xls", ".xlsx", ".ods", ".odt", ".ppt", ".pptx", ".py", ".ipynb", ".m", ".r", ".npy"),
    *(".db", ".sqlite", ".pt", ".pth", ".safetensors", ".onnx", ".exe", ".dll", ".lnk", ".url", ".mp4", ".avi", ".mov"),
}
_SYSTEM_FILES = ("thumbs.db", "desktop.ini", "ehthumbs.db")
_SYSTEM_FOLDERS = ("__macosx",)


def posix_name(name: str) -> str:
    """Return a path of a ZIP with forward slashes: some Windows programs write backslashes."""
    return name.replace("\\", "/")


def path_parts(path: str) -> list[str]:
    """Return folders and name of a relative path with forward slashes, as pathlib does.

    On 70,000 entries of a ZIP, planning takes 0.67 s with text and 1.17 s with pathlib (two EPYC cores, November 2026).
    """
    return [part for part in path.split("/") if part not in ("", ".")]


def base_name(path: str) -> str:
    """Return the last part of a relative path with forward slashes; empty where it has none."""
    return next(reversed(path_parts(path)), "")


def is_hidden(path: str) -> bool:
    """Say whether a relative path lies in a hidden place, or is a file that a system writes beside images.

    Args:
        path: with forward slashes.
    """
    parts = path_parts(path.lower())
    in_hidden_place = any((part.startswith(".") and part != "..") or part in _SYSTEM_FOLDERS for part in parts)
    return in_hidden_place or (bool(parts) and parts[-1] in _SYSTEM_FILES)


def is_image_file(name: str, read_start: Callable[[], bytes]) -> bool:
    """Say whether a file is to be read as an image, even where that will fail with a reason.

    A known ending decides; blanks and dots behind it do not count. Any other name is decided by the file's first bytes.

    Args:
        read_start: returns the first bytes; called where the name does not decide. OSError is taken as no image.
    """
    stem, suffix = posixpath.splitext(name.rstrip(" .").lower())
    if suffix in IMAGE_SUFFIXES or suffix in _UNREAD_PICTURES:
        return True
    if suffix in _PACKED:
        _, inner = posixpath.splitext(stem)
        return inner in IMAGE_SUFFIXES or inner in _UNREAD_PICTURES
    if suffix in _NO_PICTURES:
        return False
    try:
        return is_picture(read_start())
    except OSError:
        return False
