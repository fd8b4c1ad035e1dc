"""What the runs of an arm had right on one set of images, and which of its seeds collapsed."""

from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from bloodcell.cell_classes import CLASS_COUNT
from bloodcell.measures.significance import highest_by_guessing


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ArmSample:
    """What an arm's runs had right on one set of images."""

    name: str
    right: tuple[int, ...]
    """Images that each run had right."""
    n: int
    """Images."""
    answers: NDArray[np.bool_] | None = None
    """(runs, images), whether the run had the image right; None where only counts are known."""
    guessing_share: float = 1 / CLASS_COUNT
    """Share of the images that the best constant answer has right."""

    @property
    def accuracies(self) -> list[float]:
        """Accuracy of each run, 0 to 1."""
        return [right / self.n for right in self.right]

    @property
    def accuracy(self) -> float:
        """Mean over runs, 0 to 1."""
        return fmean(self.accuracies)

    @property
    def has_learned(self) -> bool:
        """Whether any run has more images right than guessing reaches but once in a thousand times."""
        return max(self.right) > highest_by_guessing(self.n, self.guessing_share)

    @property
    def collapsed(self) -> list[int]:
        """Positions of the runs that lost what the arm can learn.

        A run has collapsed that gained less than half of what the arm's best run gained over guessing, where that run
        gained more than half of what there is to gain. Seeds of arms that learn move by a few points; between them
        and a run that fell back towards guessing there is no continuous passage, and no spread describes both.
        """
        gains = [accuracy - self.guessing_share for accuracy in self.accuracies]
        best = max(gains)
        if best <= (1 - self.guessing_share) / 2:
            return []
        return [position for position, gain in enumerate(gains) if gain < best / 2]

    def without_collapsed(self) -> "ArmSample":
        """Return the sample of the runs that have not collapsed."""
        lost = set(self.collapsed)
        kept = [position for position in range(len(self.right)) if position not in lost]
        return replace(
            self,
            right=tuple(self.right[position] for position in kept),
            answers=None if self.answers is None else self.answers[kept],
        )
