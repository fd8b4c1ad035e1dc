"""Which labelled image files a dataset folder holds: class folders under the source's names or ours."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from bloodcell.cell_classes import CELL_CLASSES, CLASS_COUNT, class_index_of_folder
from bloodcell.errors import DatasetError
from bloodcell.images.file_names import is_hidden, is_image_file
from bloodcell.images.formats import LONGEST_SIGNATURE


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelledFile:
    """One image file of a dataset."""

    path: Path
    """Absolute path."""
    relative_path: str
    """POSIX path below the dataset's folder."""
    label: int
    """Class index, 0 to K − 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderScan:
    """What a dataset folder holds."""

    folder: Path
    """The dataset's folder, absolute."""
    files: tuple[LabelledFile, ...]
    """All image files in class folders, sorted by relative path."""
    other_folders: tuple[str, ...]
    """Names of folders directly below that mean no class; they are not read."""
    other_files: tuple[str, ...] = ()
    """Relative POSIX paths of files that are not read: no images, or outside of the class folders."""

    def class_counts(self) -> tuple[int, ...]:
        """Return the number of files per class, (K,)."""
        counts = [0] * CLASS_COUNT
        for file in self.files:
            counts[file.label] += 1
        return tuple(counts)


def other_files_words(names: Sequence[str], *, shown: int = 5) -> str:
    """Return a sentence that names files that are not read; names are not escaped."""
    more = f" and {len(names) - shown:,} more" if len(names) > shown else ""
    number = "1 file is" if len(names) == 1 else f"{len(names):,} files are"
    return f"{number} not read, being no image or in no class folder: {', '.join(names[:shown])}{more}."


def few_of_each_class(files: Sequence[LabelledFile], count: int, *, seed: int) -> tuple[LabelledFile, ...]:
    """Choose at most `count` files of each class at random, sorted by relative path; names and seed decide alone."""
    chosen: list[LabelledFile] = []
    for label in range(CLASS_COUNT):
        of_class = sorted((file for file in files if file.label == label), key=_by_path)
        order = np.random.default_rng([seed, label]).permutation(len(of_class))
        chosen += [of_class[position] for position in order[:count]]
    return tuple(sorted(chosen, key=_by_path))


def _by_path(file: LabelledFile) -> str:
    return file.relative_path


@dataclass(frozen=True, kw_only=True, slots=True)
class DataFolders:
    """Where a run's images lie."""

    dataset: Path
    """Folder of class folders that is split into training and validation."""
    more_training: Path | None = None
    """A second folder of class folders; all its images are trained on."""
    allow_unusable: bool = False
    """Whether a run may begin although a class or more than a few images are unusable."""

    def resolved(self) -> "DataFolders":
        """Return the same folders as absolute paths."""
        more = self.more_training
        return replace(self, dataset=self.dataset.resolve(), more_training=None if more is None else more.resolve())


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundFiles:
    """The files below a folder, hidden ones left out, each sorted by POSIX path."""

    images: tuple[Path, ...]
    """Files that are to be read as images; a few of them may be in a format that is not read."""
    others: tuple[Path, ...]
    """Files that are no images by name and by their first bytes."""


def files_below(folder: Path, *, on_error: Callable[[OSError], None] | None = None) -> FoundFiles:
    """Tell the image files below a folder, at any depth, from all others.

    Args:
        on_error: called where a folder cannot be listed; None skips it.
    """
    found: dict[bool, list[Path]] = {True: [], False: []}
    for where, folder_names, file_names in os.walk(folder, onerror=on_error):
        folder_names[:] = [name for name in folder_names if not is_hidden(name)]
        for path in (Path(where) / name for name in file_names if not is_hidden(name)):
            found[is_image_file(path.name, partial(_read_start, path))].append(path)

    def by_path(path: Path) -> str:
        return path.relative_to(folder).as_posix()

    return FoundFiles(images=tuple(sorted(found[True], key=by_path)), others=tuple(sorted(found[False], key=by_path)))


def image_files_below(folder: Path) -> list[Path]:
    """Return all image files below a folder, at any depth, sorted by POSIX path; hidden names are skipped."""
    return list(files_below(folder).images)


def _read_start(path: Path) -> bytes:
    if not path.is_file():
        return b""  # A pipe would be waited for.
    with path.open("rb") as file:
        return file.read(LONGEST_SIGNATURE)


def holds_classes(folder: Path) -> bool:
    """Say whether a folder holds a folder that means a class; False where it cannot be read."""
    try:
        return any(class_index_of_folder(entry.name) is not None and entry.is_dir() for entry in os.scandir(folder))
    except OSError:
        return False


def default_dataset(folder: Path | None) -> Path | None:
    """Return the dataset that a folder is, or else the first by name that lies in it.

    Where there is neither, the folder itself is returned, so that reading it says what is wrong; None stays None.
    """
    if folder is None or holds_classes(folder) or not folder.is_dir():
        return folder
    return next((below for below in sorted(folder.iterdir()) if below.name[0] != "." and holds_classes(below)), folder)


def folder_stamp(folder: Path) -> int:
    """Return a number that changes when a file below a folder is added, removed or renamed, at any depth.

    Raises:
        OSError: the folder cannot be read.
    """
    stamps = [folder.stat().st_mtime_ns]
    for where, folder_names, _ in os.walk(folder):
        folder_names[:] = sorted(name for name in folder_names if not name.startswith("."))
        stamps += [(Path(where) / name).stat().st_mtime_ns for name in folder_names]
    return hash(tuple(stamps))


def scan_dataset(folder: Path) -> FolderScan:
    """Find the class folders of a dataset and the image files in them.

    Raises:
        DatasetError: the folder is missing or cannot be listed to its end, no folder in it means a class, or the
            class folders hold no image.
    """
    folder = folder.resolve()
    if not folder.is_dir():
        raise DatasetError(f"The data folder {folder} does not exist. Give the folder that holds one folder per class.")
    try:
        return _scan(folder)
    except OSError as error:
        raise DatasetError(
            f"The data folder {folder} cannot be listed: {error.strerror} ({error.filename}). See that the disk or "
            "share is there and whole, then try again."
        ) from error


def _scan(folder: Path) -> FolderScan:
    files: list[LabelledFile] = []
    other_folders: list[str] = []
    other_files: list[Path] = []
    entries = sorted(path for path in folder.iterdir() if not is_hidden(path.name))
    for class_folder in entries:
        if not class_folder.is_dir():
            other_files.append(class_folder)
            continue
        label = class_index_of_folder(class_folder.name)
        if label is None:
            other_folders.append(class_folder.name)
            continue
        found = files_below(class_folder, on_error=_refuse)
        other_files += found.others
        files += [
            LabelledFile(path=path, relative_path=path.relative_to(folder).as_posix(), label=label)
            for path in found.images
        ]
    if not files:
        names = ", ".join(cell_class.key for cell_class in CELL_CLASSES)
        raise DatasetError(f"No labelled image in {folder}. It needs folders named after the classes: {names}.")
    return FolderScan(
        folder=folder,
        files=tuple(sorted(files, key=_by_path)),
        other_folders=tuple(other_folders),
        other_files=tuple(path.relative_to(folder).as_posix() for path in other_files),
    )


def _refuse(error: OSError) -> None:
    """Do not take a folder that cannot be listed for an empty one."""
    raise error
