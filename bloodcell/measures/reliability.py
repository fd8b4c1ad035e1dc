"""Whether a confidence is kept: how often answers of about the same confidence are right."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

BIN_COUNT = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class ReliabilityBin:
    """Answers whose confidence lies above `low` and at most at `high`; the first bin takes 0 in."""

    low: float
    high: float
    n: int
    """Answers, at least 1."""
    confidence: float
    """Mean confidence, 0 to 1."""
    accuracy: float
    """Share that is right, 0 to 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reliability:
    """Confidence against accuracy."""

    bins: tuple[ReliabilityBin, ...]
    """Bins that hold answers, lowest confidence first."""
    expected_calibration_error: float
    """Mean distance of accuracy and confidence over the bins, weighted by their answers, 0 to 1."""


def reliability(labels: ArrayLike, probabilities: ArrayLike, *, bin_count: int = BIN_COUNT) -> Reliability:
    """Compare confidence with accuracy in bins of equal width.

    Args:
        labels: (N,) class indices.
        probabilities: (N, K), 0 to 1; the highest one of a row is its confidence.
        bin_count: at least 1.

    Raises:
        ValueError: an argument is empty, of the wrong shape, or out of range.

    Source: C. Guo et al., "On calibration of modern neural networks", 2017, equations 2 and 3.
    """
    scores, truth = np.asarray(probabilities, dtype=np.float64), np.asarray(labels)
    if scores.ndim != 2 or scores.size == 0 or truth.shape != scores.shape[:1]:
        raise ValueError(f"labels and probabilities must be (N,) and (N, K), got {truth.shape} and {scores.shape}")
    if bin_count < 1:
        raise ValueError(f"bin_count must be at least 1, got {bin_count}")
    confidence, is_right = scores.max(axis=1), scores.argmax(axis=1) == truth
    edges = np.linspace(0, 1, bin_count + 1)
    bin_of = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bin_count - 1)
    bins = []
    for index in np.unique(bin_of):
        inside = bin_of == index
        bins.append(
            ReliabilityBin(
                low=float(edges[index]),
                high=float(edges[index + 1]),
                n=int(inside.sum()),
                confidence=float(confidence[inside].mean()),
                accuracy=float(is_right[inside].mean()),
            )
        )
    error = sum(part.n * abs(part.accuracy - part.confidence) for part in bins) / len(truth)
    return Reliability(bins=tuple(bins), expected_calibration_error=error)


def brier_score(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Return the mean over images of the squared distances to the truth, summed over classes: 0 best, 2 worst.

    Args:
        labels: (N,) class indices.
        probabilities: (N, K), 0 to 1.

    Raises:
        ValueError: an argument is empty or of the wrong shape.

    Source: G. W. Brier, "Verification of forecasts expressed in terms of probability", 1950, equation 2.
    """
    scores, truth = np.asarray(probabilities, dtype=np.float64), np.asarray(labels)
    if scores.ndim != 2 or scores.size == 0 or truth.shape != scores.shape[:1]:
        raise ValueError(f"labels and probabilities must be (N,) and (N, K), got {truth.shape} and {scores.shape}")
    return float(((scores - np.eye(scores.shape[1])[truth]) ** 2).sum(axis=1).mean())


def calibration_error_interval(
    labels: ArrayLike, probabilities: ArrayLike, *, resamples: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % interval of the expected calibration error: percentiles over images drawn with replacement.

    Bins of few answers look worse calibrated than they are, so the interval leans upwards.

    Args:
        labels: (N,) class indices.
        probabilities: (N, K), 0 to 1.
        resamples: how often images are drawn.
        seed: of the draws.

    Raises:
        ValueError: as for `reliability`.

    Source: B. Efron and R. Tibshirani, "An introduction to the bootstrap", 1993, chapter 13.
    """
    scores, truth = np.asarray(probabilities, dtype=np.float64), np.asarray(labels)
    reliability(truth, scores)
    chance = np.random.default_rng(seed)
    errors = []
    for _ in range(resamples):
        drawn = chance.integers(0, len(truth), len(truth))
        errors.append(reliability(truth[drawn], scores[drawn]).expected_calibration_error)
    low, high = np.percentile(errors, [2.5, 97.5])
    return float(low), float(high)
