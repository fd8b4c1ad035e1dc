"""Runs × images, both drawn by chance: what of a figure's variance is the runs', what the images', and what is left.

Every run answers the same images, so runs and images are crossed. A run's accuracy moves with its seed; an image is
easy or hard; what is left, whether just this run has just this image right, is in both sums of squares. A variance of
the mean that adds the runs' part and the images' part counts the rest twice, unless it is taken off once.

Source: J. Cornfield and J. W. Tukey, "Average values of mean squares in factorials", 1956; for readers and cases, which
are runs and images here, B. D. Gallas, "One-shot estimate of MRMC variance", 2006.
"""

import numpy as np
from numpy.typing import ArrayLike


def residual_variance(answers: ArrayLike) -> float:
    """Return the variance of one answer that neither its run nor its image explains.

    Args:
        answers: (runs, images), right or wrong, at least two of each.

    Raises:
        ValueError: there are fewer.
    """
    right = np.asarray(answers, dtype=np.float64)
    if right.ndim != 2 or min(right.shape) < 2:
        raise ValueError(f"answers must have the shape (runs, images), two of each or more, got {right.shape}")
    rest = right - right.mean(axis=1, keepdims=True) - right.mean(axis=0) + right.mean()
    return float((rest**2).sum() / ((right.shape[0] - 1) * (right.shape[1] - 1)))


def image_variance(first: ArrayLike, second: ArrayLike) -> float:
    """Return the variance, between images, of the difference that two arms have on an image, free of the runs' chance.

    Args:
        first, second: (runs, images), right or wrong, the same images in the same order. What is left of an arm with a
            single run cannot be told from its images, and stays in.

    Returns:
        Not negative. Divided by the number of images it is the images' part of the variance of the arms' difference;
        what is left between run and image is in the runs' part.
    """
    arms = [np.asarray(answers, dtype=np.float64) for answers in (first, second)]
    measured = float((arms[0].mean(axis=0) - arms[1].mean(axis=0)).var(ddof=1))
    rest = sum(residual_variance(right) / len(right) for right in arms if len(right) > 1)
    return max(0.0, measured - rest)
