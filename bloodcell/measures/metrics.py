"""Figures of a classifier on labelled images: accuracy, macro-F1, figures per class, confusion matrix."""

from dataclasses import asdict, dataclass
from statistics import fmean

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bloodcell.measures.statistics import wilson_interval


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassFigures:
    """Figures of one class. Of a class that does not occur they say nothing; there, and where a denominator is zero,
    they are 0.0."""

    label: int
    """Class index, 0 to K − 1."""
    precision: float
    """Right among those predicted as this class, 0 to 1; 0.0 where nothing was."""
    recall: float
    """Right among those of this class, 0 to 1; 0.0 where there are none."""
    f1: float
    """Harmonic mean of precision and recall, 0 to 1; 0.0 where the class neither occurs nor is predicted."""
    support: int
    """Images of this class."""

    @property
    def occurs(self) -> bool:
        """Whether any image is of this class; where none is, its figures are shown as a dash."""
        return self.support > 0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ClassificationFigures:
    """Figures of one set of predictions. Two of them are compared through `to_dict()`."""

    n: int
    """Images."""
    correct: int
    """Images whose prediction is the label."""
    accuracy: float
    """correct / n, 0 to 1."""
    accuracy_interval: tuple[float, float]
    """Wilson interval of the accuracy, 95 %."""
    macro_f1: float
    """Plain mean of the F1 of the classes that occur, 0 to 1."""
    per_class: tuple[ClassFigures, ...]
    """One entry per class in class order."""
    confusion_matrix: NDArray[np.int64]
    """(K, K) counts, rows are the truth, read-only."""

    @property
    def row_shares(self) -> NDArray[np.float64]:
        """The confusion matrix, each row divided by its sum, (K, K), 0 to 1; a class without images has a row of 0."""
        return _share(self.confusion_matrix, self.confusion_matrix.sum(axis=1, keepdims=True))

    def to_dict(self) -> dict[str, object]:
        """Return plain types that `json` writes, `row_shares` left out."""
        return {
            "n": self.n,
            "correct": self.correct,
            "accuracy": self.accuracy,
            "accuracy_interval": list(self.accuracy_interval),
            "macro_f1": self.macro_f1,
            "per_class": [asdict(figures) for figures in self.per_class],
            "confusion_matrix": self.confusion_matrix.tolist(),
        }


def confusion_matrix(labels: ArrayLike, predictions: ArrayLike, class_count: int) -> NDArray[np.int64]:
    """Count images per true and predicted class, (K, K), rows are the truth.

    Args:
        labels: (N,), integers 0 to K − 1.
        predictions: (N,), integers 0 to K − 1.
        class_count: K, at least 1.

    Raises:
        ValueError: an argument is empty, of the wrong shape or type, or out of range.
    """
    if class_count < 1:
        raise ValueError(f"class_count must be at least 1, got {class_count}")
    truth = _class_indices("labels", labels, class_count)
    predicted = _class_indices("predictions", predictions, class_count)
    if len(truth) != len(predicted):
        raise ValueError(f"predictions must be as many as labels ({len(truth)}), got {len(predicted)}")
    counts = np.bincount(truth * class_count + predicted, minlength=class_count * class_count)
    return counts.reshape(class_count, class_count).astype(np.int64)


def classification_figures(labels: ArrayLike, probabilities: ArrayLike) -> ClassificationFigures:
    """Measure predictions against labels.

    The prediction is the class with the highest probability; equal ones go to the lower index. Macro-F1 is what
    scikit-learn gives for `labels=np.unique(labels), zero_division=0`: a class that no image has cannot be answered
    right, so it does not count; images that were taken for it count against their own classes.

    Args:
        labels: (N,), integers 0 to K − 1.
        probabilities: (N, K), finite.

    Raises:
        ValueError: an argument is empty, of the wrong shape or type, out of range, or not finite.
    """
    scores = np.asarray(probabilities, dtype=np.float64)
    if scores.ndim != 2 or scores.size == 0:
        raise ValueError(f"probabilities must have the shape (N, K) with at least one image, got {scores.shape}")
    if not np.isfinite(scores).all():
        raise ValueError("probabilities must be finite numbers")
    truth = _class_indices("labels", labels, scores.shape[1])
    if len(truth) != len(scores):
        raise ValueError(f"labels must be as many as rows of probabilities ({len(scores)}), got {len(truth)}")
    matrix = confusion_matrix(truth, scores.argmax(axis=1), scores.shape[1])
    matrix.setflags(write=False)
    correct, n = int(np.trace(matrix)), len(truth)
    per_class = _figures_per_class(matrix)
    return ClassificationFigures(
        n=n,
        correct=correct,
        accuracy=correct / n,
        accuracy_interval=wilson_interval(correct, n),
        macro_f1=fmean(figures.f1 for figures in per_class if figures.occurs),
        per_class=per_class,
        confusion_matrix=matrix,
    )


def _figures_per_class(matrix: NDArray[np.int64]) -> tuple[ClassFigures, ...]:
    hits, predicted, support = np.diag(matrix), matrix.sum(axis=0), matrix.sum(axis=1)
    precision, recall, f1 = _share(hits, predicted), _share(hits, support), _share(2 * hits, predicted + support)
    return tuple(
        ClassFigures(
            label=label,
            precision=float(precision[label]),
            recall=float(recall[label]),
            f1=float(f1[label]),
            support=int(support[label]),
        )
        for label in range(len(matrix))
    )


def _share(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    """Divide, with 0.0 where whole is 0."""
    return np.divide(part, whole, out=np.zeros(part.shape, dtype=np.float64), where=whole != 0)


def _class_indices(name: str, values: ArrayLike, class_count: int) -> NDArray[np.int64]:
    """(N,) class indices as int64. Floats are refused: rounding them would hide a mistake."""
    indices = np.asarray(values)
    if indices.ndim != 1 or indices.size == 0:
        raise ValueError(f"{name} must have the shape (N,) with at least one image, got {indices.shape}")
    if not np.issubdtype(indices.dtype, np.integer):
        raise ValueError(f"{name} must be integers, got {indices.dtype}")
    if indices.min() < 0 or indices.max() >= class_count:
        raise ValueError(f"{name} must lie between 0 and {class_count - 1}, got {indices.min()} to {indices.max()}")
    return indices.astype(np.int64)
