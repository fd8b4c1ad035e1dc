import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from bloodcell.measures.reliability import brier_score, calibration_error_interval, reliability


def _answers(seed: int, n: int = 500) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    probabilities = chance.dirichlet(np.full(8, 0.3), n)
    return np.where(chance.random(n) < 0.7, probabilities.argmax(1), chance.integers(0, 8, n)), probabilities


@pytest.mark.parametrize("seed", range(5))
def test_the_bins_are_scikit_learns(seed: int) -> None:
    labels, probabilities = _answers(seed)
    bins = reliability(labels, probabilities, bin_count=10).bins
    is_right = probabilities.argmax(1) == labels
    right, confidence = calibration_curve(is_right, probabilities.max(1), n_bins=10)
    np.testing.assert_allclose([part.accuracy for part in bins], right, atol=1e-9, rtol=0)
    np.testing.assert_allclose([part.confidence for part in bins], confidence, atol=1e-9, rtol=0)


def test_the_error_is_the_mean_distance_weighted_by_answers() -> None:
    labels = [0, 0, 0, 1]
    probabilities = [[0.95, 0.05], [0.95, 0.05], [0.65, 0.35], [0.65, 0.35]]
    measured = reliability(labels, probabilities)
    assert [(part.n, part.accuracy) for part in measured.bins] == [(2, 0.5), (2, 1.0)]
    assert measured.expected_calibration_error == pytest.approx((2 * 0.15 + 2 * 0.05) / 4)


def test_every_answer_is_in_one_bin_also_at_the_edges() -> None:
    probabilities = np.array([[1.0, 0.0], [0.9, 0.1], [0.5, 0.5], [0.7, 0.3]])
    bins = reliability([0, 0, 0, 0], probabilities).bins
    assert sum(part.n for part in bins) == 4
    assert all(part.low < part.confidence <= part.high for part in bins)


@pytest.mark.parametrize(("labels", "probabilities"), [([], []), ([0], [[0.5, 0.5], [0.5, 0.5]]), ([0], [0.5])])
def test_shapes_that_do_not_fit_are_refused(labels: list[int], probabilities: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="labels and probabilities"):
        reliability(labels, probabilities)


@pytest.mark.parametrize("seed", range(5))
def test_the_brier_score_is_scikit_learns(seed: int) -> None:
    labels, probabilities = _answers(seed)
    wanted = brier_score_loss(labels, probabilities, labels=range(8), scale_by_half=False)
    assert brier_score(labels, probabilities) == pytest.approx(wanted, abs=1e-12)


def test_a_brier_score_needs_a_row_per_label() -> None:
    with pytest.raises(ValueError, match=r"\(N, K\)"):
        brier_score([0, 1], [[1.0, 0.0]])


def test_the_interval_of_the_calibration_error_holds_it_and_narrows_with_images() -> None:
    widths = []
    for n in (200, 3200):
        labels, probabilities = _answers(0, n)
        low, high = calibration_error_interval(labels, probabilities, resamples=200)
        assert low < reliability(labels, probabilities).expected_calibration_error < high
        widths.append(high - low)
    assert widths[1] < widths[0] / 2


def test_the_interval_is_the_same_every_time() -> None:
    labels, probabilities = _answers(1, 100)
    first, second = (calibration_error_interval(labels, probabilities, resamples=50) for _ in range(2))
    assert first == second
