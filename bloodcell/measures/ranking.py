"""How well scores rank images: one-versus-rest ROC and precision–recall curves and the areas under them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Curve = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RocCurve:
    """Share of false alarms against share found, a point per distinct score, from (0, 0) to (1, 1)."""

    false_positive_rate: Curve
    """(P,), rising, 0 to 1."""
    true_positive_rate: Curve
    """(P,), rising, 0 to 1; the same as recall."""
    area: float
    """Probability that an image of the class scores higher than one of another class, 0 to 1."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PrecisionRecallCurve:
    """Recall against precision, a point per distinct score, highest score first; begins at recall 0, precision 1."""

    recall: Curve
    """(P,), rising, 0 to 1."""
    precision: Curve
    """(P,), 0 to 1."""
    average_precision: float
    """Mean precision, each step weighted by the recall that it adds, 0 to 1."""


def roc_curve(is_of_class: ArrayLike, scores: ArrayLike) -> RocCurve | None:
    """Rank one class against all others.

    Args:
        is_of_class: (N,), bool.
        scores: (N,), finite; the higher the likelier.

    Returns:
        None where no image is of the class, or all are: there is nothing to rank.

    Raises:
        ValueError: an argument is empty, of the wrong shape, or not finite.
    """
    hits, alarms = _cumulated(is_of_class, scores)
    if hits[-1] == 0 or alarms[-1] == 0:
        return None
    found = np.concatenate(([0.0], hits / hits[-1]))
    false = np.concatenate(([0.0], alarms / alarms[-1]))
    return RocCurve(false_positive_rate=false, true_positive_rate=found, area=float(np.trapezoid(found, false)))


def precision_recall_curve(is_of_class: ArrayLike, scores: ArrayLike) -> PrecisionRecallCurve | None:
    """Rank one class against all others.

    Args:
        is_of_class: (N,), bool.
        scores: (N,), finite; the higher the likelier.

    Returns:
        None where no image is of the class: there is nothing to find.

    Raises:
        ValueError: an argument is empty, of the wrong shape, or not finite.
    """
    hits, alarms = _cumulated(is_of_class, scores)
    if hits[-1] == 0:
        return None
    recall, precision = hits / hits[-1], hits / (hits + alarms)
    average = float(np.sum(np.diff(recall, prepend=0.0) * precision))
    return PrecisionRecallCurve(
        recall=np.concatenate(([0.0], recall)),
        precision=np.concatenate(([1.0], precision)),
        average_precision=average,
    )


def _cumulated(is_of_class: ArrayLike, scores: ArrayLike) -> tuple[Curve, Curve]:
    """Return hits and false alarms at or above each distinct score, highest score first, both (D,)."""
    truth, values = np.asarray(is_of_class, dtype=bool), np.asarray(scores, dtype=np.float64)
    if truth.ndim != 1 or truth.shape != values.shape or truth.size == 0:
        raise ValueError(f"is_of_class and scores must both have the shape (N,), got {truth.shape} and {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError("scores must be finite numbers")
    order = np.argsort(-values, kind="stable")
    truth, values = truth[order], values[order]
    # Images with the same score cannot be told apart, so only the last of them is a point of the curve.
    last_of_score = np.append(np.flatnonzero(np.diff(values)), len(values) - 1)
    hits = np.cumsum(truth)[last_of_score].astype(np.float64)
    return hits, (last_of_score + 1) - hits
