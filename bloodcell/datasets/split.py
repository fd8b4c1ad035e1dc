"""The stratified split into training and validation images, with copies of one image kept on one side."""

import csv
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from bloodcell.datasets.data_use import DataUse
from bloodcell.datasets.folder_scan import LabelledFile
from bloodcell.errors import DatasetError, RunFolderError
from bloodcell.packed_text import open_kept_text
from bloodcell.paths import write_atomically

_PARTS = ("training", "validation", "more_training")
_COLUMNS = ["part", "file", "label", "sha256"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SplitFile:
    """One image of a split."""

    file: str
    """POSIX path below the dataset's folder."""
    label: int
    sha256: str
    """Hash of the file's bytes, hexadecimal."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """Training and validation images, each sorted by file."""

    training: tuple[SplitFile, ...]
    validation: tuple[SplitFile, ...]
    more_training: tuple[SplitFile, ...] = ()
    """Training images of a second folder, which no validation image comes from; their paths lie below that one."""
    use: DataUse | None = field(default=None, compare=False)
    """Which part of the folders' images this is; None where that is not known. It is kept beside `split.csv`."""

    @property
    def all_training(self) -> tuple[SplitFile, ...]:
        """Return the training images of both folders, the dataset's own first."""
        return self.training + self.more_training

    @property
    def known_sha256(self) -> frozenset[str]:
        """Return the hashes of all images that trained or chose something; they test nothing."""
        return frozenset(entry.sha256 for entry in (*self.all_training, *self.validation))


def stratified_split(
    files: Sequence[LabelledFile], sha256: Mapping[str, str], *, split_seed: int, validation_share: float = 0.2
) -> Split:
    """Split each class on its own, so that both sides keep the class shares.

    Files with equal bytes stay together. A class's validation side gets `round(share × its files)` images; a group of
    copies that would pass this number goes to training. The result depends on the files' hashes and the seed alone,
    not on folder names or order.

    Args:
        sha256: hash per relative path.
        validation_share: above 0 and below 1.

    Raises:
        DatasetError: a class is left without a training or a validation image.
    """
    groups: dict[int, dict[str, list[SplitFile]]] = defaultdict(lambda: defaultdict(list))
    for file in files:
        entry = SplitFile(file=file.relative_path, label=file.label, sha256=sha256[file.relative_path])
        groups[file.label][entry.sha256].append(entry)
    training: list[SplitFile] = []
    validation: list[SplitFile] = []
    for label in sorted(groups):
        hashes = sorted(groups[label])
        generator = np.random.default_rng([split_seed, label])
        wanted = round(validation_share * sum(len(group) for group in groups[label].values()))
        taken = 0
        for position in generator.permutation(len(hashes)):
            group = groups[label][hashes[position]]
            if taken + len(group) <= wanted:
                validation += group
                taken += len(group)
            else:
                training += group
    _refuse_empty_sides(training, validation, labels=set(groups))
    return Split(training=tuple(sorted(training, key=_by_file)), validation=tuple(sorted(validation, key=_by_file)))


def with_more_training(split: Split, files: Sequence[LabelledFile], sha256: Mapping[str, str]) -> Split:
    """Return the split with the files of a second folder on its training side.

    Copies of images that the split or the second folder has already are left out, so that nothing of the validation
    side is trained on and nothing is trained on twice.

    Args:
        sha256: hash per relative path of the second folder.
    """
    known = set(split.known_sha256)
    more: list[SplitFile] = []
    for file in sorted(files, key=lambda file: file.relative_path):
        entry = SplitFile(file=file.relative_path, label=file.label, sha256=sha256[file.relative_path])
        if entry.sha256 not in known:
            known.add(entry.sha256)
            more.append(entry)
    return replace(split, more_training=tuple(more))


def _by_file(entry: SplitFile) -> str:
    return entry.file


def _refuse_empty_sides(training: list[SplitFile], validation: list[SplitFile], labels: set[int]) -> None:
    for name, side in (("training", training), ("validation", validation)):
        if {entry.label for entry in side} != labels:
            raise DatasetError(
                f"A class is too small to split: its {name} side would be empty. Give at least 5 images per class."
            )


def write_split(split: Split, path: Path) -> None:
    """Write `split.csv`: part (training, validation or more_training), file, label, sha256."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(_COLUMNS)
    for part in _PARTS:
        writer.writerows([part, entry.file, entry.label, entry.sha256] for entry in getattr(split, part))
    # File names that are no UTF-8 come from the disk as surrogates and go back as the bytes they were.
    write_atomically(path, stream.getvalue().encode(errors="surrogateescape"))


def read_split(path: Path) -> Split:
    """Read `split.csv`.

    Raises:
        RunFolderError: the file is missing or is no split.
    """
    parts: dict[str, list[SplitFile]] = {part: [] for part in _PARTS}
    try:
        with open_kept_text(path, errors="surrogateescape") as stream:
            for row in csv.DictReader(stream):
                if not row["sha256"]:
                    raise ValueError("a line is cut off")
                parts[row["part"]].append(SplitFile(file=row["file"], label=int(row["label"]), sha256=row["sha256"]))
    except (OSError, KeyError, ValueError, TypeError, csv.Error) as error:
        raise RunFolderError(
            f"The split {path} cannot be read ({error}). Start the run again in a new folder."
        ) from error
    if not parts["training"] or not parts["validation"]:
        raise RunFolderError(f"The split {path} is empty. Start the run again in a new folder.")
    training, validation, more_training = (tuple(parts[part]) for part in _PARTS)
    return Split(training=training, validation=validation, more_training=more_training)
