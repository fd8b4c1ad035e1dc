import numpy as np
import pytest

from bloodcell.measures.review_rule import caught_by_review
from bloodcell.measures.statistics import wilson_interval


def test_the_least_sure_are_looked_at_again() -> None:
    sureness = [0.9, 0.2, 0.8, 0.3, 0.95, 0.4, 0.99, 0.7, 0.6, 0.5]
    is_right = [True, False, True, True, False, False, True, True, True, True]
    found = caught_by_review(sureness, is_right, shares=[0.1, 0.3, 1.0])
    assert [(part.reviewed, part.errors, part.caught) for part in found] == [(1, 3, 1), (3, 3, 2), (10, 3, 3)]
    assert found[1].caught_share_interval == wilson_interval(2, 3)


def test_of_equally_sure_answers_the_right_ones_are_looked_at_first() -> None:
    (found,) = caught_by_review([0.5] * 10, [False] * 5 + [True] * 5, shares=[0.5])
    assert found.caught == 0


def test_without_errors_there_is_no_share() -> None:
    (found,) = caught_by_review([0.5, 0.6], [True, True], shares=[0.5])
    assert found.caught_share_interval is None
    assert found.to_dict()["caught_share_interval"] is None


def test_a_random_order_catches_the_share_that_is_looked_at() -> None:
    chance = np.random.default_rng(0)
    (found,) = caught_by_review(chance.random(100_000), chance.random(100_000) > 0.1, shares=[0.3])
    assert found.caught / found.errors == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize(
    ("sureness", "is_right", "shares"), [([], [], [0.1]), ([0.5], [True, False], [0.1]), ([0.5], [True], [1.1])]
)
def test_what_cannot_be_counted_is_refused(sureness: list[float], is_right: list[bool], shares: list[float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        caught_by_review(sureness, is_right, shares)
