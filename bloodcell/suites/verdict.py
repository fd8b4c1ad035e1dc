"""What can be said of an arm against its base, in figures and in words."""

from dataclasses import dataclass
from typing import Literal

from bloodcell.suites.sample_size import SampleSize

Verdict = Literal[
    "better", "worse", "alike", "cannot be told apart", "collapsed", "never learned", "base never learned"
]

ALIKE_WITHIN = 0.02
"""Arms are called alike where the whole interval of their difference lies within this; 0 to 1.

Two points are about as much as the smallest of the paper's own differences that is more than chance."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """An arm against its base; of both, the seeds that collapsed are left out of every figure but their own."""

    arm: str
    base: str
    accuracy: float
    base_accuracy: float
    """Means over seeds, 0 to 1."""
    n: int
    """Images."""
    verdict: Verdict = "cannot be told apart"
    interval: tuple[float, float] | None = None
    """95 % interval of the difference, for all arms of the suite together; over seeds and images, over images alone
    where a side has a single seed; None where the base never learned."""
    p_value: float | None = None
    """Of this comparison alone; None where it gives no ranking."""
    adjusted_p_value: float | None = None
    """After Holm, over the comparisons of the suite."""
    needed: SampleSize | None = None
    """What it would take to find this difference; None where it is zero or gives no ranking."""
    is_single_seed: bool = False
    """Whether a side has one run alone, so that nothing is known about its spread."""
    explaining_spread: float | None = None
    """Where a side has a single seed: standard deviation of the accuracy between seeds, 0 to 1, from which on the
    difference would be chance; 0 where the images alone explain it."""
    two_runs_p_value: float | None = None
    """McNemar's, where both sides are a single run: it compares these two runs, not the arms."""
    seeds: int = 1
    """Of the arm, collapsed ones too."""
    collapsed: tuple[float, ...] = ()
    """Accuracies of the arm's collapsed seeds."""
    base_seeds: int = 1
    base_collapsed: tuple[float, ...] = ()

    @property
    def difference(self) -> float:
        """Accuracy of the arm minus that of its base, −1 to 1."""
        return self.accuracy - self.base_accuracy

    @property
    def largest_difference(self) -> float | None:
        """The largest difference, in either direction, that the interval leaves open, 0 to 1."""
        return None if self.interval is None else max(map(abs, self.interval))

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        words = _verdict_words(self)
        if self.base_collapsed and self.verdict != "base never learned":
            words += f" ({_collapse_words(self.base_collapsed, self.base_seeds)} in the base and left out)"
        return words


def interval_words(interval: tuple[float, float]) -> str:
    """Return what an interval of a difference leaves open: '3.1 points worse to 1.2 points better'."""
    low, high = interval
    sides = [f"{_points(bound)} {'worse' if bound < 0 else 'better'}" for bound in (low, high)]
    return " to ".join(sides)


def _verdict_words(comparison: Comparison) -> str:
    known = comparison
    match known.verdict:
        case "base never learned":
            return "nothing can be concluded: the arm that it is compared with never learned"
        case "never learned":
            return "this arm never learned: it is no better than guessing"
        case "collapsed":
            return _collapsed_words(known)
        case "better" | "worse" if known.interval is not None:
            low, high = sorted(100 * bound * (1 if known.difference > 0 else -1) for bound in known.interval)
            return f"{known.verdict} by {_points(known.difference)} (95 % interval {low:.1f} to {high:.1f})"
        case "alike" if known.largest_difference is not None:
            return f"differs by less than {_rounded_up(known.largest_difference)} points"
    if known.is_single_seed:
        return _single_seed_words(known)
    if known.needed is None:
        return "cannot be told apart: both are equally often right"
    return f"cannot be told apart: {_points(known.difference)} would take {known.needed.sentence}"


def _collapsed_words(known: Comparison) -> str:
    others = known.seeds - len(known.collapsed)
    words = f"unreliable: {_collapse_words(known.collapsed, known.seeds)} to {_shares(known.collapsed)} right"
    rest = f"the {'other has' if others == 1 else f'other {others} have'} {100 * known.accuracy:.1f} %"
    words = f"{words}; {rest}"
    if known.interval is None:
        return words
    of_what = "over images alone" if known.is_single_seed else "95 % interval"
    return f"{words}, {_signed_words(known.difference)} ({of_what}: {interval_words(known.interval)})"


def _single_seed_words(known: Comparison) -> str:
    if known.difference == 0:
        return "one seed ranks nothing: both are equally often right"
    if not known.explaining_spread:
        return f"one seed ranks nothing: {_points(known.difference)} can be chance of the images alone"
    return (
        f"one seed ranks nothing: {_points(known.difference)} are chance where accuracy moves by "
        f"{_points(known.explaining_spread)} or more from seed to seed (standard deviation)"
    )


def _collapse_words(collapsed: tuple[float, ...], seeds: int) -> str:
    return f"{len(collapsed)} of {seeds} seeds collapsed"


def _shares(accuracies: tuple[float, ...]) -> str:
    return " and ".join(f"{100 * accuracy:.1f} %" for accuracy in accuracies)


def _signed_words(difference: float) -> str:
    return f"{_points(difference)} {'worse' if difference < 0 else 'better'} than the base"


def _points(difference: float) -> str:
    return f"{100 * abs(difference):.1f} points"


def _rounded_up(difference: float) -> str:
    """Write a bound in points; rounding down would promise too much."""
    return f"{-(-1000 * difference // 1) / 10:.1f}"
