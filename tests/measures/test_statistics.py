"""Intervals for shares, against scipy's."""

import pytest
from scipy.stats import binomtest

from bloodcell.measures.statistics import wilson_interval


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.999])
@pytest.mark.parametrize(
    ("successes", "total"), [(0, 1), (1, 1), (0, 640), (7, 31), (632, 640), (640, 640), (5, 10**6)]
)
def test_the_interval_is_the_one_scipy_gives(successes: int, total: int, confidence: float) -> None:
    reference = binomtest(successes, total).proportion_ci(confidence_level=confidence, method="wilson")
    assert wilson_interval(successes, total, confidence) == pytest.approx((reference.low, reference.high), abs=1e-9)


def test_632_of_640_right_has_the_interval_that_the_paper_summary_names() -> None:
    low, high = wilson_interval(632, 640)
    assert (round(100 * low, 1), round(100 * high, 1)) == (97.6, 99.4)


def test_bounds_are_exact_where_all_or_none_succeed() -> None:
    assert wilson_interval(0, 3)[0] == 0.0
    assert wilson_interval(3, 3)[1] == 1.0


@pytest.mark.parametrize(
    ("successes", "total", "confidence", "named"),
    [
        (0, 0, 0.95, "total"),
        (0, -4, 0.95, "total"),
        (-1, 4, 0.95, "successes"),
        (5, 4, 0.95, "successes"),
        (1, 4, 0.0, "confidence"),
        (1, 4, 1.0, "confidence"),
        (1, 4, float("nan"), "confidence"),
    ],
)
def test_nonsense_is_refused_by_the_name_of_the_argument(
    successes: int, total: int, confidence: float, named: str
) -> None:
    with pytest.raises(ValueError, match=f"^{named} "):
        wilson_interval(successes, total, confidence)
