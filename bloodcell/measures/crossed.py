"""The accuracy of a recipe over seeds and images together: one mean, one interval that counts both."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bloodcell.measures.significance import student_quantile
from bloodcell.measures.statistics import wilson_interval


@dataclass(frozen=True, kw_only=True, slots=True)
class CrossedAccuracy:
    """What several runs of one recipe, each on the same images, say about the recipe."""

    seeds: int
    images: int
    mean: float
    """Share right over all runs and images, 0 to 1."""
    variance: float
    """Of that mean, were other seeds trained and other images drawn."""
    interval: tuple[float, float]
    """95 %, 0 to 1."""


def crossed_accuracy(right: ArrayLike) -> CrossedAccuracy:
    """Return the mean accuracy of runs on common images, with an interval that counts seeds and images, each once.

    Every answer is the sum of the mean, an effect of its seed, an effect of its image, and a rest. Other seeds would
    move the first, other images the second, and the rest goes with both: the variance of the mean over R seeds and N
    images is σ²_seed ÷ R + σ²_image ÷ N + σ²_rest ÷ RN. The three are estimated from the mean squares of the two-way
    analysis of variance, with which that sum is (MS_seed + MS_image − MS_rest) ÷ RN. The rest is part of MS_seed and of
    MS_image alike, so it is taken off once. Were the images left out, three seeds that happen to agree on 1,000 images
    would claim to know the accuracy on any others.

    Because an accuracy near 1 has no room above it, the interval is Wilson's, for as many independent answers as have
    that variance, with Student's quantile at Satterthwaite's degrees of freedom in place of the normal one.
    In a simulation (`tests/measures/test_crossed.py`) it holds the true accuracy in at least 93 % of cases.

    Args:
        right: (R, N) booleans, whether each run has each image right; R at least 2, N at least 2.

    Raises:
        ValueError: there are fewer runs or images.

    Source: J. Cornfield and J. W. Tukey, "Average values of mean squares in factorials", 1956; E. L. Korn and B. I.
    Graubard, "Confidence intervals for proportions with small expected number of positive counts", 1998, for the number
    of answers that have a variance.
    """
    answers = np.asarray(right, dtype=np.float64)
    if answers.ndim != 2 or min(answers.shape) < 2:
        raise ValueError(f"right must have the shape (R, N), both at least 2, got {answers.shape}")
    seeds, images = answers.shape
    mean = float(answers.mean())
    variance, degrees = _variance_of_mean(answers)
    if variance == 0:
        return CrossedAccuracy(
            seeds=seeds,
            images=images,
            mean=mean,
            variance=0.0,
            interval=wilson_interval(round(mean * images), images),
        )
    answers_of_equal_variance = min(mean * (1 - mean) / variance, float(answers.size))
    quantile = student_quantile(0.975, degrees)
    return CrossedAccuracy(
        seeds=seeds,
        images=images,
        mean=mean,
        variance=variance,
        interval=_wilson(mean, answers_of_equal_variance, quantile),
    )


def _variance_of_mean(answers: NDArray[np.float64]) -> tuple[float, float]:
    """Return the variance of the mean of (R, N) answers, and its degrees of freedom; 0 where all answers are equal."""
    seeds, images = answers.shape
    of_seed, of_image, mean = answers.mean(axis=1), answers.mean(axis=0), answers.mean()
    rest = answers - of_seed[:, None] - of_image[None, :] + mean
    rest_square = float((rest**2).sum()) / ((seeds - 1) * (images - 1))
    # A component of variance cannot be negative, though its estimate can.
    seed_square = max(images * float(of_seed.var(ddof=1)), rest_square)
    image_square = max(seeds * float(of_image.var(ddof=1)), rest_square)
    total = seed_square + image_square - rest_square
    if total <= 0:
        return 0.0, 1.0
    spread = (
        seed_square**2 / (seeds - 1) + image_square**2 / (images - 1) + rest_square**2 / ((seeds - 1) * (images - 1))
    )
    return total / answers.size, total**2 / spread


def _wilson(share: float, n: float, quantile: float) -> tuple[float, float]:
    square = quantile**2
    centre = (share + square / (2 * n)) / (1 + square / n)
    half_width = quantile / (1 + square / n) * sqrt(share * (1 - share) / n + square / (4 * n * n))
    return max(0.0, centre - half_width), min(1.0, centre + half_width)
