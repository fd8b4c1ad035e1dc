import numpy as np
import pytest
from scipy.special import log_softmax

from bloodcell.measures.calibration import fit_temperature, probabilities_of, review_threshold


def drawn_logits(seed: int, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose softmax at a temperature is exactly the chance of each label."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(scale=3, size=(20_000, 8))
    chances = probabilities_of(logits, temperature)
    labels = (chances.cumsum(axis=1) < generator.random((20_000, 1))).sum(axis=1)
    return logits, labels


@pytest.mark.parametrize("temperature", [0.3, 0.6, 1.0, 2.0])
def test_the_temperature_that_drew_the_labels_is_found(temperature: float) -> None:
    assert fit_temperature(*drawn_logits(0, temperature)) == pytest.approx(temperature, rel=0.05)


def test_no_other_temperature_has_a_lower_cross_entropy() -> None:
    logits, labels = drawn_logits(1, 1.5)

    def loss(temperature: float) -> float:
        return -log_softmax(logits / temperature, axis=1)[np.arange(len(labels)), labels].mean()

    best = fit_temperature(logits, labels)
    assert loss(best) <= min(loss(best * 0.97), loss(best * 1.03))


def test_a_temperature_changes_no_answer() -> None:
    logits, _ = drawn_logits(2, 1.0)
    assert np.array_equal(probabilities_of(logits, 0.3).argmax(1), probabilities_of(logits, 3.0).argmax(1))


def test_answers_that_are_all_right_do_not_make_later_ones_certain() -> None:
    assert 0.5 <= fit_temperature(np.eye(8) * 5, np.arange(8)) <= 0.51


def test_an_answer_that_is_wrong_as_likely_as_not_is_never_sure() -> None:
    assert review_threshold(np.full((50, 8), 1 / 8), 0.05) == 0.5


def test_the_wanted_share_of_answers_lies_below_the_threshold() -> None:
    probabilities = probabilities_of(drawn_logits(3, 1.0)[0], 0.3)
    threshold = review_threshold(probabilities, 0.05)
    assert (probabilities.max(axis=1) < threshold).mean() == pytest.approx(0.05, abs=0.001)
