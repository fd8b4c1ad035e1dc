"""Fitting the question whether a cell is one of the eight to the images that weights were trained on."""

from dataclasses import replace

import numpy as np

from bloodcell.answers.other_cell import OtherCellQuestion
from bloodcell.cell_classes import CLASS_COUNT

DIRECTIONS = 64
"""Principal directions of the averages that count."""
SHRINKAGE = 0.1
"""Share of the correlations within classes that is not believed."""
HELD_OUT_SHARE = 0.005
"""Of held-out home cells, the share that the threshold flags."""
_SMALLEST = 1e-2
"""Of the spread in the first direction, what a direction must have to count."""
_FAR = 1e6
"""Coordinates of a class without an image: no cell is near it."""


def fit_other_cell(averages: np.ndarray, labels: np.ndarray, *, directions: int = DIRECTIONS) -> OtherCellQuestion:
    """Fit to training images; without a threshold yet.

    Args:
        averages: (N, C) of the last feature map.
        labels: (N,) class indices. A class without an image gets a centre far from all cells.
        directions: fewer where there are fewer channels.
    """
    averages = averages.astype(np.float64)
    centre = averages.mean(axis=0)
    _, sizes, principal = np.linalg.svd(averages - centre, full_matrices=False)
    # Where training images hardly differ rounding would decide, and a channel that spoke once.
    basis = principal[:directions][sizes[:directions] > _SMALLEST * sizes[0]].T
    places = (averages - centre) @ basis
    present = np.unique(labels)
    means = np.stack([places[labels == label].mean(axis=0) for label in present])
    residuals = places - means[np.searchsorted(present, labels)]
    spread = np.maximum(residuals.std(axis=0), 1e-3 * residuals.std(axis=0).max())
    correlation = (residuals / spread).T @ (residuals / spread) / len(residuals)
    eigenvalues, turned = np.linalg.eigh((1 - SHRINKAGE) * correlation + SHRINKAGE * np.eye(len(spread)))
    whitening = turned / np.sqrt(eigenvalues) / spread[:, None]
    class_centres = np.full((CLASS_COUNT, basis.shape[1]), _FAR)
    class_centres[present] = means @ whitening
    return OtherCellQuestion(centre=centre, directions=basis @ whitening, class_centres=class_centres, threshold=1.0)


def with_threshold(
    question: OtherCellQuestion, held_out: np.ndarray, share: float = HELD_OUT_SHARE
) -> OtherCellQuestion:
    """Return the question with the distance that a share of held-out cells, (M, C) averages, exceeds."""
    return replace(question, threshold=float(np.quantile(question.distances(held_out), 1 - share)))
