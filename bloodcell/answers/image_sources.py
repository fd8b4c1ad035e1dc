"""What a user points at, as a list of images: a file, a folder at any depth, or a ZIP."""

import contextlib
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bloodcell.answers.reading_ahead import ImageSource
from bloodcell.datasets.folder_scan import files_below
from bloodcell.errors import DatasetError
from bloodcell.images.file_names import IMAGE_SUFFIXES
from bloodcell.images.open_image import read_image_bytes
from bloodcell.images.zip_images import found_entries, open_zip, read_entry


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundImages:
    """The images that a user points at, and the files beside them that are no images."""

    sources: list[ImageSource]
    passed_over: list[str]
    """Names of files that are no images, as `ImageSource.name` has them. Hidden and system files are left out."""


@contextlib.contextmanager
def open_sources(paths: Sequence[Path]) -> Iterator[FoundImages]:
    """List the images of files, folders and ZIPs, in that order; a folder's and a ZIP's are sorted by path.

    A file in a folder or ZIP is an image by its name or by its first bytes, also in a format that is not read; all
    others are named in `passed_over`. A ZIP stays open until the context ends.

    Raises:
        DatasetError: a path does not exist, holds no image, or is a damaged ZIP.
    """
    with contextlib.ExitStack() as stack:
        found = FoundImages(sources=[], passed_over=[])
        for path in paths:
            if path.is_dir():
                here = _folder_images(path)
            elif not path.exists():
                raise DatasetError(f"{path} does not exist. Give an image, a folder or a ZIP.")
            elif path.suffix.lower() == ".zip":
                here = zip_images(stack.enter_context(open_zip(path, path.name)))
            else:
                here = FoundImages(sources=[_file_source(path, path.name)], passed_over=[])
            if not here.sources:
                raise DatasetError(f"There is no image in {path}. Accepted: {', '.join(IMAGE_SUFFIXES)}.")
            found.sources.extend(here.sources)
            found.passed_over.extend(here.passed_over)
        yield found


def zip_images(archive: zipfile.ZipFile) -> FoundImages:
    """List the images of an open ZIP, sorted by path; it must stay open while they are read."""
    found = found_entries(archive)
    return FoundImages(
        sources=[ImageSource(name=entry.path, read=partial(read_entry, archive, entry.info)) for entry in found.images],
        passed_over=[entry.path for entry in found.others],
    )


def passed_over_words(names: Sequence[str], *, shown: int = 5) -> str:
    """Return a sentence that names files that are no images; names are not escaped."""
    more = f" and {len(names) - shown:,} more" if len(names) > shown else ""
    number = "1 file is" if len(names) == 1 else f"{len(names):,} files are"
    return f"{number} no image and not read: {', '.join(names[:shown])}{more}."


def _folder_images(folder: Path) -> FoundImages:
    found = files_below(folder)
    return FoundImages(
        sources=[_file_source(path, path.relative_to(folder).as_posix()) for path in found.images],
        passed_over=[path.relative_to(folder).as_posix() for path in found.others],
    )


def _file_source(path: Path, name: str) -> ImageSource:
    return ImageSource(name=name, read=partial(read_image_bytes, path))
