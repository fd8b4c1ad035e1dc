"""The stratified split into training and validation images, with copies of one image kept on one side."""

import csv
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bloodcell.data.folder_scan import LabelledFile
from bloodcell.errors import DatasetError, RunFolderError
from bloodcell.paths import write_atomically

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


def _by_file(entry: SplitFile) -> str:
    return entry.file


def _refuse_empty_sides(training: list[SplitFile], validation: list[SplitFile], labels: set[int]) -> None:
    for name, side in (("training", training), ("validation", validation)):
        if {entry.label for entry in side} != labels:
            raise DatasetError(
                f"A class is too small to split: its {name} side would be empty. Give at least 5 images per class."
            )


def write_split(split: Split, path: Path) -> None:
    """Write `split.csv`: part (training or validation), file, label, sha256."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(_COLUMNS)
    for part, entries in (("training", split.training), ("validation", split.validation)):
        writer.writerows([part, entry.file, entry.label, entry.sha256] for entry in entries)
    # File names that are no UTF-8 come from the disk as surrogates and go back as the bytes they were.
    write_atomically(path, stream.getvalue().encode(errors="surrogateescape"))


def read_split(path: Path) -> Split:
    """Read `split.csv`.

    Raises:
        RunFolderError: the file is missing or is no split.
    """
    parts: dict[str, list[SplitFile]] = {"training": [], "validation": []}
    try:
        with path.open(newline="", encoding="utf-8", errors="surrogateescape") as stream:
            for row in csv.DictReader(stream):
                parts[row["part"]].append(SplitFile(file=row["file"], label=int(row["label"]), sha256=row["sha256"]))
    except (OSError, KeyError, ValueError) as error:
        raise RunFolderError(
            f"The split {path} cannot be read ({error}). Start the run again in a new folder."
        ) from error
    if not parts["training"] or not parts["validation"]:
        raise RunFolderError(f"The split {path} is empty. Start the run again in a new folder.")
    return Split(training=tuple(parts["training"]), validation=tuple(parts["validation"]))
