"""Figures of a classifier, against scikit-learn's on random cases and against counts by hand."""

import json

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray
from sklearn import metrics as reference

from bloodcell.measures.metrics import classification_figures, confusion_matrix
from bloodcell.measures.statistics import wilson_interval


def random_case(seed: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Labels (N,) and probabilities (N, K); with few images some classes have none."""
    generator = np.random.default_rng(seed)
    class_count, n = int(generator.integers(2, 9)), int(generator.integers(1, 60))
    return generator.integers(0, class_count, n), generator.dirichlet(np.ones(class_count), n)


@pytest.mark.parametrize("seed", range(20))
def test_all_figures_are_those_of_scikit_learn(seed: int) -> None:
    labels, probabilities = random_case(seed)
    predictions, classes = probabilities.argmax(axis=1), range(probabilities.shape[1])
    figures = classification_figures(labels, probabilities)
    precision, recall, f1, support = reference.precision_recall_fscore_support(
        labels, predictions, labels=classes, zero_division=0
    )
    assert figures.accuracy == pytest.approx(reference.accuracy_score(labels, predictions), abs=1e-9)
    assert figures.macro_f1 == pytest.approx(
        reference.f1_score(labels, predictions, labels=np.unique(labels), average="macro", zero_division=0), abs=1e-9
    )
    assert [entry.precision for entry in figures.per_class] == pytest.approx(precision, abs=1e-9)
    assert [entry.recall for entry in figures.per_class] == pytest.approx(recall, abs=1e-9)
    assert [entry.f1 for entry in figures.per_class] == pytest.approx(f1, abs=1e-9)
    assert [entry.support for entry in figures.per_class] == list(support)
    assert np.array_equal(
        figures.confusion_matrix, reference.confusion_matrix(labels, predictions, labels=list(classes))
    )


def test_rows_of_the_confusion_matrix_are_the_truth() -> None:
    assert confusion_matrix([0, 0, 2], [1, 1, 0], 3).tolist() == [[0, 2, 0], [0, 0, 0], [1, 0, 0]]


def test_macro_f1_counts_the_classes_that_occur() -> None:
    figures = classification_figures([0, 0, 1], [[0.9, 0.1, 0.0], [0.1, 0.2, 0.7], [0.2, 0.8, 0.0]])
    assert [entry.occurs for entry in figures.per_class] == [True, True, False]
    assert [entry.f1 for entry in figures.per_class] == pytest.approx([2 / 3, 1, 0])
    assert figures.macro_f1 == pytest.approx(5 / 6)


def test_equal_probabilities_go_to_the_lower_index() -> None:
    assert classification_figures([1], [[0.2, 0.4, 0.4]]).correct == 1


def test_the_accuracy_comes_with_its_count_and_wilson_interval() -> None:
    figures = classification_figures([0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    assert (figures.n, figures.correct) == (3, 2)
    assert figures.accuracy_interval == wilson_interval(2, 3)


def test_row_shares_sum_to_one_and_are_zero_for_a_class_without_images() -> None:
    figures = classification_figures([0, 0, 1], [[0.9, 0.1, 0.0], [0.1, 0.9, 0.0], [0.1, 0.9, 0.0]])
    assert figures.row_shares.tolist() == [[0.5, 0.5, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]


def test_the_dictionary_survives_json() -> None:
    written = classification_figures(*random_case(3)).to_dict()
    assert json.loads(json.dumps(written)) == written


def test_the_confusion_matrix_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValueError, match="read-only"):
        classification_figures([0], [[0.9, 0.1]]).confusion_matrix[0, 0] = 5


@pytest.mark.parametrize(
    ("labels", "probabilities", "named"),
    [
        ([], np.zeros((0, 2)), "probabilities"),
        ([0], [0.5, 0.5], "probabilities"),
        ([0], [[float("nan"), 0.5]], "probabilities"),
        ([0], [[float("inf"), 0.5]], "probabilities"),
        ([], [[0.5, 0.5]], "labels"),
        ([[0]], [[0.5, 0.5]], "labels"),
        ([0, 1], [[0.5, 0.5]], "labels"),
        ([2], [[0.5, 0.5]], "labels"),
        ([-1], [[0.5, 0.5]], "labels"),
        ([0.0], [[0.5, 0.5]], "labels"),
    ],
)
def test_nonsense_is_refused_by_the_name_of_the_argument(
    labels: ArrayLike, probabilities: ArrayLike, named: str
) -> None:
    with pytest.raises(ValueError, match=f"^{named} "):
        classification_figures(labels, probabilities)


@pytest.mark.parametrize(
    ("labels", "predictions", "class_count", "named"),
    [
        ([0], [0], 0, "class_count"),
        ([0], [3], 3, "predictions"),
        ([0], [0, 1], 3, "predictions"),
        ([3], [0], 3, "labels"),
    ],
)
def test_a_confusion_matrix_refuses_nonsense_by_the_name_of_the_argument(
    labels: ArrayLike, predictions: ArrayLike, class_count: int, named: str
) -> None:
    with pytest.raises(ValueError, match=f"^{named} "):
        confusion_matrix(labels, predictions, class_count)
