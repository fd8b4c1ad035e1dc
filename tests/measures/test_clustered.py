"""An interval over slides or patients counts what images of one group have in common."""

import numpy as np
import pytest

from bloodcell.measures.clustered import clustered_interval
from bloodcell.measures.statistics import wilson_interval


def test_it_holds_the_true_share_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    held = []
    for _ in range(1000):
        of_group = random.beta(8, 2, size=20)
        groups = np.repeat(np.arange(20), 15)
        low, high = clustered_interval(random.uniform(size=300) < of_group[groups], groups)
        held.append(low <= 0.8 <= high)
    assert 0.92 <= np.mean(held) <= 0.985


def test_it_is_wider_than_the_one_over_images_where_groups_differ() -> None:
    is_right = np.repeat([True, True, True, False], 25)
    low, high = clustered_interval(is_right, np.repeat(np.arange(4), 25))
    assert low < wilson_interval(75, 100)[0]
    assert high > wilson_interval(75, 100)[1]


def test_with_one_image_in_each_of_many_groups_it_is_that_over_images() -> None:
    is_right = np.arange(2000) % 5 != 0
    found = clustered_interval(is_right, np.arange(2000))
    assert found == pytest.approx(wilson_interval(1600, 2000), abs=5e-4)


@pytest.mark.parametrize("share", [0, 1])
def test_where_all_are_alike_each_group_counts_once(share: int) -> None:
    low, high = clustered_interval(np.full(100, bool(share)), np.repeat(np.arange(5), 20))
    assert (low, high)[share] == share
    assert high - low > wilson_interval(0, 20)[1]


def test_a_single_group_has_no_interval() -> None:
    with pytest.raises(ValueError, match="at least two"):
        clustered_interval(np.ones(5, dtype=bool), np.zeros(5, dtype=np.int64))
