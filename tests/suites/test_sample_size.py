from math import sqrt

import pytest
from statsmodels.stats.power import NormalIndPower, TTestIndPower

from bloodcell.suites.sample_size import SampleSize, sample_size, smallest_difference, standard_error
from bloodcell.suites.seed_spread import NO_SPREAD, SeedSpread, Spread

NO_SEEDS = SeedSpread(own=NO_SPREAD)


def own(variance: float, degrees: float = 4) -> SeedSpread:
    """Return the spread of an arm that keeps its own, because it moves more than the others."""
    return SeedSpread(own=Spread(variance=variance, degrees=degrees))


@pytest.mark.parametrize("effect", [0.8, 1.2, 2.0])
def test_seeds_alone_need_what_the_power_of_a_t_test_says(effect: float) -> None:
    found = sample_size(effect, seeds=(own(1.0), own(1.0)), counts=(3, 3), image_variance=0, n=640, level=0.05)
    reference = TTestIndPower().solve_power(effect_size=effect, alpha=0.05, power=0.8)
    assert found is not None
    # Welch's degrees of two own spreads are those of each with as many seeds again.
    assert found.seeds == pytest.approx(reference, abs=2)


def test_images_alone_need_what_the_power_of_a_normal_test_says() -> None:
    found = sample_size(0.01, seeds=(NO_SEEDS, NO_SEEDS), counts=(1, 1), image_variance=0.03, n=640, level=0.05)
    # One sample of differences is as many as each of two samples of half the variance.
    reference = NormalIndPower().solve_power(effect_size=0.01 / sqrt(0.03 / 2), alpha=0.05, power=0.8)
    assert found is not None
    assert found.images == pytest.approx(reference, rel=0.05)


def test_a_difference_of_zero_is_never_found() -> None:
    assert sample_size(0, seeds=(), counts=(), image_variance=0, n=640, level=0.05) is None


def test_where_seeds_hide_a_difference_no_number_of_images_finds_it() -> None:
    found = sample_size(0.1, seeds=(own(1.0), own(1.0)), counts=(3, 3), image_variance=1, n=100, level=0.05)
    assert found is not None
    assert found.images is None


def test_the_chance_of_the_images_in_a_run_goes_down_with_more_images() -> None:
    # All that moves between these seeds is what 100 images add: nothing is left of it on ten thousand times as many.
    chance = SeedSpread(own=Spread(variance=0.001, degrees=4), residual=0.1, n=100)
    found = sample_size(0.01, seeds=(chance, chance), counts=(3, 3), image_variance=0, n=100, level=0.05)
    assert found is not None
    assert found.images is not None
    assert found.images < 10_000


def test_where_neither_is_enough_both_are_asked_for() -> None:
    assert SampleSize(seeds=None, images=None).sentence == "more seeds and more images together"
    assert SampleSize(seeds=9, images=1200).sentence == "about 9 seeds per arm or about 1,200 images"


def test_the_standard_error_adds_seeds_and_images() -> None:
    spread = Spread(variance=3.0, degrees=2)
    error, _ = standard_error(seeds=(spread, spread), counts=(3, 3), image_variance=8.0, n=4)
    assert error == pytest.approx(2.0)


def test_the_degrees_of_freedom_are_those_of_the_seeds_alone() -> None:
    one, shared = Spread(variance=9.0, degrees=2), Spread(variance=3.0, degrees=12)
    assert standard_error(seeds=(shared, shared), counts=(3, 3), image_variance=0.1, n=640)[1] == 12
    mixed = standard_error(seeds=(one, shared), counts=(3, 3), image_variance=0.1, n=640)[1]
    assert mixed == pytest.approx(4**2 / (3**2 / 2 + 1 / 12))
    assert standard_error(seeds=(NO_SPREAD, NO_SPREAD), counts=(1, 1), image_variance=0.1, n=640)[1] == 639


def test_the_smallest_difference_shrinks_with_seeds_and_with_images() -> None:
    shared = SeedSpread(own=NO_SPREAD, shared=Spread(variance=0.01**2, degrees=12))

    def smallest(count: int, n: int) -> float:
        return smallest_difference(seeds=(shared, shared), counts=(count, count), image_variance=0.03, n=n, level=0.01)

    assert smallest(3, 1000) > smallest(5, 1000) > smallest(5, 5400) > 0
