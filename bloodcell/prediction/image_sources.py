"""What a user points at, as a list of images: a file, a folder at any depth, or a ZIP."""

import contextlib
import zipfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from bloodcell.data.folder_scan import image_files_below
from bloodcell.data.image_file import IMAGE_SUFFIXES, read_image_bytes
from bloodcell.data.zip_images import image_entries, open_zip, read_entry
from bloodcell.errors import DatasetError
from bloodcell.prediction.classifier import ImageSource


@contextlib.contextmanager
def open_sources(paths: Sequence[Path]) -> Iterator[list[ImageSource]]:
    """List the images of files, folders and ZIPs, in that order; a folder's and a ZIP's are sorted by path.

    Files in a folder or ZIP whose name has no image suffix, and hidden ones, are passed over. A ZIP stays open until
    the context ends.

    Raises:
        DatasetError: a path does not exist, holds no image, or is a damaged ZIP.
    """
    with contextlib.ExitStack() as stack:
        sources: list[ImageSource] = []
        for path in paths:
            if path.is_dir():
                found = [_file_source(file, file.relative_to(path).as_posix()) for file in image_files_below(path)]
            elif not path.exists():
                raise DatasetError(f"{path} does not exist. Give an image, a folder or a ZIP.")
            elif path.suffix.lower() == ".zip":
                found = zip_sources(stack.enter_context(open_zip(path, path.name)))
            else:
                found = [_file_source(path, path.name)]
            if not found:
                raise DatasetError(f"There is no image in {path}. Accepted: {', '.join(IMAGE_SUFFIXES)}.")
            sources += found
        yield sources


def _file_source(path: Path, name: str) -> ImageSource:
    return ImageSource(name=name, read=partial(read_image_bytes, path))


def zip_sources(archive: zipfile.ZipFile) -> list[ImageSource]:
    """List the images of an open ZIP, sorted by path; it must stay open while they are read."""
    return [
        ImageSource(name=entry.filename, read=partial(read_entry, archive, entry)) for entry in image_entries(archive)
    ]
