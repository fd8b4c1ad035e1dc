from pathlib import Path

import pytest

from bloodcell.suites.suite import build_suite
from bloodcell.suites.suite_estimate import suite_seconds
from bloodcell.training.estimate import TrainingSpeed

SPEED = TrainingSpeed(seconds_per_step=0.0, seconds_per_pixel=1e-6, rests_on="a test")


def seconds(name: str, images: int = 3200, **changes: object) -> float:
    return suite_seconds(build_suite(name, data_folder=Path("data"), **changes), images, SPEED)  # type: ignore[arg-type]


def test_twice_the_seeds_take_twice_the_time() -> None:
    assert seconds("quick", seeds=(0, 1)) == pytest.approx(2 * seconds("quick", seeds=(0,)))


def test_an_arm_with_fewer_multiply_adds_takes_less_time() -> None:
    alone = seconds("quick", arms=["unet_encoder"])
    with_full = seconds("quick", arms=["no_dropout"]) - alone
    with_half = seconds("quick", arms=["half_width"]) - alone
    assert with_full == pytest.approx(alone)
    assert 0.2 * with_full < with_half < 0.35 * with_full


def test_a_suite_of_few_images_takes_no_longer_on_a_large_dataset() -> None:
    assert seconds("smoke", images=400) == seconds("smoke", images=100_000)
