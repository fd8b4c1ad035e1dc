import pytest

from bloodcell.cell_classes import CLASS_KEYS
from bloodcell.measures.class_mix import NORMAL_ADULT_BLOOD, predictive_values


def test_in_equal_shares_it_is_the_precision() -> None:
    first, second = predictive_values([[90, 10], [20, 80]], [1, 1])
    assert first.value == pytest.approx(90 / 110)
    assert second.value == pytest.approx(80 / 90)


def test_a_rare_class_is_wrong_more_often_where_a_common_one_is_taken_for_it() -> None:
    # 1 % of 60 parts are taken for 0.3 parts of which 97 % are found.
    _, rare = predictive_values([[99, 1], [3, 97]], [60, 0.3])
    assert rare.value == pytest.approx(0.3 * 0.97 / (0.3 * 0.97 + 60 * 0.01))
    assert rare.low < rare.value < rare.high


def test_few_cells_give_a_wide_interval_even_without_a_mistake() -> None:
    few, many = (predictive_values([[n, 0], [0, n]], [60, 0.3])[1] for n in (20, 20_000))
    assert few.value == many.value == 1
    assert few.low < 0.6 < many.low


def test_a_class_that_is_never_answered_has_no_value() -> None:
    assert predictive_values([[10, 0], [10, 0]], [1, 1])[1].value is None


@pytest.mark.parametrize("shares", [[1], [0, 0], [-1, 2], [float("nan"), 1]])
def test_shares_that_are_no_mix_are_refused(shares: list[float]) -> None:
    with pytest.raises(ValueError, match="shares"):
        predictive_values([[1, 0], [0, 1]], shares)


def test_normal_blood_names_every_class_and_adds_up() -> None:
    assert tuple(NORMAL_ADULT_BLOOD) == CLASS_KEYS
    assert sum(NORMAL_ADULT_BLOOD.values()) == pytest.approx(100)
