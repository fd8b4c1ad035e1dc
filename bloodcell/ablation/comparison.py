"""Is an arm better than another? A test over seeds and images together, and a verdict in words.

Two arms answer the same images, each with several runs that differ in their seed alone. Their difference in accuracy
moves for two reasons: other seeds would train other runs, and other images would be easier for one arm or the other.
Its variance is the sum of both, that of the runs of each arm and that of the difference per image, averaged over runs;
Student's t is read with Welch's degrees of freedom of the seeds alone.

With three seeds, three nearly equal results happen by chance, and an arm would then look certain. So an arm's spread
is taken as no smaller than the spread pooled over all arms of the suite that learned: it may be less certain than the
others, never more. `benchmarks/verdict_errors.py` measures how often a verdict is wrong. Permuting seeds would assume
less, but three against three have 20 permutations and can never reach 5 %.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, variance
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bloodcell.ablation.sample_size import NO_SPREAD, SampleSize, Spread, sample_size, standard_error
from bloodcell.cell_classes import CLASS_COUNT
from bloodcell.measures.significance import (
    highest_by_guessing,
    holm_adjusted,
    mcnemar_p_value,
    student_p_value,
    student_quantile,
)

Verdict = Literal["better", "worse", "cannot be told apart", "never learned"]

LEVEL = 0.05
"""Probability that any verdict of a suite is wrong where its arms are equally good."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ArmSample:
    """What an arm's runs had right on one set of images."""

    name: str
    right: tuple[int, ...]
    """Images that each run had right."""
    n: int
    """Images."""
    answers: NDArray[np.bool_] | None = None
    """(runs, images), whether the run had the image right; None where only counts are known."""
    guessing_share: float = 1 / CLASS_COUNT
    """Share of the images that the best constant answer has right."""

    @property
    def accuracies(self) -> list[float]:
        """Accuracy of each run, 0 to 1."""
        return [right / self.n for right in self.right]

    @property
    def has_learned(self) -> bool:
        """Whether any run has more images right than guessing reaches but once in a thousand times."""
        return max(self.right) > highest_by_guessing(self.n, self.guessing_share)


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """An arm against its base."""

    arm: str
    base: str
    accuracy: float
    base_accuracy: float
    """Means over seeds, 0 to 1."""
    n: int
    """Images."""
    interval: tuple[float, float] | None = None
    """95 % interval of the difference, over seeds and images; None where a side has a single seed."""
    p_value: float | None = None
    """Of this comparison alone; None where a side has a single seed, and for an arm that never learned."""
    adjusted_p_value: float | None = None
    """After Holm, over the comparisons of the suite."""
    verdict: Verdict = "cannot be told apart"
    needed: SampleSize | None = None
    """What it would take to find this difference; None where it is zero or the arm never learned."""
    is_single_seed: bool = False
    """Whether a side has one run alone, so that nothing is known about its spread."""
    two_runs_p_value: float | None = None
    """McNemar's, where both sides are a single run: it compares these two runs, not the arms."""

    @property
    def difference(self) -> float:
        """Accuracy of the arm minus that of its base, −1 to 1."""
        return self.accuracy - self.base_accuracy

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        points = f"{100 * abs(self.difference):.1f} points"
        if self.verdict == "never learned":
            return "this arm never learned: it is no better than guessing"
        if self.verdict != "cannot be told apart" and self.interval is not None:
            low, high = sorted(100 * bound * (1 if self.difference > 0 else -1) for bound in self.interval)
            return f"{self.verdict} by {points} (95 % interval {low:.1f} to {high:.1f})"
        if self.needed is None:
            return "cannot be told apart: both are equally often right"
        if self.is_single_seed:
            least = f"about {self.needed.images:,} images"
            return f"cannot be told apart: one seed ranks nothing; {points} would take {least} if all seeds were alike"
        return f"cannot be told apart: {points} would take {self.needed.sentence}"


def compare_arms(pairs: Sequence[tuple[ArmSample, ArmSample]]) -> list[Comparison]:
    """Compare each arm with its base, with one family-wise error over all of them.

    Args:
        pairs: (arm, base); both sides of a pair have answered the same images in the same order.

    Returns:
        A comparison per pair, in their order.
    """
    pool = _pooled_spread(sample for pair in pairs for sample in pair)
    comparisons = [_compare(arm, base, pool, level=LEVEL / len(pairs)) for arm, base in pairs]
    tested = [index for index, comparison in enumerate(comparisons) if comparison.p_value is not None]
    adjusted = holm_adjusted([comparisons[index].p_value or 0.0 for index in tested])
    for index, p_value in zip(tested, adjusted, strict=True):
        comparison = comparisons[index]
        verdict: Verdict = "cannot be told apart"
        if p_value < LEVEL:
            verdict = "better" if comparison.difference > 0 else "worse"
        comparisons[index] = replace(comparison, adjusted_p_value=p_value, verdict=verdict)
    return comparisons


def _compare(arm: ArmSample, base: ArmSample, pool: Spread, *, level: float) -> Comparison:
    """Return the comparison before Holm's correction and the verdict that rests on it."""
    accuracy, base_accuracy = fmean(arm.accuracies), fmean(base.accuracies)
    known = Comparison(arm=arm.name, base=base.name, accuracy=accuracy, base_accuracy=base_accuracy, n=arm.n)
    if not arm.has_learned:
        return replace(known, verdict="never learned")
    counts = (len(arm.right), len(base.right))
    is_single_seed = min(counts) < 2
    per_image = Spread(variance=_variance_per_image(arm, base), degrees=arm.n - 1)
    spreads = (NO_SPREAD, NO_SPREAD) if is_single_seed else (_spread_of(arm, pool), _spread_of(base, pool))
    needed = sample_size(known.difference, seeds=spreads, counts=counts, images=per_image, n=arm.n, level=level)
    if is_single_seed:
        return replace(known, needed=needed, is_single_seed=True, two_runs_p_value=_two_runs_p_value(arm, base))
    error, degrees = standard_error(seeds=spreads, counts=counts, images=per_image, n=arm.n)
    half_width = student_quantile(0.975, degrees) * error
    return replace(
        known,
        interval=(known.difference - half_width, known.difference + half_width),
        p_value=student_p_value(known.difference / error, degrees) if known.difference else 1.0,
        needed=needed,
    )


def _two_runs_p_value(arm: ArmSample, base: ArmSample) -> float | None:
    if arm.answers is None or base.answers is None or len(arm.answers) > 1 or len(base.answers) > 1:
        return None
    mine, other = arm.answers[0], base.answers[0]
    return mcnemar_p_value(int((mine & ~other).sum()), int((other & ~mine).sum()))


def _pooled_spread(samples: Iterable[ArmSample]) -> Spread:
    """Return the spread between seeds over all arms that learned and have at least two runs."""
    spread_out = {sample.name: sample for sample in samples if len(sample.right) > 1 and sample.has_learned}
    degrees = sum(len(sample.right) - 1 for sample in spread_out.values())
    if degrees == 0:
        return NO_SPREAD
    weighted = sum((len(sample.right) - 1) * variance(sample.accuracies) for sample in spread_out.values())
    return Spread(variance=weighted / degrees, degrees=degrees)


def _spread_of(sample: ArmSample, pool: Spread) -> Spread:
    own = Spread(variance=variance(sample.accuracies), degrees=len(sample.right) - 1)
    return own if own.variance > pool.variance else pool


def _variance_per_image(arm: ArmSample, base: ArmSample) -> float:
    """Return the variance, between images, of the difference between arms on one image.

    Where it is not known which images are right, the arms count as if their images had nothing in common: the easy
    images of one are mostly those of the other, so this is too large, never too small.
    """
    if arm.answers is not None and base.answers is not None:
        return float((arm.answers.mean(axis=0) - base.answers.mean(axis=0)).var(ddof=1))
    return sum(fmean(sample.accuracies) * (1 - fmean(sample.accuracies)) for sample in (arm, base))
