"""How many of a dataset's images a run uses, per class, and when so many are missing that it must not begin."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bloodcell.cell_classes import CELL_CLASSES, CLASS_COUNT, CLASS_KEYS
from bloodcell.datasets.folder_scan import LabelledFile
from bloodcell.errors import DatasetError, RunFolderError
from bloodcell.json_objects import read_json_object
from bloodcell.paths import write_atomically

MOST_UNREADABLE = 0.01
"""Share of the images above which damage is no accident of single files: a copy that broke off, a disk that fails."""

ALLOW_FLAG = "--allow-unusable"
"""What overrules a refusal of this module on the command line; pages offer it where a reason names it."""
_ALLOW_WORDS = f"To train on what is left on purpose, use {ALLOW_FLAG} or its switch on the page."


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderUse:
    """Images of one folder; counts per class have shape (K,)."""

    found: tuple[int, ...]
    """Image files per class."""
    checked: tuple[int, ...]
    """Those of them that were read; fewer only where the run reads few of each class."""
    used: tuple[int, ...]
    """Those of them that train or validate."""
    unreadable: int
    """Files that no image came out of."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            **{name: dict(zip(CLASS_KEYS, getattr(self, name), strict=True)) for name in ("found", "checked", "used")},
            "unreadable": self.unreadable,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "FolderUse":
        """Build it from `to_dict`'s values.

        Raises:
            KeyError, TypeError, ValueError: they are none.
        """
        found, checked, used = (
            tuple(_count(values[name][key]) for key in CLASS_KEYS) for name in ("found", "checked", "used")
        )
        return cls(found=found, checked=checked, used=used, unreadable=_count(values["unreadable"]))


@dataclass(frozen=True, kw_only=True, slots=True)
class DataUse:
    """Images of a run's folders."""

    dataset: FolderUse
    more_training: FolderUse | None = None
    """Of the second folder of training images, copies of known images not counted as used."""

    @property
    def unused(self) -> int:
        """Return how many of the dataset's images were read and are not used."""
        return sum(self.dataset.checked) - sum(self.dataset.used)

    def sentence(self) -> str:
        """Return 'n of N images used', and the same for each class that lacks some."""
        words = _words(self.dataset)
        if self.more_training is not None:
            words += f"; of the second folder {_words(self.more_training)}"
        return words

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        more = self.more_training
        return {"dataset": self.dataset.to_dict(), "more_training": None if more is None else more.to_dict()}

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        write_atomically(path, (json.dumps(self.to_dict(), indent=1) + "\n").encode())


def read_data_use(path: Path) -> DataUse | None:
    """Read what `DataUse.write` wrote; None where there is no such file, as in runs of older versions.

    Raises:
        RunFolderError: the file is damaged.
    """
    try:
        values = read_json_object(path)
        more = values["more_training"]
        return DataUse(
            dataset=FolderUse.from_dict(values["dataset"]),
            more_training=None if more is None else FolderUse.from_dict(more),
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunFolderError(f"{path} is damaged ({error}). Delete the file, then resume the run.") from error


def counts_per_class(files: Sequence[LabelledFile]) -> tuple[int, ...]:
    """Return the number of files per class, (K,)."""
    counts = [0] * CLASS_COUNT
    for file in files:
        counts[file.label] += 1
    return tuple(counts)


def refuse_unusable(use: FolderUse, folder: Path, *, needs_all_classes: bool) -> None:
    """Refuse a folder that lacks so much that what is left would mislead.

    Args:
        needs_all_classes: refuse it also where a class has no file at all.

    Raises:
        DatasetError: a class has no usable image, or more than `MOST_UNREADABLE` of the images cannot be read.
    """
    lost = [
        cell_class.display_name
        for cell_class, checked, used in zip(CELL_CLASSES, use.checked, use.used, strict=True)
        if not used and (checked or needs_all_classes)
    ]
    total = sum(use.checked)
    if lost:
        raise DatasetError(
            f"There is no usable image of {', '.join(lost)} in {folder}: what trains on the rest never answers so, and "
            f"its figures do not show it. {_words(use)}. Mend the dataset. {_ALLOW_WORDS}"
        )
    if use.unreadable > MOST_UNREADABLE * total:
        raise DatasetError(
            f"{use.unreadable:,} of {total:,} images in {folder} cannot be read. More than {100 * MOST_UNREADABLE:g} % "
            f"is no accident of single files: copy the dataset again; `check` names them. {_ALLOW_WORDS}"
        )


def refuse_other_dataset(now: Sequence[int], then: Sequence[int], folder: Path) -> None:
    """Refuse to go on with a split of a dataset that was not whole when it was made, or has grown since.

    Args:
        now: image files per class that the run would find now, (K,).
        then: those that it found when it was split, (K,).

    Raises:
        DatasetError: a class has come, or more than `MOST_UNREADABLE` of the images.
    """
    has_new_class = any(count and not before for count, before in zip(now, then, strict=True))
    came = sum(max(0, count - before) for count, before in zip(now, then, strict=True))
    if has_new_class or came > MOST_UNREADABLE * sum(now):
        raise DatasetError(
            f"{folder} holds {sum(now):,} images of {sum(map(bool, now))} classes, and this run began with "
            f"{sum(then):,} of {sum(map(bool, then))}: some were not there when it was split. Start a new run. Go on "
            f"with those it began with on purpose with {ALLOW_FLAG}."
        )


def _words(use: FolderUse) -> str:
    lacking = [
        f"{cell_class.display_name} {used:,} of {checked:,}"
        for cell_class, used, checked in zip(CELL_CLASSES, use.used, use.checked, strict=True)
        if used != checked
    ]
    per_class = f" ({', '.join(lacking)})" if lacking else ""
    few = sum(use.found) - sum(use.checked)
    left = f"; {few:,} more were left aside to read few of each class" if few else ""
    return f"{sum(use.used):,} of {sum(use.checked):,} images used{per_class}{left}"


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is no number of images")
    return value
