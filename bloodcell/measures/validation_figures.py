"""What validation images decide of a model that is published: temperature, threshold, figures."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from bloodcell.measures.calibration import fit_temperature, probabilities_of, review_threshold
from bloodcell.measures.metrics import classification_figures

REVIEW_SHARE = 0.05
"""Share of the validation images whose confidence lies below the review threshold."""


def measure_validation(
    logits: np.ndarray, labels: np.ndarray, *, of_other_seeds: Sequence[np.ndarray] = ()
) -> tuple[dict[str, Any], np.ndarray]:
    """Return the entries of a card that validation images decide, and the calibrated probabilities (N, K).

    Args:
        logits: (N, K).
        labels: (N,) class indices.
        of_other_seeds: logits (N, K) of the same images from other seeds of the recipe. Temperature and threshold are
            then fitted on all of them: one seed makes too few mistakes to say how sure it may be.
    """
    pooled = np.concatenate([logits, *of_other_seeds])
    temperature = fit_temperature(pooled, np.tile(labels, 1 + len(of_other_seeds)))
    probabilities = probabilities_of(logits, temperature)
    figures = classification_figures(labels, probabilities).to_dict()
    note = "These images also chose the epoch, the temperature and the review threshold: the figures are optimistic."
    measured = {
        "temperature": temperature,
        "review_threshold": review_threshold(probabilities_of(pooled, temperature), REVIEW_SHARE),
        "metrics": {"validation": {**figures, "note": note}},
    }
    return measured, probabilities
