import pytest

from bloodcell.suites.arm_sample import ArmSample
from bloodcell.suites.seed_spread import NO_SPREAD, SeedSpread, Spread, caution, seed_spread, shared_spread


def arm(name: str, *right: int, n: int = 1000) -> ArmSample:
    return ArmSample(name=name, right=right, n=n)


def test_arms_share_their_spread_on_the_scale_of_the_logit() -> None:
    # The new record's U-Net and simple CNN: 0.4 and 2.7 points, and nearly the same movement of the logit.
    good, poor = arm("unet", 980, 975, 972), arm("simple", 792, 759, 812)
    shared = shared_spread([good, poor])
    assert seed_spread(good, shared).shared.variance ** 0.5 == pytest.approx(0.0040, abs=0.0005)
    assert seed_spread(poor, shared).shared.variance ** 0.5 == pytest.approx(0.027, abs=0.003)


def test_an_arm_that_is_far_less_steady_than_all_others_leaves_the_shared_spread() -> None:
    steady = [arm(f"arm {index}", 920 + index, 924, 915) for index in range(5)]
    with_unsteady = shared_spread([*steady, arm("unsteady", 930, 700, 905)])
    assert with_unsteady.degrees == 10
    assert with_unsteady.variance == pytest.approx(shared_spread(steady).variance)


def test_single_runs_share_nothing() -> None:
    assert shared_spread([arm("one", 900), arm("two", 910)]) == NO_SPREAD


def test_an_arm_that_moves_more_than_the_others_keeps_its_own_spread() -> None:
    shared = Spread(variance=1.0, degrees=12)
    calm = SeedSpread(own=Spread(variance=1.9, degrees=2), shared=shared)
    wild = SeedSpread(own=Spread(variance=2.1, degrees=2), shared=shared)
    assert calm.used(3) == Spread(variance=2.0, degrees=12)
    assert wild.used(3) == Spread(variance=2.1, degrees=2)


def test_caution_falls_with_the_number_of_seeds() -> None:
    assert [caution(degrees) for degrees in (1, 2, 4)] == [5, 2, 1.25]
