"""Answers counted by the subtype in the file name: a second level below the eight classes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bloodcell.datasets.subtype import SUBTYPES, Subtype, is_near_miss, subtype_of_file


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SubtypeAnswers:
    """What was answered for the images of one subtype."""

    subtype: Subtype | None
    """None: the file name says nothing."""
    counts: NDArray[np.int64]
    """(K,), images per answered class."""
    right: int
    near_misses: int
    """Answered as the class of the next stage of maturation."""

    @property
    def n(self) -> int:
        """Images of this subtype."""
        return int(self.counts.sum())

    @property
    def other_mistakes(self) -> int:
        """Images that are answered wrong and are no near misses."""
        return self.n - self.right - self.near_misses


def answers_by_subtype(
    files: Sequence[str], labels: NDArray[np.int64], predicted: NDArray[np.int64], class_count: int
) -> list[SubtypeAnswers]:
    """Count answers per subtype, in the order of SUBTYPES, files without one last.

    Args:
        files: N names; the subtype stands before the first underscore.
        labels: (N,) class indices.
        predicted: (N,) class indices.
        class_count: K.

    A subtype that belongs to another class than the label's counts like none: folder and file name contradict.
    """
    found = [subtype_of_file(file) for file in files]
    subtypes = [
        subtype if subtype is not None and subtype.label == label else None
        for subtype, label in zip(found, labels.tolist(), strict=True)
    ]
    near = np.array([is_near_miss(file, answer) for file, answer in zip(files, predicted.tolist(), strict=True)])
    counted = []
    for subtype in (*SUBTYPES, None):
        inside = np.array([one is subtype for one in subtypes], dtype=bool)
        if inside.any():
            right = inside & (predicted == labels)
            counted.append(
                SubtypeAnswers(
                    subtype=subtype,
                    counts=np.bincount(predicted[inside], minlength=class_count),
                    right=int(right.sum()),
                    near_misses=0 if subtype is None else int((inside & near & ~right).sum()),
                )
            )
    return counted
