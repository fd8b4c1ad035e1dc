"""Whether the confidences of answers deserve belief: calibration, and what a second look catches."""

from typing import Any

import numpy as np

from bloodcell.measures.calibration import at_temperature_one
from bloodcell.measures.reliability import brier_score, calibration_error_interval, reliability
from bloodcell.measures.review_rule import caught_by_review
from bloodcell.measures.statistics import wilson_interval


def confidence_entries(
    labels: np.ndarray, probabilities: np.ndarray, *, temperature: float | np.ndarray, is_sure: np.ndarray
) -> dict[str, Any]:
    """Return what a card says of the confidences, plain JSON values.

    Args:
        labels: (N,) class indices.
        probabilities: (N, K), calibrated.
        temperature: with which they were calibrated, one for all or (N,).
        is_sure: (N,) booleans: the answer was shown without asking for a second look.

    Returns:
        ece, ece_interval, brier · before: the same without the temperature · bins: of the reliability diagram ·
        review: errors caught when a share of the images is looked at again · threshold: the same for the fixed rule.

    Raises:
        ValueError: an array is empty or of the wrong shape.
    """
    is_right = probabilities.argmax(axis=1) == labels
    measured = reliability(labels, probabilities)
    return {
        **_calibration(labels, probabilities),
        "before": {**_calibration(labels, at_temperature_one(probabilities, temperature)), "temperature": 1.0},
        "bins": [
            {"low": part.low, "high": part.high, "n": part.n, "confidence": part.confidence, "accuracy": part.accuracy}
            for part in measured.bins
        ],
        "review": [part.to_dict() for part in caught_by_review(probabilities.max(axis=1), is_right)],
        "threshold": _caught_by_threshold(is_right, is_sure),
    }


def _calibration(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, Any]:
    return {
        "ece": reliability(labels, probabilities).expected_calibration_error,
        "ece_interval": list(calibration_error_interval(labels, probabilities)),
        "brier": brier_score(labels, probabilities),
    }


def _caught_by_threshold(is_right: np.ndarray, is_sure: np.ndarray) -> dict[str, Any]:
    errors, caught = int((~is_right).sum()), int((~is_right & ~is_sure).sum())
    return {
        "reviewed": int((~is_sure).sum()),
        "errors": errors,
        "caught": caught,
        "caught_share_interval": list(wilson_interval(caught, errors)) if errors else None,
    }
