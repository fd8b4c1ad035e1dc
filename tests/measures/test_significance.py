"""Every figure against scipy or statsmodels on random cases."""

import numpy as np
import pytest
import scipy.stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from bloodcell.measures.significance import (
    highest_by_guessing,
    holm_adjusted,
    mcnemar_p_value,
    seed_figures,
    student_p_value,
    student_quantile,
    welch_degrees_of_freedom,
)
from bloodcell.measures.statistics import wilson_interval

CASES = range(50)
EXACT = {"rel": 1e-9, "abs": 1e-9}


@pytest.mark.parametrize("case", CASES)
def test_the_interval_over_seeds_is_that_of_statsmodels(case: int) -> None:
    random = np.random.default_rng(case)
    values = random.normal(0.9, 0.02, random.integers(2, 9)).tolist()
    figures, reference = seed_figures(values), DescrStatsW(values)
    assert figures.mean == pytest.approx(reference.mean, **EXACT)
    assert figures.standard_deviation == pytest.approx(np.std(values, ddof=1), **EXACT)
    assert figures.interval == pytest.approx(reference.tconfint_mean(), **EXACT)


@pytest.mark.parametrize("case", CASES)
def test_welchs_degrees_of_freedom_are_those_of_statsmodels(case: int) -> None:
    random = np.random.default_rng(case)
    one, other = (random.normal(0, random.uniform(0.1, 3), random.integers(2, 9)) for _ in range(2))
    ours = welch_degrees_of_freedom(
        [one.var(ddof=1) / len(one), other.var(ddof=1) / len(other)], [len(one) - 1, len(other) - 1]
    )
    assert ours == pytest.approx(CompareMeans(DescrStatsW(one), DescrStatsW(other)).dof_satt(), **EXACT)


@pytest.mark.parametrize("case", CASES)
def test_the_p_value_of_students_t_is_that_of_scipy(case: int) -> None:
    random = np.random.default_rng(case)
    values = random.normal(0.3, 1, random.integers(2, 9))
    reference = scipy.stats.ttest_1samp(values, 0)
    assert student_p_value(float(reference.statistic), len(values) - 1) == pytest.approx(reference.pvalue, **EXACT)


@pytest.mark.parametrize("case", CASES)
def test_holms_correction_is_that_of_statsmodels(case: int) -> None:
    random = np.random.default_rng(case)
    values = (random.random(random.integers(1, 9)) ** 3).tolist()
    assert holm_adjusted(values) == pytest.approx(multipletests(values, method="holm")[1], **EXACT)


@pytest.mark.parametrize("case", CASES)
def test_mcnemars_test_is_that_of_statsmodels(case: int) -> None:
    first, second = (int(count) for count in np.random.default_rng(case).integers(0, 20, 2))
    reference = mcnemar([[0, first], [second, 0]], exact=True).pvalue
    assert mcnemar_p_value(first, second) == pytest.approx(reference, **EXACT)


@pytest.mark.parametrize("case", CASES)
def test_wilsons_interval_is_that_of_statsmodels(case: int) -> None:
    random = np.random.default_rng(case)
    total = int(random.integers(1, 2000))
    right = int(random.integers(0, total + 1))
    assert wilson_interval(right, total) == pytest.approx(proportion_confint(right, total, method="wilson"), **EXACT)


def test_a_single_run_has_no_spread() -> None:
    figures = seed_figures([0.9])
    assert (figures.mean, figures.standard_deviation, figures.interval) == (0.9, None, None)


def test_no_run_has_no_figures() -> None:
    with pytest.raises(ValueError, match="at least one"):
        seed_figures([])


def test_no_tests_need_no_correction() -> None:
    assert holm_adjusted([]) == []


def test_runs_that_never_differ_cannot_be_told_apart() -> None:
    assert mcnemar_p_value(0, 0) == 1.0


def test_without_any_spread_the_fewest_degrees_of_freedom_are_taken() -> None:
    assert welch_degrees_of_freedom([0.0, 0.0], [2, 4]) == 2


def test_guessing_reaches_its_highest_less_than_once_in_a_thousand() -> None:
    highest = highest_by_guessing(640, 1 / 8)
    assert scipy.stats.binom.sf(highest, 640, 1 / 8) <= 0.001 < scipy.stats.binom.sf(highest - 1, 640, 1 / 8)


def test_the_two_sided_quantile_of_student_is_the_table_value() -> None:
    assert student_quantile(0.975, 4) == pytest.approx(2.776, abs=1e-3)
