"""Is an arm better than another? A test over seeds and images together, and a verdict.

Two arms answer the same images, each with several runs that differ in their seed alone: arm × seed × image, crossed.
Their difference in accuracy moves for two reasons: other seeds would train other runs, and other images would be easier
for one arm or the other. Its variance is the sum of both; what is left between a seed and an image is in the seeds'
part and is taken off the images' part, so that it counts once. Student's t is read with Welch's degrees of freedom of
the seeds alone.

A suite's arms share what is known about the spread between seeds (`seed_spread`). A seed that collapsed belongs to no
spread: it is reported as what it is, and the other seeds are compared. Where the base never learned there is nothing to
compare with. `benchmarks/quality/verdict_errors.py` measures how often a verdict is wrong. Permuting seeds would assume
less, but three against three have 20 permutations and can never reach 5 %.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt

from bloodcell.measures.crossed_difference import image_variance
from bloodcell.measures.significance import holm_adjusted, mcnemar_p_value, student_p_value, student_quantile
from bloodcell.suites.arm_sample import ArmSample
from bloodcell.suites.sample_size import SampleSize, sample_size, smallest_difference, standard_error
from bloodcell.suites.seed_spread import NO_SPREAD, SeedSpread, Spread, seed_spread, shared_spread
from bloodcell.suites.verdict import ALIKE_WITHIN, Comparison, Verdict

LEVEL = 0.05
"""Probability that any verdict of a suite is wrong where its arms are equally good."""


def compare_arms(pairs: Sequence[tuple[ArmSample, ArmSample]], *, with_needed: bool = True) -> list[Comparison]:
    """Compare each arm with its base, with one family-wise error over all of them.

    Args:
        pairs: (arm, base); both sides of a pair have answered the same images in the same order.
        with_needed: whether to look for what it would take to find a difference that was not found.

    Returns:
        A comparison per pair, in their order.
    """
    sides = [(_side(arm), _side(base)) for arm, base in pairs]
    learned = {side.name: side.kept for pair in sides for side in pair if side.kept.has_learned}
    shared = shared_spread(list(learned.values()))
    ranked = [arm.kept.has_learned and base.kept.has_learned for arm, base in sides]
    level = LEVEL / max(1, sum(ranked))
    tests = [_test(arm.kept, base.kept, shared, level) for arm, base in sides]
    comparisons = [_compare(arm, base, test) for (arm, base), test in zip(sides, tests, strict=True)]
    tested = [index for index, comparison in enumerate(comparisons) if comparison.p_value is not None]
    adjusted = holm_adjusted([comparisons[index].p_value or 0.0 for index in tested])
    for index, p_value in zip(tested, adjusted, strict=True):
        judged = _judged(comparisons[index], p_value)
        if with_needed and judged.verdict == "cannot be told apart":
            judged = replace(judged, needed=tests[index].needed(judged.difference))
        comparisons[index] = judged
    return comparisons


def smallest_found(pairs: Sequence[tuple[ArmSample, ArmSample]], *, seeds: int, images: int, arms: int) -> list[float]:
    """Return the smallest difference that a planned suite finds with `POWER`, 0 to 1, for each pair that learned.

    Args:
        pairs: (arm, base) of a finished suite, whose spreads stand for those of the planned one.
        seeds: per arm of the planned suite, two or more.
        images: that its arms are compared on.
        arms: that it compares with a base.
    """
    sides = [(_side(arm).kept, _side(base).kept) for arm, base in pairs]
    learned = [pair for pair in sides if all(side.has_learned and len(side.right) > 1 for side in pair)]
    if not learned:
        return []
    known = shared_spread(list({side.name: side for pair in learned for side in pair}.values()))
    shared = replace(known, degrees=(arms + 1) * (seeds - 1))
    return [
        smallest_difference(
            # What is known of arms to come is the spread that all share.
            seeds=[replace(seed_spread(side, shared), own=NO_SPREAD) for side in (arm, base)],
            counts=(seeds, seeds),
            image_variance=_image_variance(arm, base),
            n=images,
            level=LEVEL / arms,
        )
        for arm, base in learned
    ]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Side:
    """An arm and what is left of it without collapsed seeds."""

    name: str
    seeds: int
    kept: ArmSample
    collapsed: tuple[float, ...]
    """Their accuracies."""


def _side(sample: ArmSample) -> _Side:
    return _Side(
        name=sample.name,
        seeds=len(sample.right),
        kept=sample.without_collapsed(),
        collapsed=tuple(sample.accuracies[position] for position in sample.collapsed),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Test:
    """What the difference of two arms is tested with."""

    seeds: tuple[SeedSpread, SeedSpread]
    counts: tuple[int, int]
    """Runs of the arm and of its base."""
    image_variance: float
    n: int
    """Images."""
    level: float

    def standard_error(self) -> tuple[float, float]:
        """Return the standard error of the difference and its degrees of freedom."""
        used = [spread.used(count) for spread, count in zip(self.seeds, self.counts, strict=True)]
        return standard_error(seeds=used, counts=self.counts, image_variance=self.image_variance, n=self.n)

    def needed(self, difference: float) -> SampleSize | None:
        """Return what it would take to find a difference; None for none."""
        return sample_size(
            difference,
            seeds=self.seeds,
            counts=self.counts,
            image_variance=self.image_variance,
            n=self.n,
            level=self.level,
        )


def _test(arm: ArmSample, base: ArmSample, shared: Spread, level: float) -> _Test:
    counts = (len(arm.right), len(base.right))
    if min(counts) < 2:
        seeds = (SeedSpread(own=NO_SPREAD), SeedSpread(own=NO_SPREAD))
    else:
        seeds = (seed_spread(arm, shared), seed_spread(base, shared))
    return _Test(seeds=seeds, counts=counts, image_variance=_image_variance(arm, base), n=arm.n, level=level)


def _compare(arm: _Side, base: _Side, test: _Test) -> Comparison:
    """Return the comparison before Holm's correction and the verdict that rests on it."""
    mine, other = arm.kept, base.kept
    known = Comparison(
        arm=arm.name,
        base=base.name,
        accuracy=mine.accuracy,
        base_accuracy=other.accuracy,
        n=mine.n,
        seeds=arm.seeds,
        collapsed=arm.collapsed,
        base_seeds=base.seeds,
        base_collapsed=base.collapsed,
    )
    if not other.has_learned:
        return replace(known, verdict="base never learned")
    error, degrees = test.standard_error()
    half_width = student_quantile(1 - test.level / 2, degrees) * error
    is_single_seed = min(test.counts) < 2
    interval = (known.difference - half_width, known.difference + half_width)
    known = replace(known, interval=interval, is_single_seed=is_single_seed)
    if not mine.has_learned:
        return replace(known, verdict="never learned")
    if is_single_seed:
        return replace(
            known,
            verdict="collapsed" if arm.collapsed else "cannot be told apart",
            explaining_spread=_explaining_spread(known.difference, half_width, error, test.counts),
            two_runs_p_value=_two_runs_p_value(mine, other),
        )
    return replace(known, p_value=student_p_value(known.difference / error, degrees) if known.difference else 1.0)


def _judged(comparison: Comparison, p_value: float) -> Comparison:
    """Return the comparison with Holm's p value and the verdict that rests on it."""
    verdict: Verdict = "cannot be told apart"
    interval, largest = comparison.interval, comparison.largest_difference
    if comparison.collapsed:
        verdict = "collapsed"
    elif p_value < LEVEL:
        verdict = "better" if comparison.difference > 0 else "worse"
        # Holm finds more than intervals of all arms together do: where he has settled the direction, zero is the bound.
        if interval is not None:
            low, high = interval
            interval = (max(low, 0.0), high) if verdict == "better" else (low, min(high, 0.0))
    elif largest is not None and largest < ALIKE_WITHIN:
        verdict = "alike"
    return replace(comparison, adjusted_p_value=p_value, verdict=verdict, interval=interval)


def _explaining_spread(difference: float, half_width: float, error: float, counts: tuple[int, int]) -> float:
    """Return the standard deviation between seeds with which a difference would just lie within chance."""
    of_seeds = max(0.0, (difference * error / half_width) ** 2 - error**2)
    return sqrt(of_seeds / sum(1 / count for count in counts))


def _two_runs_p_value(arm: ArmSample, base: ArmSample) -> float | None:
    if arm.answers is None or base.answers is None or len(arm.answers) > 1 or len(base.answers) > 1:
        return None
    mine, other = arm.answers[0], base.answers[0]
    return mcnemar_p_value(int((mine & ~other).sum()), int((other & ~mine).sum()))


def _image_variance(arm: ArmSample, base: ArmSample) -> float:
    """Return the variance, between images, of the difference between arms on one image.

    Where it is not known which images are right, the arms count as if their images had nothing in common: the easy
    images of one are mostly those of the other, so this is too large, never too small.
    """
    if arm.answers is not None and base.answers is not None:
        return image_variance(arm.answers, base.answers)
    return sum(sample.accuracy * (1 - sample.accuracy) for sample in (arm, base))
