"""What a second look at the least sure answers catches: the errors among them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bloodcell.measures.statistics import wilson_interval

SHARES = (0.01, 0.03, 0.05)
"""Shares of the images that get a second look."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReviewedShare:
    """The errors that a second look at some of the images catches."""

    share: float
    """Share of the images that was asked for, 0 to 1."""
    reviewed: int
    """Images looked at again: the share, rounded to whole images."""
    errors: int
    """Wrong answers among all images."""
    caught: int
    """Wrong answers among those looked at again."""
    caught_share_interval: tuple[float, float] | None
    """95 % Wilson interval of caught ÷ errors; None without errors."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        interval = self.caught_share_interval
        return {**asdict(self), "caught_share_interval": None if interval is None else list(interval)}


def caught_by_review(
    sureness: ArrayLike, is_right: ArrayLike, shares: Sequence[float] = SHARES
) -> tuple[ReviewedShare, ...]:
    """Count the errors among the least sure answers; of equally sure ones the right are looked at first.

    Args:
        sureness: (N,) higher is surer; any scale.
        is_right: (N,) booleans.
        shares: each 0 to 1.

    Raises:
        ValueError: the arrays are empty or of different lengths, or a share is out of range.
    """
    score, right = np.asarray(sureness, dtype=np.float64), np.asarray(is_right, dtype=bool)
    if score.ndim != 1 or score.size == 0 or right.shape != score.shape:
        raise ValueError(f"sureness and is_right must be (N,) with N at least 1, got {score.shape} and {right.shape}")
    if not all(0 <= share <= 1 for share in shares):
        raise ValueError(f"shares must be 0 to 1, got {list(shares)}")
    is_wrong = ~right[np.lexsort((~right, score))]
    errors = int(is_wrong.sum())
    found = []
    for share in shares:
        reviewed = round(share * len(score))
        caught = int(is_wrong[:reviewed].sum())
        interval = wilson_interval(caught, errors) if errors else None
        found.append(
            ReviewedShare(share=share, reviewed=reviewed, errors=errors, caught=caught, caught_share_interval=interval)
        )
    return tuple(found)
