import numpy as np
import pytest
from scipy.stats import binom

from bloodcell.measures.paired import paired_answers


@pytest.mark.parametrize("seed", range(5))
def test_the_p_value_is_twice_the_binomial_tail(seed: int) -> None:
    chance = np.random.default_rng(seed)
    first, second = chance.random(300) < 0.95, chance.random(300) < 0.92
    counts = paired_answers(first, second)
    one_sided = counts.only_first + counts.only_second
    tail = binom.cdf(min(counts.only_first, counts.only_second), one_sided, 0.5)
    assert counts.p_value == pytest.approx(min(1.0, 2 * tail), abs=1e-9)


def test_every_image_is_counted_once() -> None:
    counts = paired_answers([True, True, False, False, False], [True, False, True, False, False])
    assert (counts.both_right, counts.only_first, counts.only_second, counts.both_wrong) == (1, 1, 1, 2)


def test_three_images_of_difference_are_no_difference() -> None:
    assert paired_answers([True] * 3, [False] * 3).p_value == pytest.approx(0.25)


def test_six_one_sided_images_are_the_fewest_that_tell() -> None:
    assert paired_answers([True] * 5, [False] * 5).p_value > 0.05
    assert paired_answers([True] * 6, [False] * 6).p_value < 0.05


def test_equal_runs_differ_in_nothing() -> None:
    assert paired_answers([True, False], [True, False]).p_value == 1


def test_runs_on_different_numbers_of_images_are_refused() -> None:
    with pytest.raises(ValueError, match="both"):
        paired_answers([True], [True, False])
