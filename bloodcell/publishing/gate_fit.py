"""Fitting the gate to the images that weights were trained on, and its threshold to images held out."""

from dataclasses import replace

import numpy as np

from bloodcell.answers.gate import Gate

SHRINKAGE = 0.1
"""Share of the correlations between statistics that is not believed."""
HELD_OUT_QUANTILE = 0.999
"""Share of held-out training images that pass even without the margin."""
MARGIN = 1.05
"""Room beyond that quantile, a factor, for stains a little off: of 640 validation images with optical densities changed
by up to 10 % and brightness by up to 8 %, it lowers the share refused from 2.7 to 0.9 % (`unet_encoder`)."""
FOLDS = 5
FEWEST_IMAGES = 40
"""Training images without which nothing can be said about what is unlike them."""


def fit_gate(statistics: np.ndarray, labels: np.ndarray, held_out: np.ndarray) -> tuple[Gate, np.ndarray]:
    """Fit a gate on training images; its threshold on validation images and on training images in turn held out.

    Args:
        statistics: (N, D) of training images, N at least `FEWEST_IMAGES`.
        labels: (N,) class indices.
        held_out: (M, D) of validation images.

    Returns:
        The gate, and the scores (N + M,) that the threshold comes from: each image's, by a gate that never saw it.
    """
    gate = _fit(statistics, labels)
    fold_of = np.random.default_rng(0).permutation(len(labels)) % FOLDS
    distances = [gate.distances(held_out)]
    for fold in range(FOLDS):
        inside, outside = fold_of != fold, fold_of == fold
        distances.append(_fit(statistics[inside], labels[inside]).distances(statistics[outside]))
    unseen = np.concatenate(distances)
    threshold = MARGIN * float(np.quantile(unseen, HELD_OUT_QUANTILE))
    return replace(gate, threshold=threshold), unseen / threshold


def _fit(statistics: np.ndarray, labels: np.ndarray) -> Gate:
    statistics = statistics.astype(np.float64)
    present = np.unique(labels)
    means = np.stack([statistics[labels == label].mean(axis=0) for label in present])
    residuals = statistics - means[np.searchsorted(present, labels)]
    # A channel that never speaks has no spread; the floor keeps it from deciding by rounding alone.
    spread = np.maximum(residuals.std(axis=0), 1e-3 * np.median(residuals.std(axis=0)) + 1e-9)
    correlation = (residuals / spread).T @ (residuals / spread) / len(residuals)
    correlation = (1 - SHRINKAGE) * correlation + SHRINKAGE * np.eye(len(spread))
    eigenvalues, directions = np.linalg.eigh(correlation)
    whitening = directions / np.sqrt(eigenvalues) / spread[:, None]
    centre = statistics.mean(axis=0)
    return Gate(centre=centre, whitening=whitening, class_centres=(means - centre) @ whitening, threshold=1.0)
