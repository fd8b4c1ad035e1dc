"""How far the accuracy of an arm moves from seed to seed, estimated from its own seeds and from those of all arms.

Three seeds say little about their spread: three nearly equal results happen by chance, and an arm would then look
certain. So the arms of a suite share one spread, on the scale of the logit, where an arm with 79 % and one with 98 %
move alike, while in points the first moves six times as far. An arm that moves more than the others keeps its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, variance

from bloodcell.measures.crossed_difference import residual_variance
from bloodcell.measures.significance import fisher_quantile
from bloodcell.suites.arm_sample import ArmSample

_UNSTEADY_LEVEL = 0.001
"""An arm that is less steady than all others, at this level, leaves the shared spread."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """An estimated variance."""

    variance: float
    degrees: float
    """Degrees of freedom of the estimate."""


NO_SPREAD = Spread(variance=0.0, degrees=1e9)
"""Known to be none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SeedSpread:
    """The spread of one arm's accuracy between seeds, as measured on n images."""

    own: Spread
    """Of the arm's own seeds."""
    shared: Spread = NO_SPREAD
    """Of all arms of the suite, at this arm's accuracy."""
    residual: float = 0.0
    """Variance of one answer that neither seed nor image explains; divided by n, it is part of both variances."""
    n: int = 1
    """Images."""

    def used(self, count: int, n: int | None = None) -> Spread:
        """Return what a test of so many seeds on so many images works with: rather too much than too little."""
        shared, own = self._measured_on(self.shared, n), self._measured_on(self.own, n)
        cautious = caution(max(1, count - 1)) * shared.variance
        if own.variance > cautious:
            return Spread(variance=own.variance, degrees=max(own.degrees, count - 1))
        return Spread(variance=cautious, degrees=shared.degrees)

    def expected(self, count: int, n: int | None = None) -> float:
        """Return the variance itself, without the caution of the test."""
        used, shared = self.used(count, n), self._measured_on(self.shared, n)
        return min(used.variance, max(shared.variance, self._measured_on(self.own, n).variance))

    def _measured_on(self, spread: Spread, n: int | None) -> Spread:
        """Return a spread as another number of images would show it: their chance is part of it."""
        of_seeds = max(0.0, spread.variance - self.residual / self.n)
        return Spread(variance=of_seeds + self.residual / (n or self.n), degrees=spread.degrees)


def caution(degrees: float) -> float:
    """Return by how much the shared variance is enlarged for an arm with so many degrees of freedom of its own.

    The fewer seeds, the less can be seen of an arm that moves more than the others. With a factor of 1 and three
    seeds, a base that moved eight times as far as the others gave 7 % of drawn suites a wrong verdict, with 2 under
    5 %; true differences are found more often with 2, because fewer arms then fall back on their own two degrees.
    `benchmarks/quality/verdict_errors.py` measures it for two, three and five seeds.
    """
    return 1 + 4 / degrees**2


def shared_spread(samples: Sequence[ArmSample]) -> Spread:
    """Return the spread of the logit of the accuracy between seeds, over all arms that have two or more.

    Args:
        samples: of arms that learned, each once, without collapsed seeds.
    """
    several = [sample for sample in samples if len(sample.right) > 1]
    spreads = [
        Spread(variance=variance(sample.accuracies) / _slope(sample) ** 2, degrees=len(sample.right) - 1)
        for sample in several
    ]
    while len(spreads) > 2:
        least_steady = max(spreads, key=lambda spread: spread.variance)
        others = [spread for spread in spreads if spread is not least_steady]
        rest = _pooled(others)
        limit = fisher_quantile(1 - _UNSTEADY_LEVEL, least_steady.degrees, rest.degrees)
        if least_steady.variance <= limit * rest.variance:
            break
        spreads = others
    return _pooled(spreads)


def seed_spread(sample: ArmSample, shared: Spread) -> SeedSpread:
    """Return the spread of an arm of a suite.

    Args:
        shared: as `shared_spread` returns it.
    """
    answers = sample.answers
    has_several = len(sample.right) > 1
    return SeedSpread(
        own=Spread(variance=variance(sample.accuracies), degrees=len(sample.right) - 1) if has_several else NO_SPREAD,
        shared=Spread(variance=shared.variance * _slope(sample) ** 2, degrees=shared.degrees),
        residual=residual_variance(answers) if answers is not None and has_several else 0.0,
        n=sample.n,
    )


def _pooled(spreads: Sequence[Spread]) -> Spread:
    degrees = sum(spread.degrees for spread in spreads)
    if degrees == 0:
        return NO_SPREAD
    return Spread(variance=sum(spread.degrees * spread.variance for spread in spreads) / degrees, degrees=degrees)


def _slope(sample: ArmSample) -> float:
    """Return how far the accuracy moves when its logit moves by one; half an image keeps it from zero."""
    share = (fmean(sample.right) + 0.5) / (sample.n + 1)
    return share * (1 - share)
