"""Accuracy over seeds and images together, against the variance of simulated experiments."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit

from bloodcell.measures.crossed import crossed_accuracy
from bloodcell.measures.statistics import wilson_interval


def experiments(
    count: int, *, seeds: int = 3, images: int = 400, seed_sd: float = 0.4, image_sd: float = 3.0
) -> tuple[list[NDArray[np.bool_]], float]:
    """Experiments whose seeds, images and answers are drawn anew, and the accuracy that they estimate."""
    chance = np.random.default_rng(0)

    def drawn(seeds: int, images: int) -> NDArray[np.float64]:
        of_seed, of_image = chance.normal(0, seed_sd, seeds), chance.normal(0, image_sd, images)
        return np.asarray(expit(5 + of_seed[:, None] + of_image[None, :]))

    truth = float(drawn(2000, 2000).mean())
    return [chance.random((seeds, images)) < drawn(seeds, images) for _ in range(count)], truth


def test_the_variance_is_that_of_experiments_with_other_seeds_and_other_images() -> None:
    found, _ = experiments(600)
    measured = [crossed_accuracy(right) for right in found]
    assert np.mean([one.variance for one in measured]) == pytest.approx(
        np.var([one.mean for one in measured]), rel=0.15
    )


@pytest.mark.parametrize(("seeds", "seed_sd"), [(3, 0.0), (3, 0.4), (5, 0.2)])
def test_the_interval_holds_the_true_accuracy_in_at_least_93_of_100_experiments(seeds: int, seed_sd: float) -> None:
    found, truth = experiments(600, seeds=seeds, seed_sd=seed_sd)
    held = np.mean([low <= truth <= high for low, high in (crossed_accuracy(right).interval for right in found)])
    assert held >= 0.93


def test_seeds_that_give_the_same_answers_leave_the_images_uncertainty() -> None:
    right = np.ones((3, 500), dtype=bool)
    right[:, :10] = False
    low, high = crossed_accuracy(right).interval
    wilson_low, wilson_high = wilson_interval(490, 500)
    assert low == pytest.approx(wilson_low, abs=2e-3)
    assert high == pytest.approx(wilson_high, abs=2e-3)


def test_where_every_answer_is_right_the_images_alone_bound_the_accuracy() -> None:
    assert crossed_accuracy(np.ones((3, 500), dtype=bool)).interval == wilson_interval(500, 500)


def test_the_rest_is_counted_once() -> None:
    chance = np.random.default_rng(1)
    found = [crossed_accuracy(chance.random((4, 1000)) < 0.7).variance for _ in range(50)]
    # Counted with the seeds and again with the images it would be twice as much.
    assert 0.95 <= np.mean(found) / (0.7 * 0.3 / 4000) <= 1.5


@pytest.mark.parametrize("shape", [(1, 5), (5, 1), (5,)])
def test_one_run_or_one_image_says_nothing_about_others(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="both at least 2"):
        crossed_accuracy(np.ones(shape, dtype=bool))
