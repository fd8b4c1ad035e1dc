"""What runs and images can prove: figures over seeds, tests, corrections for many tests.

Apart from `statistics`, because scipy.stats takes most of a second to import and answering cells needs none of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt
from statistics import fmean, stdev

import scipy.stats
from scipy.special import fdtri, stdtr, stdtrit


@dataclass(frozen=True, kw_only=True, slots=True)
class SeedFigures:
    """What several runs that differ in their seed alone say about a figure."""

    n: int
    """Runs."""
    mean: float
    standard_deviation: float | None
    """Between runs, with n − 1; None for a single run."""
    interval: tuple[float, float] | None
    """95 % interval of the mean after Student's t; None for a single run."""


def seed_figures(values: Sequence[float], confidence: float = 0.95) -> SeedFigures:
    """Return mean, standard deviation and interval of the mean over runs.

    Args:
        values: one figure per run, at least one.

    Raises:
        ValueError: there is no value.

    Source: Student, "The probable error of a mean", 1908.
    """
    if not values:
        raise ValueError("values must hold at least one figure")
    mean, count = fmean(values), len(values)
    if count == 1:
        return SeedFigures(n=1, mean=mean, standard_deviation=None, interval=None)
    deviation = stdev(values)
    half_width = student_quantile((1 + confidence) / 2, count - 1) * deviation / sqrt(count)
    return SeedFigures(
        n=count, mean=mean, standard_deviation=deviation, interval=(mean - half_width, mean + half_width)
    )


def student_quantile(probability: float, degrees_of_freedom: float) -> float:
    """Return the value that Student's t stays below with a probability."""
    return float(stdtrit(degrees_of_freedom, probability))


def student_p_value(statistic: float, degrees_of_freedom: float) -> float:
    """Return the two-sided p value of a t statistic."""
    return float(2 * stdtr(degrees_of_freedom, -abs(statistic)))


def fisher_quantile(probability: float, first_degrees: float, second_degrees: float) -> float:
    """Return the value that the ratio of two estimated variances of equal size stays below with a probability."""
    return float(fdtri(first_degrees, second_degrees, probability))


def welch_degrees_of_freedom(variances: Sequence[float], degrees: Sequence[float]) -> float:
    """Return the degrees of freedom of a sum of independent estimates of variances.

    Args:
        variances: not negative; where all are zero, the fewest of the degrees are returned.
        degrees: of freedom of each.

    Source: B. L. Welch, "The generalization of 'Student's' problem …", 1947, and F. E. Satterthwaite, 1946.
    """
    total = sum(variances)
    if total == 0:
        return min(degrees)
    return total**2 / sum(variance**2 / freedom for variance, freedom in zip(variances, degrees, strict=True))


def holm_adjusted(p_values: Sequence[float]) -> list[float]:
    """Return p values that can be compared with the level of the whole family, in their order.

    Source: S. Holm, "A simple sequentially rejective multiple test procedure", 1979.
    """
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda position: p_values[position])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def mcnemar_p_value(only_first: int, only_second: int) -> float:
    """Return the exact two-sided p value that two runs are right equally often on the same images.

    Args:
        only_first: images that the first run alone has right.
        only_second: images that the second run alone has right.

    Source: Q. McNemar, 1947; the exact version is a binomial test of the images on which the runs differ.
    """
    differing = only_first + only_second
    return 1.0 if differing == 0 else float(scipy.stats.binomtest(only_first, differing).pvalue)


@lru_cache(maxsize=64)
def highest_by_guessing(n: int, share: float, confidence: float = 0.999) -> int:
    """Return the most images out of n that guessing has right, but for one time in a thousand.

    Args:
        share: probability that a guess is right, 0 to 1.
    """
    return int(scipy.stats.binom.ppf(confidence, n, share))
