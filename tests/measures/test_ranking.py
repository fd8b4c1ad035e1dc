import numpy as np
import pytest
from sklearn import metrics

from bloodcell.measures.ranking import precision_recall_curve, roc_curve

CASES = [(seed, n, decimals) for seed in range(6) for n, decimals in ((2, 1), (17, 1), (200, 2), (640, 6))]


def _random_case(seed: int, n: int, decimals: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores with few decimals tie often."""
    chance = np.random.default_rng(seed)
    truth = chance.random(n) < 0.3
    truth[:2] = True, False
    return truth, np.round(0.3 * truth + 0.7 * chance.random(n), decimals)


@pytest.mark.parametrize(("seed", "n", "decimals"), CASES)
def test_the_roc_curve_and_its_area_are_scikit_learns(seed: int, n: int, decimals: int) -> None:
    truth, scores = _random_case(seed, n, decimals)
    curve = roc_curve(truth, scores)
    false, found, _ = metrics.roc_curve(truth, scores, drop_intermediate=False)
    assert curve is not None
    np.testing.assert_allclose(curve.false_positive_rate, false, atol=1e-9, rtol=0)
    np.testing.assert_allclose(curve.true_positive_rate, found, atol=1e-9, rtol=0)
    assert curve.area == pytest.approx(metrics.roc_auc_score(truth, scores), abs=1e-9)


@pytest.mark.parametrize(("seed", "n", "decimals"), CASES)
def test_the_precision_recall_curve_and_its_average_are_scikit_learns(seed: int, n: int, decimals: int) -> None:
    truth, scores = _random_case(seed, n, decimals)
    curve = precision_recall_curve(truth, scores)
    precision, recall, _ = metrics.precision_recall_curve(truth, scores)
    assert curve is not None
    np.testing.assert_allclose(curve.precision, precision[::-1], atol=1e-9, rtol=0)
    np.testing.assert_allclose(curve.recall, recall[::-1], atol=1e-9, rtol=0)
    assert curve.average_precision == pytest.approx(metrics.average_precision_score(truth, scores), abs=1e-9)


def test_a_class_without_images_has_no_curves() -> None:
    assert roc_curve([False, False], [0.1, 0.9]) is None
    assert precision_recall_curve([False, False], [0.1, 0.9]) is None


def test_a_class_of_all_images_has_no_roc_curve_and_is_found_at_full_precision() -> None:
    assert roc_curve([True, True], [0.1, 0.9]) is None
    curve = precision_recall_curve([True, True], [0.1, 0.9])
    assert curve is not None
    assert curve.average_precision == 1


@pytest.mark.parametrize("scores", [[], [0.5], [0.5, float("nan")], [[0.5, 0.5]]])
def test_scores_that_cannot_be_ranked_are_refused(scores: list[float]) -> None:
    with pytest.raises(ValueError, match="scores"):
        roc_curve([True, False], scores)
