"""A ZIP of class folders becomes a dataset folder: what it would give is told before anything is unpacked."""

import difflib
import errno
import posixpath
import re
import shutil
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bloodcell.cell_classes import CELL_CLASSES, FOLDER_NAMES, class_index_of_folder
from bloodcell.errors import DatasetError, UnreadableImage
from bloodcell.images.file_names import base_name, path_parts
from bloodcell.images.formats import LONGEST_SIGNATURE, is_picture
from bloodcell.images.zip_images import ZipEntry, found_entries, read_entry

MOST_UNPACKED_BYTES = 20_000_000_000
MOST_IMAGES = 200_000
_NO_PICTURE_AMONG = 1000
"""So many files without a picture among them are enough to refuse a ZIP."""
FREE_BYTES_LEFT = 500_000_000
"""Runs and answers need room as well."""
_UNSAFE = re.compile(r"[^A-Za-z0-9._ ()+-]")
_LONGEST_NAME = 120


@dataclass(frozen=True, kw_only=True, slots=True)
class _Target:
    entry: ZipEntry
    folder: str
    name: str
    label: int
    parent: str
    """Path of the folder that holds the class folder; '' at the top of the ZIP."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ZipPlan:
    """What a ZIP gives as a dataset."""

    targets: tuple[_Target, ...]
    """Images that lie in a class folder. At least one."""
    outside: dict[str, int]
    """Folder in no class folder → its images, which are left out; '' for those at the top of the ZIP."""
    passed_over: tuple[str, ...]
    """Paths of files that are no images."""

    @property
    def per_class(self) -> tuple[int, ...]:
        """Images of each class, (K,), in the order of CELL_CLASSES."""
        counts = Counter(target.label for target in self.targets)
        return tuple(counts[label] for label in range(len(CELL_CLASSES)))

    @property
    def parents(self) -> tuple[str, ...]:
        """Folders that each hold class folders; more than one are merged, and what told their images apart is lost."""
        return tuple(dict.fromkeys(target.parent for target in self.targets))


@dataclass(frozen=True, kw_only=True, slots=True)
class Unpacked:
    """What a ZIP gave."""

    images: int
    left_out: tuple[str, ...]
    """Paths in the ZIP of files that are named like images and do not begin like one."""


def plan_dataset(archive: zipfile.ZipFile) -> ZipPlan:
    """Tell what a ZIP gives as a dataset; nothing is unpacked.

    Raises:
        DatasetError: no image lies in a class folder.
    """
    found = found_entries(archive)
    targets = _targets(found.images)
    kept = {target.entry.path for target in targets}
    outside = Counter("/".join(path_parts(entry.path)[:-1]) for entry in found.images if entry.path not in kept)
    return ZipPlan(
        targets=tuple(targets),
        outside=dict(outside),
        passed_over=tuple(entry.path for entry in found.others),
    )


def likely_class(folder: str) -> str | None:
    """Return the class folder that a name may have been meant for: 'neutrophil' for 'neutrofil'."""
    close = difflib.get_close_matches(base_name(folder).strip().lower(), FOLDER_NAMES, n=1, cutoff=0.75)
    return close[0] if close else None


def unpack_dataset(
    archive: zipfile.ZipFile,
    folder: Path,
    *,
    progress: Callable[[int, int], object] = lambda done, total: None,
    most_bytes: int = MOST_UNPACKED_BYTES,
) -> Unpacked:
    """Unpack the images that lie in class folders, at any depth, into a new dataset folder.

    Each image goes to CLASS FOLDER/NAME with a harmless name. What does not begin like a picture is left out, whatever
    its name says; everything else in the ZIP is passed over. The folder appears when it is complete, or not at all.

    Raises:
        DatasetError: the folder exists, no image lies in a class folder, an entry is damaged, the ZIP would unpack to
            more than `most_bytes` or leave the disk less than `FREE_BYTES_LEFT`.
    """
    if folder.exists():
        raise DatasetError(f"There is a dataset {folder.name} already. Choose another name.")
    targets = plan_dataset(archive).targets
    _refuse_too_much(targets, folder, most_bytes)
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".unpacking-"))
    written, left_out = 0, []
    try:
        for done, target in enumerate(targets, start=1):
            data = _read_named(archive, target.entry)
            # Declared sizes may lie: what really comes out is counted as well.
            written += len(data)
            if written > most_bytes:
                raise _too_much(most_bytes)
            if is_picture(data[:LONGEST_SIGNATURE]):
                (unfinished / target.folder).mkdir(exist_ok=True)
                (unfinished / target.folder / target.name).write_bytes(data)
            else:
                left_out.append(target.entry.path)
            if len(left_out) == done >= min(len(targets), _NO_PICTURE_AMONG):
                raise _no_picture(done)
            progress(done, len(targets))
        unfinished.chmod(0o755)
        unfinished.rename(folder)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DatasetError("disk full: the ZIP cannot be unpacked. Free some space, then try again.") from error
        raise DatasetError(f"The ZIP cannot be unpacked: {error.strerror} ({error.filename}).") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return Unpacked(images=len(targets) - len(left_out), left_out=tuple(left_out))


def _targets(entries: Sequence[ZipEntry]) -> list[_Target]:
    """Return where each image in a class folder goes; two that would share a name get a number."""
    targets: list[_Target] = []
    taken: set[tuple[str, str]] = set()
    last_number: dict[tuple[str, str], int] = {}
    for entry in entries:
        parts = path_parts(entry.path)
        depths = [depth for depth, part in enumerate(parts[:-1]) if class_index_of_folder(part) is not None]
        if not depths:
            continue
        depth = depths[-1]
        folder = parts[depth].strip()
        stem, suffix = _harmless_name(parts[-1])
        name, asked = f"{stem}{suffix}", (folder, f"{stem}{suffix}".lower())
        # From the last number on: thousands of patients' folders may each hold a cell.png.
        number = last_number.get(asked, 1)
        while (folder, name.lower()) in taken:
            number += 1
            name = f"{stem}_{number}{suffix}"
        last_number[asked] = number
        taken.add((folder, name.lower()))
        label, parent = class_index_of_folder(folder), "/".join(parts[:depth])
        assert label is not None
        targets.append(_Target(entry=entry, folder=folder, name=name, label=label, parent=parent))
    if not targets:
        raise DatasetError(
            "The ZIP holds no image in a class folder. It needs folders such as basophil/ and monocyte/ of images."
        )
    return targets


def _harmless_name(name: str) -> tuple[str, str]:
    """Return stem and ending of a file's name without what could harm; blanks and dots around it go."""
    stem, suffix = posixpath.splitext(name.strip(" .") or "image")
    return _UNSAFE.sub("_", stem)[:_LONGEST_NAME].strip(" .") or "image", _UNSAFE.sub("_", suffix.lower())


def _refuse_too_much(targets: Sequence[_Target], folder: Path, most_bytes: int) -> None:
    declared = sum(target.entry.info.file_size for target in targets)
    if declared > most_bytes:
        raise _too_much(most_bytes)
    if len(targets) > MOST_IMAGES:
        raise DatasetError(f"The ZIP holds more than {MOST_IMAGES:,} images. Split it.")
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if declared + FREE_BYTES_LEFT > shutil.disk_usage(existing).free:
        raise DatasetError(
            f"The ZIP needs {declared / 1e9:.1f} GB, and the disk would keep less than "
            f"{FREE_BYTES_LEFT / 1e9:.1f} GB. Free some space."
        )


def _no_picture(looked_at: int) -> DatasetError:
    return DatasetError(
        f"None of the first {looked_at:,} files in the ZIP's class folders begins like a picture. "
        "Make it again from the images."
    )


def _too_much(most_bytes: int) -> DatasetError:
    return DatasetError(f"The ZIP would unpack to more than {most_bytes / 1e9:g} GB. Split it.")


def _read_named(archive: zipfile.ZipFile, entry: ZipEntry) -> bytes:
    try:
        return read_entry(archive, entry.info)
    except UnreadableImage as error:
        raise DatasetError(f"{base_name(entry.path)}: {error}") from error
