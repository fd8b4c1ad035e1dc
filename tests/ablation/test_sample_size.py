from math import sqrt

import pytest
from statsmodels.stats.power import NormalIndPower, TTestIndPower

from bloodcell.ablation.sample_size import NO_SPREAD, SampleSize, Spread, sample_size, standard_error

NO_IMAGES = Spread(variance=0.0, degrees=639)


@pytest.mark.parametrize("effect", [0.8, 1.2, 2.0])
def test_seeds_alone_need_what_the_power_of_a_t_test_says(effect: float) -> None:
    spread = Spread(variance=1.0, degrees=4)
    found = sample_size(effect, seeds=(spread, spread), counts=(3, 3), images=NO_IMAGES, n=640, level=0.05)
    reference = TTestIndPower().solve_power(effect_size=effect, alpha=0.05, power=0.8)
    assert found is not None
    assert found.seeds == pytest.approx(reference, abs=1.5)


def test_images_alone_need_what_the_power_of_a_normal_test_says() -> None:
    images = Spread(variance=0.03, degrees=639)
    found = sample_size(0.01, seeds=(NO_SPREAD, NO_SPREAD), counts=(1, 1), images=images, n=640, level=0.05)
    # One sample of differences is as many as each of two samples of half the variance.
    reference = NormalIndPower().solve_power(effect_size=0.01 / sqrt(0.03 / 2), alpha=0.05, power=0.8)
    assert found is not None
    assert found.images == pytest.approx(reference, rel=0.05)


def test_a_difference_of_zero_is_never_found() -> None:
    assert sample_size(0, seeds=(), counts=(), images=NO_IMAGES, n=640, level=0.05) is None


def test_where_seeds_hide_a_difference_no_number_of_images_finds_it() -> None:
    wide = Spread(variance=1.0, degrees=4)
    found = sample_size(
        0.1, seeds=(wide, wide), counts=(3, 3), images=Spread(variance=1, degrees=99), n=100, level=0.05
    )
    assert found is not None
    assert found.images is None


def test_where_neither_is_enough_both_are_asked_for() -> None:
    assert SampleSize(seeds=None, images=None).sentence == "more seeds and more images together"
    assert SampleSize(seeds=9, images=1200).sentence == "about 9 seeds per arm or about 1,200 images"


def test_the_standard_error_adds_seeds_and_images() -> None:
    spread = Spread(variance=3.0, degrees=2)
    error, _ = standard_error(seeds=(spread, spread), counts=(3, 3), images=Spread(variance=8.0, degrees=7), n=4)
    assert error == pytest.approx(2.0)


def test_the_degrees_of_freedom_are_those_of_the_seeds_alone() -> None:
    own, pool = Spread(variance=9.0, degrees=2), Spread(variance=3.0, degrees=12)
    images = Spread(variance=0.1, degrees=639)
    assert standard_error(seeds=(pool, pool), counts=(3, 3), images=images, n=640)[1] == 12
    mixed = standard_error(seeds=(own, pool), counts=(3, 3), images=images, n=640)[1]
    assert mixed == pytest.approx(4**2 / (3**2 / 2 + 1 / 12))
    assert standard_error(seeds=(NO_SPREAD, NO_SPREAD), counts=(1, 1), images=images, n=640)[1] == 639
