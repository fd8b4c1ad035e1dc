"""How sure a share is where images come in groups: cells of one slide or patient resemble each other."""

from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t


def clustered_interval(
    is_right: NDArray[np.bool_], groups: NDArray[np.int64], confidence: float = 0.95
) -> tuple[float, float]:
    """Return an interval of a share over groups, lower and upper bound, both 0 to 1.

    Wilson's interval with the number of images that are worth as much as these ones, and Student's t in place of the
    normal distribution. Where all are right or all wrong nothing is known of how groups differ: each then counts once.

    Args:
        is_right: (N,).
        groups: (N,), the number of the group that each belongs to; two groups at least.

    Raises:
        ValueError: there are fewer than two groups.

    Source: N. Dean, M. Pagano, "Evaluating confidence interval methods for binomial proportions in clustered surveys",
    2015; the variance is that of a ratio, by linearisation.
    """
    _, places = np.unique(groups, return_inverse=True)
    count, n = int(places.max(initial=-1)) + 1, len(is_right)
    if count < 2:
        raise ValueError(f"an interval over groups needs at least two, got {count}")
    share = float(is_right.mean())
    spread = np.bincount(places, weights=is_right - share)
    variance = count / (count - 1) * float((spread**2).sum()) / n**2
    alone = share * (1 - share) / n
    worth = n / max(1.0, variance / alone) if alone > 0 else float(count)
    quantile = float(t.ppf((1 + confidence) / 2, count - 1))
    square = quantile**2 / worth
    centre = (share + square / 2) / (1 + square)
    half_width = sqrt(square * share * (1 - share) + square**2 / 4) / (1 + square)
    low = 0.0 if share == 0 else max(0.0, centre - half_width)
    high = 1.0 if share == 1 else min(1.0, centre + half_width)
    return low, high
