"""How uncertain a difference between two arms is, which is the smallest that is found, and what would find another."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt

from bloodcell.measures.significance import student_quantile, welch_degrees_of_freedom
from bloodcell.suites.seed_spread import SeedSpread, Spread

POWER = 0.8
"""Probability with which a difference is found that is called large enough to be found."""
_MOST_SEEDS = 1000
_MOST_IMAGES = 10_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleSize:
    """What it would take to find a difference; None where no number would."""

    seeds: int | None
    """Per arm, on the same images."""
    images: int | None
    """With the same seeds, rounded to two digits."""

    @property
    def sentence(self) -> str:
        """What it would take, in words."""
        parts = [
            f"about {count:,} {what}"
            for count, what in ((self.seeds, "seeds per arm"), (self.images, "images"))
            if count is not None
        ]
        return " or ".join(parts) or "more seeds and more images together"


def standard_error(
    *, seeds: Sequence[Spread], counts: Sequence[int], image_variance: float, n: int
) -> tuple[float, float]:
    """Return the standard error of a difference between arms and its degrees of freedom: those of the seeds alone.

    The images' many degrees would count for more, the smaller the seeds' spread happens to look, and that is when it
    is underestimated: with them, 8 % of drawn suites with an unsteady base got a wrong verdict instead of 4 %.

    Args:
        seeds: spread of a run's accuracy between the seeds of each arm.
        counts: runs of each arm.
        image_variance: of the difference between images, without what is in the seeds' spread.
        n: images.
    """
    variances = [spread.variance / count for spread, count in zip(seeds, counts, strict=True)]
    # Two arms that share a spread share its degrees of freedom: they are not two estimates.
    most_degrees = max(spread.degrees for spread in seeds)
    of_seeds = min(most_degrees, welch_degrees_of_freedom(variances, [spread.degrees for spread in seeds]))
    # Runs that agree on every image leave no variance; a hundredth of an image keeps the statistic finite.
    error = max(sqrt(sum(variances) + image_variance / n), 0.01 / n)
    return error, min(of_seeds, n - 1)


def smallest_difference(
    *, seeds: Sequence[SeedSpread], counts: Sequence[int], image_variance: float, n: int, level: float
) -> float:
    """Return the smallest difference between two arms that is found with `POWER`, 0 to 1.

    Args:
        seeds, counts, image_variance, n: as in `standard_error`.
        level: of the single two-sided test.
    """
    used = [spread.used(count, n) for spread, count in zip(seeds, counts, strict=True)]
    error, degrees = standard_error(seeds=used, counts=counts, image_variance=image_variance, n=n)
    expected = [
        Spread(variance=spread.expected(count, n), degrees=degrees) for spread, count in zip(seeds, counts, strict=True)
    ]
    true_error, _ = standard_error(seeds=expected, counts=counts, image_variance=image_variance, n=n)
    return student_quantile(1 - level / 2, degrees) * error + student_quantile(POWER, degrees) * true_error


def sample_size(
    difference: float,
    *,
    seeds: Sequence[SeedSpread],
    counts: Sequence[int],
    image_variance: float,
    n: int,
    level: float,
) -> SampleSize | None:
    """Return what it would take to find a difference at a level of significance with `POWER`.

    Args:
        difference: as measured; None is returned where it is zero.
        seeds, counts, image_variance, n, level: as in `smallest_difference`.
    """
    if difference == 0:
        return None

    def is_found(counts: Sequence[int], n: int) -> bool:
        """Tell whether so many runs of each side and so many images would tell the difference."""
        # More runs also estimate the spread better, whose degrees grow as those of the arms do.
        smallest = smallest_difference(
            seeds=[_with_more_seeds(spread, count) for spread, count in zip(seeds, counts, strict=True)],
            counts=counts,
            image_variance=image_variance,
            n=n,
            level=level,
        )
        return abs(difference) >= smallest

    has_spread = any(spread.own.variance > 0 or spread.shared.variance > 0 for spread in seeds)
    return SampleSize(
        seeds=_first(2, _MOST_SEEDS, lambda count: is_found([count] * len(seeds), n)) if has_spread else None,
        images=_two_digits(_first(2, _MOST_IMAGES, lambda images: is_found(counts, images))),
    )


def _with_more_seeds(spread: SeedSpread, count: int) -> SeedSpread:
    shared = Spread(variance=spread.shared.variance, degrees=max(spread.shared.degrees, 2 * (count - 1)))
    return SeedSpread(own=spread.own, shared=shared, residual=spread.residual, n=spread.n)


def _first(low: int, high: int, is_enough: Callable[[int], bool]) -> int | None:
    """Return the first number that is enough; more are then enough too. None where none up to `high` is."""
    found = low + bisect_left(range(low, high + 1), True, key=is_enough)
    return None if found > high else found


def _two_digits(count: int | None) -> int | None:
    """Round up to two digits: nothing more is known."""
    if count is None:
        return None
    unit = 10 ** max(0, len(str(count)) - 2)
    return -(-count // unit) * unit
