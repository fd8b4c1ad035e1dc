"""The audit of a dataset: everything that can make its figures wrong, each with the files in question.

It adds to the check before training: sizes, near duplicates, copies on both sides of the split, imaging conditions,
and the balance of the split.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bloodcell.audit.copy_groups import copy_groups
from bloodcell.audit.imaging_conditions import ImageLook, group_looks, image_look
from bloodcell.audit.near_duplicates import find_similar_images, sketch
from bloodcell.cell_classes import CLASS_COUNT
from bloodcell.datasets.folder_scan import LabelledFile
from bloodcell.datasets.integrity import IntegrityReport, check_images
from bloodcell.datasets.split import Split, stratified_split
from bloodcell.errors import DatasetError

Progress = Callable[[str, int, int], object]
"""Called with what is being done, done so far, and in all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NearDuplicate:
    """Two files that are not the same and show the same."""

    files: tuple[str, str]
    """Relative POSIX paths, in input order."""
    labels: tuple[int, int]
    similarity: float
    """Correlation of the grey values after alignment, at most 1."""
    turn: str
    """How one is turned against the other, in words; empty: not at all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ImagingCondition:
    """Images that share background tint, brightness and sharpness, unlike those of another condition."""

    files: tuple[str, ...]
    """Relative POSIX paths, in input order."""
    class_counts: tuple[int, ...]
    """Images per class, (K,)."""
    background: tuple[int, int, int]
    """Median background colour, RGB, 0 to 255."""
    sharpness: float
    """Median, see `ImageLook.sharpness`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetAudit:
    """What the audit found; every file is named by its relative POSIX path."""

    integrity: IntegrityReport
    sizes: tuple[tuple[int, int, int], ...]
    """Width and height in pixels and number of images, most frequent first."""
    near_duplicates: tuple[NearDuplicate, ...]
    """Pairs without those of equal bytes, which `integrity` groups. Of a large group of copies not every pair is here,
    but enough to join it, see `copy_groups`."""
    partly_compared: int
    """Images that look like so many others that some of these were not compared with them."""
    leaks: tuple[tuple[str, str], ...]
    """Each validation image that a training image shows too, behind one such training image."""
    conditions: tuple[ImagingCondition, ...]
    """Most frequent first; one where all images look alike."""
    training_counts: tuple[int, ...]
    """Training images per class, (K,); all zero where there is too little to split."""
    validation_counts: tuple[int, ...]
    split_seed: int
    """The split that `leaks` and the counts are of."""
    seconds: float
    """How long the audit took."""

    @property
    def copy_groups(self) -> tuple[tuple[str, ...], ...]:
        """Return all images that have a near duplicate, with it and the files of equal bytes, in groups."""
        near = {name for pair in self.near_duplicates for name in pair.files}
        return tuple(group for group in _copy_groups(self.integrity, self.near_duplicates) if near & {*group})

    @property
    def label_conflicts(self) -> tuple[NearDuplicate, ...]:
        """Return the near duplicates that carry two labels; at least one of each group of copies that does."""
        return tuple(pair for pair in self.near_duplicates if pair.labels[0] != pair.labels[1])

    @property
    def mixed_classes(self) -> tuple[int, ...]:
        """Return the classes whose images come from more than one imaging condition."""
        counts = np.array([condition.class_counts for condition in self.conditions]).reshape(-1, CLASS_COUNT)
        return tuple(int(label) for label in np.flatnonzero((counts > 0).sum(0) > 1))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Measured:
    width: int
    height: int
    look: ImageLook
    sketch: NDArray[np.uint8]


def audit_dataset(
    files: Sequence[LabelledFile],
    *,
    split_seed: int = 0,
    validation_share: float = 0.2,
    progress: Progress = lambda what, done, total: None,
) -> DatasetAudit:
    """Read every file once and report what is wrong with the dataset. Nothing is written.

    Args:
        files: files of a dataset, each once.
        split_seed: of the split whose two sides are compared, as training makes it.
    """
    began = time.monotonic()
    measured: dict[str, _Measured] = {}

    def measure(file: LabelledFile, image: NDArray[np.uint8]) -> None:
        measured[file.relative_path] = _Measured(
            width=image.shape[1], height=image.shape[0], look=image_look(image), sketch=sketch(image)
        )

    integrity = check_images(
        files, progress=lambda done, total: progress("checking images", done, total), measure=measure
    )
    readable = [file for file in files if file.relative_path in measured]
    rows = [measured[file.relative_path] for file in readable]
    near, partly_compared = _near_duplicates(readable, rows, integrity, progress)
    split = _split(integrity, split_seed, validation_share)
    sizes = Counter((row.width, row.height) for row in rows).most_common()
    return DatasetAudit(
        integrity=integrity,
        sizes=tuple((width, height, count) for (width, height), count in sizes),
        near_duplicates=near,
        partly_compared=partly_compared,
        leaks=_leaks(integrity, near, split),
        conditions=_conditions(readable, [row.look for row in rows]),
        training_counts=_counts([entry.label for entry in split.training] if split else []),
        validation_counts=_counts([entry.label for entry in split.validation] if split else []),
        split_seed=split_seed,
        seconds=time.monotonic() - began,
    )


def _near_duplicates(
    readable: Sequence[LabelledFile], rows: Sequence[_Measured], integrity: IntegrityReport, progress: Progress
) -> tuple[tuple[NearDuplicate, ...], int]:
    """Compare the images with each other, those of equal bytes and those of almost one colour left out.

    Returns:
        The pairs, and how many images were not compared with all that look like them.
    """
    left_out = {name for name, _ in integrity.low_variance}
    left_out |= {name for group in integrity.duplicate_groups for name in group[1:]}
    kept = [index for index, file in enumerate(readable) if file.relative_path not in left_out]
    if len(kept) < 2:
        return (), 0
    similar = find_similar_images(
        np.stack([rows[index].sketch for index in kept]),
        progress=lambda done, total: progress("comparing images", done, total),
    )
    found = []
    for pair in similar.pairs:
        first, second = (readable[kept[place]] for place in (pair.first, pair.second))
        found.append(
            NearDuplicate(
                files=(first.relative_path, second.relative_path),
                labels=(first.label, second.label),
                similarity=pair.similarity,
                turn=pair.turn,
            )
        )
    return tuple(found), similar.partly_compared


def _split(integrity: IntegrityReport, split_seed: int, validation_share: float) -> Split | None:
    try:
        return stratified_split(
            integrity.usable, integrity.sha256, split_seed=split_seed, validation_share=validation_share
        )
    except DatasetError:
        return None  # Too few images to split is shown by the counts, and said when a training starts.


def _leaks(
    integrity: IntegrityReport, near: Sequence[NearDuplicate], split: Split | None
) -> tuple[tuple[str, str], ...]:
    if split is None:
        return ()
    training = {entry.file for entry in split.training}
    validation = {entry.file for entry in split.validation}
    links = [pair.files for pair in near]
    directly = {name: other for pair in links for other, name in (pair, pair[::-1]) if other in training}
    leaks = []
    for group in _copy_groups(integrity, near):
        trained = [name for name in group if name in training]
        leaks += [(directly.get(name, trained[0]), name) for name in group if trained and name in validation]
    return tuple(leaks)


def _copy_groups(integrity: IntegrityReport, near: Sequence[NearDuplicate]) -> tuple[tuple[str, ...], ...]:
    """Return all groups of images that show the same, near duplicates and files of equal bytes together."""
    return copy_groups([*(pair.files for pair in near), *integrity.duplicate_groups])


def _conditions(readable: Sequence[LabelledFile], looks: Sequence[ImageLook]) -> tuple[ImagingCondition, ...]:
    groups = group_looks(looks)
    conditions = []
    for group in range(int(groups.max(initial=-1)) + 1):
        members = np.flatnonzero(groups == group).tolist()
        own = [looks[index] for index in members]
        red, green, blue = (round(float(np.median([getattr(x, n) for x in own]))) for n in ("red", "green", "blue"))
        conditions.append(
            ImagingCondition(
                files=tuple(readable[index].relative_path for index in members),
                class_counts=_counts([readable[index].label for index in members]),
                background=(red, green, blue),
                sharpness=float(np.median([look.sharpness for look in own])),
            )
        )
    return tuple(conditions)


def _counts(labels: Sequence[int]) -> tuple[int, ...]:
    return tuple(int(count) for count in np.bincount(np.array(labels, np.intp), minlength=CLASS_COUNT))
