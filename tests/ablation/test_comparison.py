import numpy as np
import pytest
import scipy.stats
from statsmodels.stats.contingency_tables import mcnemar

from benchmarks.drawn_arms import drawn_suite
from benchmarks.verdict_errors import found_share, spread_cases, wrong_suites
from bloodcell.ablation.comparison import ArmSample, Comparison, compare_arms
from bloodcell.measures.statistics import wilson_interval


def arm(name: str, *right: int, n: int = 640) -> ArmSample:
    return ArmSample(name=name, right=right, n=n)


def compared(one: ArmSample, base: ArmSample) -> Comparison:
    return compare_arms([(one, base)])[0]


def test_the_papers_dropout_row_cannot_be_told_apart() -> None:
    result = compared(arm("no_dropout", 629), arm("unet_encoder", 632))
    assert result.verdict == "cannot be told apart"
    assert "one seed ranks nothing" in result.sentence
    assert result.needed is not None
    assert result.needed.images is not None
    assert 5_000 < result.needed.images < 50_000


def test_the_papers_batch_norm_row_never_learned() -> None:
    result = compared(arm("no_batch_norm", 80), arm("unet_encoder", 632))
    assert result.verdict == "never learned"
    assert "never learned" in result.sentence


def test_a_single_seed_is_never_ranked_however_far_apart() -> None:
    result = compared(arm("simple_cnn", 456), arm("unet_encoder", 632))
    assert (result.verdict, result.p_value, result.interval) == ("cannot be told apart", None, None)


def test_two_single_runs_are_compared_as_runs_and_not_as_arms() -> None:
    one, other = np.zeros((1, 100), dtype=bool), np.zeros((1, 100), dtype=bool)
    one[0, :60], other[0, 10:90] = True, True
    result = compared(
        ArmSample(name="one", right=(60,), n=100, answers=one),
        ArmSample(name="other", right=(80,), n=100, answers=other),
    )
    assert result.two_runs_p_value == pytest.approx(mcnemar([[0, 10], [30, 0]], exact=True).pvalue, abs=1e-9)
    assert (result.verdict, result.p_value) == ("cannot be told apart", None)


def test_a_side_with_a_single_seed_is_enough_not_to_rank() -> None:
    assert compared(arm("simple_cnn", 456, 450, 460), arm("unet_encoder", 632)).is_single_seed


@pytest.mark.parametrize(("right", "verdict"), [((400, 405, 410), "worse"), ((630, 632, 631), "better")])
def test_a_large_difference_of_steady_runs_has_a_direction(right: tuple[int, ...], verdict: str) -> None:
    result = compared(arm("other", *right), arm("unet_encoder", 560, 565, 556))
    assert result.verdict == verdict
    assert result.interval is not None
    assert result.interval[0] < result.difference < result.interval[1]
    smaller, larger = sorted(100 * abs(bound) for bound in result.interval)
    points = f"{100 * abs(result.difference):.1f}"
    assert result.sentence == f"{verdict} by {points} points (95 % interval {smaller:.1f} to {larger:.1f})"


def test_an_undecided_comparison_says_what_it_would_take() -> None:
    result = compared(arm("other", 604, 607, 605), arm("unet_encoder", 612, 615, 611))
    assert result.verdict == "cannot be told apart"
    assert result.needed is not None
    assert result.needed.images is not None
    assert f"about {result.needed.images:,} images" in result.sentence


def test_equal_arms_are_equally_often_right() -> None:
    result = compared(arm("other", 600, 610), arm("unet_encoder", 610, 600))
    assert result.p_value == 1.0
    assert result.sentence == "cannot be told apart: both are equally often right"


def test_an_arm_that_learned_is_better_than_a_base_that_never_did() -> None:
    assert compared(arm("he", 560, 555, 565), arm("no_batch_norm", 80, 80, 80)).verdict == "better"


def test_one_run_that_started_is_enough_to_have_learned() -> None:
    assert compared(arm("shaky", 80, 80, 600), arm("unet_encoder", 610, 612, 608)).verdict == "cannot be told apart"


def test_guessing_is_judged_by_the_most_frequent_class() -> None:
    constant = ArmSample(name="constant", right=(320,), n=640, guessing_share=0.5)
    assert not constant.has_learned
    assert arm("balanced", 320).has_learned


@pytest.mark.parametrize("case", range(20))
def test_where_seeds_alone_differ_the_test_asks_for_no_less_than_students(case: int) -> None:
    one, other = np.random.default_rng(case).integers(400_000, 600_000, (2, 4)).tolist()
    # Answers that are right for whole runs or not at all: 10**6 images leave the images next to no part in it.
    result = compared(arm("one", *one, n=10**6), arm("other", *other, n=10**6))
    pooled = scipy.stats.ttest_ind(one, other, equal_var=True).pvalue
    assert result.p_value is not None
    # The arm with more spread than the pool keeps its own, so the p value is the pooled test's or larger.
    assert result.p_value >= pooled - 1e-9


def test_two_arms_of_equal_spread_are_compared_by_students_test() -> None:
    one, other = (400_000, 410_000, 420_000), (417_000, 427_000, 437_000)
    result = compared(arm("one", *one, n=10**6), arm("other", *other, n=10**6))
    reference = scipy.stats.ttest_ind(one, other).pvalue
    # What is left is the images' part, a share of 1e-2 of the variance.
    assert result.p_value == pytest.approx(reference, rel=0.03)


def test_images_that_both_arms_find_hard_do_not_count_twice() -> None:
    hard = np.zeros(640, dtype=bool)
    hard[:40] = True
    base = np.stack([~hard, ~hard, ~hard])
    better = base.copy()
    better[:, :25] = True
    counts = tuple(int(count) for count in better.sum(axis=1))
    paired = compared(
        ArmSample(name="a", right=counts, n=640, answers=better),
        ArmSample(name="b", right=(600, 600, 600), n=640, answers=base),
    )
    unpaired = compared(arm("a", *counts), arm("b", 600, 600, 600))
    assert paired.p_value is not None
    assert unpaired.p_value is not None
    assert paired.p_value < unpaired.p_value


def test_more_arms_make_each_verdict_harder() -> None:
    base, other = arm("unet_encoder", 600, 604, 597), arm("other", 585, 580, 583)
    alone = compared(other, base)
    among = compare_arms([(other, base), *((arm(f"same {index}", 600, 603, 599), base) for index in range(4))])[0]
    assert alone.adjusted_p_value is not None
    assert among.adjusted_p_value is not None
    assert among.adjusted_p_value > alone.adjusted_p_value


def test_the_interval_is_wider_than_what_images_alone_allow() -> None:
    result = compared(arm("other", 580, 600, 620), arm("unet_encoder", 600, 601, 602))
    low, high = wilson_interval(600, 640)
    assert result.interval is not None
    assert result.interval[1] - result.interval[0] > high - low


@pytest.mark.slow
@pytest.mark.parametrize(("name", "spreads"), spread_cases(), ids=lambda value: value if isinstance(value, str) else "")
def test_arms_of_equal_accuracy_get_a_wrong_verdict_in_at_most_one_suite_of_twenty(
    name: str, spreads: list[float]
) -> None:
    suites = 150
    # 14 is the most of 150 that a share of 5 % reaches but once in a hundred times.
    assert wrong_suites(np.random.default_rng(1), spreads, suites) <= scipy.stats.binom.ppf(0.99, suites, 0.05)


def test_drawn_arms_have_the_accuracy_and_the_spread_that_is_asked_for() -> None:
    suite = drawn_suite(np.random.default_rng(0), seeds=400, images=20_000, seed_spreads=[0.0, 0.02])
    steady, moving = (np.array(sample.accuracies) for sample in suite)
    assert steady.mean() == pytest.approx(0.92, abs=0.01)
    assert moving.mean() == pytest.approx(0.92, abs=0.01)
    assert moving.std() == pytest.approx(0.02, rel=0.2)
    assert steady.std() < 0.003


def test_a_difference_of_eight_points_is_found_by_three_steady_seeds() -> None:
    assert found_share(np.random.default_rng(0), [0.005] * 6, -0.08, 20) > 0.9
