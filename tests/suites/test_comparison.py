from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
from statsmodels.stats.contingency_tables import mcnemar

from benchmarks.quality.verdict_errors import DrawnCase, found_share, spread_cases, wrong_suites
from bloodcell.measures.crossed_difference import image_variance
from bloodcell.measures.statistics import wilson_interval
from bloodcell.suites.arm_sample import ArmSample
from bloodcell.suites.comparison import compare_arms, smallest_found
from bloodcell.suites.seed_spread import caution
from bloodcell.suites.verdict import Comparison
from tests.builders.drawn_arms import drawn_suite, drawn_suites

QUICK_ROWS = ("1.0 in all arms", "4 in the base, 0.5 in the others")


def arm(name: str, *right: int, n: int = 640) -> ArmSample:
    return ArmSample(name=name, right=right, n=n)


def compared(one: ArmSample, base: ArmSample) -> Comparison:
    return compare_arms([(one, base)])[0]


def test_the_papers_dropout_row_cannot_be_told_apart() -> None:
    result = compared(arm("no_dropout", 629), arm("unet_encoder", 632))
    assert result.verdict == "cannot be told apart"
    assert result.sentence == "one seed ranks nothing: 0.5 points can be chance of the images alone"


def test_the_papers_batch_norm_row_never_learned() -> None:
    result = compared(arm("no_batch_norm", 80), arm("unet_encoder", 632))
    assert result.verdict == "never learned"
    assert "never learned" in result.sentence


def test_a_single_seed_is_never_ranked_however_far_apart() -> None:
    result = compared(arm("simple_cnn", 456), arm("unet_encoder", 632))
    assert (result.verdict, result.p_value) == ("cannot be told apart", None)


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
    result = compared(arm("other", 601, 604, 602), arm("unet_encoder", 612, 615, 611))
    assert result.verdict == "cannot be told apart"
    assert result.needed is not None
    assert result.needed.images is not None
    assert f"about {result.needed.images:,} images" in result.sentence


def test_equal_arms_are_equally_often_right() -> None:
    result = compared(arm("other", 600, 610), arm("unet_encoder", 610, 600))
    assert result.p_value == 1.0
    assert result.sentence == "cannot be told apart: both are equally often right"


def test_nothing_is_concluded_from_a_base_that_never_learned() -> None:
    result = compared(arm("he", 560, 555, 565), arm("no_batch_norm", 80, 80, 80))
    assert (result.verdict, result.p_value, result.interval) == ("base never learned", None, None)
    assert result.sentence == "nothing can be concluded: the arm that it is compared with never learned"


def test_one_run_that_started_is_enough_to_have_learned() -> None:
    result = compared(arm("shaky", 80, 80, 600), arm("unet_encoder", 610, 612, 608))
    assert result.verdict == "collapsed"
    assert "2 of 3 seeds collapsed to 12.5 % and 12.5 % right; the other has 93.8 %" in result.sentence


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
    # The arms' shared spread is taken with caution, so the p value is the pooled test's or larger.
    assert result.p_value >= pooled - 1e-9


def test_two_arms_of_equal_spread_are_compared_by_students_test_with_caution() -> None:
    one, other = (490_000, 500_000, 510_000), (507_000, 517_000, 527_000)
    result = compared(arm("one", *one, n=10**6), arm("other", *other, n=10**6))
    # Three seeds: the shared variance is doubled. What is left is the images' part, 1e-2 of the variance.
    statistic = scipy.stats.ttest_ind(one, other).statistic / caution(2) ** 0.5
    assert caution(2) == 2
    assert result.p_value == pytest.approx(2 * scipy.stats.t.sf(abs(statistic), 4), rel=0.03)


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


def test_the_interval_and_the_verdict_agree() -> None:
    for seed in range(40):
        random = np.random.default_rng(seed)
        suite = drawn_suite(random, seeds=3, images=640, seed_spreads=[0.005] * 6, difference=-0.03)
        for result in compare_arms([(other, suite[0]) for other in suite[1:]]):
            assert result.interval is not None
            excludes_zero = result.interval[0] >= 0 or result.interval[1] <= 0
            assert excludes_zero == (result.verdict in ("better", "worse"))


def test_arms_whose_difference_is_surely_small_are_alike() -> None:
    base = np.random.default_rng(0).random(6000) < 0.95
    answers = np.stack([base, base, base])
    answers[1, :6], answers[2, :9] = ~answers[1, :6], ~answers[2, :9]
    sides = [
        ArmSample(name=name, right=tuple(map(int, runs.sum(axis=1))), n=6000, answers=runs)
        for name, runs in (("one", answers), ("base", answers[::-1]))
    ]
    result = compared(sides[0], sides[1])
    assert result.verdict == "alike"
    assert result.largest_difference is not None
    assert 0 < result.largest_difference < 0.005
    assert result.sentence.startswith("differs by less than 0.")


def test_a_collapsed_seed_is_a_verdict_of_its_own() -> None:
    result = compared(arm("shaky", 600, 80, 604), arm("unet_encoder", 610, 612, 608))
    assert result.verdict == "collapsed"
    assert result.collapsed == (0.125,)
    assert result.difference == pytest.approx(602 / 640 - 610 / 640)
    assert result.interval is not None
    assert result.interval[0] < result.difference < result.interval[1]
    assert "1 of 3 seeds collapsed to 12.5 % right; the other 2 have 94.1 %, 1.2 points worse" in result.sentence


def test_a_collapsed_seed_of_the_base_is_said_and_left_out() -> None:
    result = compared(arm("other", 500, 503, 505), arm("unet_encoder", 610, 90, 608))
    assert result.verdict == "worse"
    assert result.base_accuracy == pytest.approx(609 / 640)
    assert result.sentence.endswith("(1 of 3 seeds collapsed in the base and left out)")


def test_a_base_with_one_seed_left_ranks_nothing() -> None:
    result = compared(arm("other", 500, 503, 505), arm("unet_encoder", 80, 90, 608))
    assert (result.verdict, result.is_single_seed) == ("cannot be told apart", True)


def test_ordinary_seeds_of_an_unsteady_arm_have_not_collapsed() -> None:
    # The shipped quick suite's shallow encoder, and an arm that has hardly begun to learn.
    assert arm("shallow_encoder", 806, 702, 833, n=1000).collapsed == []
    assert arm("two epochs", 120, 300, 130).collapsed == []
    assert arm("fell back", 800, 702, 300, n=1000).collapsed == [2]


@pytest.mark.parametrize("lost", [0.125, 0.7], ids=["to guessing", "by a quarter"])
def test_an_unsteady_seed_in_one_arm_does_not_silence_the_others(lost: float) -> None:
    found = {"ten": 0, "twenty": 0}
    for seed in range(20):
        random = np.random.default_rng(seed)
        equal = drawn_suite(random, seeds=3, images=640, seed_spreads=[0.01] * 4)
        ten, twenty = (
            drawn_suite(random, seeds=3, images=640, seed_spreads=[0.01] * 2, difference=difference)[1]
            for difference in (-0.1, -0.2)
        )
        answers = np.array(equal[3].answers)
        answers[1] = random.random(640) < lost
        shaky = replace(equal[3], answers=answers, right=tuple(map(int, answers.sum(axis=1))))
        arms = [equal[1], replace(ten, name="ten"), replace(twenty, name="twenty"), shaky]
        for result in compare_arms([(other, equal[0]) for other in arms]):
            if result.arm in found:
                found[result.arm] += result.verdict == "worse"
    assert found["ten"] >= 18
    assert found["twenty"] >= 19


def test_what_is_left_between_seed_and_image_counts_once() -> None:
    random = np.random.default_rng(0)
    # Every answer is drawn for itself: neither seeds nor images differ, all that moves is what is left.
    one, other = random.random((2, 3, 4000)) < 0.9
    result = compare_arms(
        [
            (
                ArmSample(name="one", right=tuple(map(int, one.sum(axis=1))), n=4000, answers=one),
                ArmSample(name="other", right=tuple(map(int, other.sum(axis=1))), n=4000, answers=other),
            )
        ]
    )[0]
    assert image_variance(one, other) < 0.003
    assert result.interval is not None
    # The shared spread is doubled with caution; with the images' part on top the variance would be threefold.
    variance = ((result.interval[1] - result.interval[0]) / 2 / scipy.stats.t.ppf(0.975, 4)) ** 2
    assert variance / (2 * 0.09 / 3 / 4000) < 2.7


@pytest.mark.parametrize("gap", [60, 176])
def test_a_single_seed_says_which_spread_would_explain_the_difference(gap: int) -> None:
    result = compared(arm("other", 632 - gap), arm("unet_encoder", 632))
    assert result.explaining_spread is not None
    assert result.interval is not None
    # A difference is chance up to 1.96 standard errors: of the images, and of one seed on either side.
    error = (result.interval[1] - result.interval[0]) / 2 / 1.96
    explained = 1.96 * (error**2 + 2 * result.explaining_spread**2) ** 0.5
    assert explained == pytest.approx(gap / 640, rel=0.01)
    assert f"{100 * result.explaining_spread:.1f} points or more from seed to seed" in result.sentence


def test_verdicts_on_arms_of_equal_accuracy_are_rarely_wrong_and_true_differences_are_found() -> None:
    """The quick version of `benchmarks.quality.verdict_errors`: three of its rows, fewer suites."""
    random = np.random.default_rng(1)
    suites = 300
    for case in spread_cases():
        if case.name in QUICK_ROWS:
            wrong = wrong_suites(random, case, suites)
            # The most of 300 that a share of 5 % reaches but once in a hundred times.
            assert wrong <= scipy.stats.binom.ppf(0.99, suites, 0.05), case.name
            if case.name == QUICK_ROWS[0]:
                assert found_share(random, case, -0.05, 40) > 0.5


@pytest.mark.slow
@pytest.mark.parametrize("case", spread_cases(), ids=lambda case: case.name)
def test_arms_of_equal_accuracy_get_a_wrong_verdict_in_at_most_one_suite_of_twenty(case: DrawnCase) -> None:
    suites = 300
    assert wrong_suites(np.random.default_rng(1), case, suites) <= scipy.stats.binom.ppf(0.99, suites, 0.05)


def test_drawn_arms_have_the_accuracy_and_the_spread_that_is_asked_for() -> None:
    suite = drawn_suite(np.random.default_rng(0), seeds=400, images=20_000, seed_spreads=[0.0, 0.02])
    steady, moving = (np.array(sample.accuracies) for sample in suite)
    assert steady.mean() == pytest.approx(0.92, abs=0.01)
    assert moving.mean() == pytest.approx(0.92, abs=0.01)
    assert moving.std() == pytest.approx(0.02, rel=0.2)
    assert steady.std() < 0.003


def test_a_difference_of_eight_points_is_found_by_three_steady_seeds() -> None:
    case = DrawnCase(name="steady", spreads=(0.005,) * 6)
    assert found_share(np.random.default_rng(0), case, -0.08, 20) > 0.9


def test_the_difference_that_a_planned_suite_is_said_to_find_is_found_in_about_four_of_five_cases() -> None:
    random = np.random.default_rng(0)
    case = DrawnCase(name="", spreads=(0.01,) * 6)
    expected = []
    for finished in drawn_suites(random, case, 40):
        pairs = [(one, finished[0]) for one in finished[1:]]
        expected += smallest_found(pairs, seeds=3, images=640, arms=5)
    share = found_share(random, case, -float(np.median(expected)), 60)
    assert 0.65 < share < 0.95


def test_more_seeds_and_more_images_find_smaller_differences() -> None:
    suite = drawn_suite(np.random.default_rng(1), seeds=3, images=640, seed_spreads=(0.01,) * 4)
    pairs = [(one, suite[0]) for one in suite[1:]]
    found = [
        np.mean(smallest_found(pairs, seeds=seeds, images=images, arms=3))
        for seeds, images in ((2, 640), (3, 640), (5, 640), (5, 1000), (5, 5400))
    ]
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == 5


def test_arms_that_never_learned_say_nothing_of_what_is_found() -> None:
    assert smallest_found([(arm("no_batch_norm", 80, 80), arm("base", 600, 610))], seeds=3, images=640, arms=1) == []
