import numpy as np
import pytest

from bloodcell.measures.calibration import fit_temperature, probabilities_of, review_threshold
from bloodcell.measures.validation_figures import REVIEW_SHARE, measure_validation


def _seeds() -> tuple[list[np.ndarray], np.ndarray]:
    labels = np.arange(160) % 8
    chance = np.random.default_rng(0)
    return [3 * chance.normal(size=(160, 8)) + 3 * (2 + seed) * np.eye(8)[labels] for seed in range(3)], labels


def test_other_seeds_share_in_temperature_and_threshold_alone() -> None:
    logits, labels = _seeds()
    alone, _ = measure_validation(logits[0], labels)
    pooled, probabilities = measure_validation(logits[0], labels, of_other_seeds=logits[1:])
    together = np.concatenate(logits)
    assert pooled["temperature"] == fit_temperature(together, np.concatenate([labels] * 3))
    assert pooled["temperature"] != pytest.approx(alone["temperature"], abs=1e-3)
    spread = probabilities_of(together, pooled["temperature"])
    assert pooled["review_threshold"] == review_threshold(spread, REVIEW_SHARE)
    assert pooled["metrics"]["validation"]["correct"] == alone["metrics"]["validation"]["correct"]
    np.testing.assert_allclose(probabilities, probabilities_of(logits[0], pooled["temperature"]))
