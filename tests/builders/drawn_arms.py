"""Arms as a suite would measure them, drawn at random: images of different difficulty, runs of different luck."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from bloodcell.cell_classes import CLASS_COUNT
from bloodcell.suites.arm_sample import ArmSample
from bloodcell.suites.comparison import compare_arms
from bloodcell.suites.verdict import Comparison

ACCURACY = 0.92
"""Expected accuracy of every arm, over seeds and images."""
IMAGE_SPREAD, OWN_IMAGE_SPREAD = 3.0, 1.0
"""Standard deviations, between images, of the logit that an image is answered right: for all arms alike, and for one
arm alone. Most images are easy for all, a few are hard for all, some for one arm alone."""
_POINTS, _WEIGHTS = np.polynomial.hermite_e.hermegauss(101)
_ANSWERS_AT_ONCE = 4_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class DrawnCase:
    """Suites of one kind; the first arm is the base."""

    name: str
    spreads: tuple[float, ...]
    """Standard deviation, between seeds, of the accuracy that a run would have on all images there are; one per arm."""
    accuracy: float = ACCURACY
    """Expected accuracy of the base and of all arms that are as good."""
    other_accuracies: tuple[tuple[int, float], ...] = ()
    """Arms that are truly better or worse: position and expected accuracy."""
    seeds: int = 3
    images: int = 640
    collapsed: tuple[int, ...] = ()
    """Arms of which one seed guesses."""

    def accuracies(self, difference: float = 0.0) -> list[float]:
        """Return the expected accuracy of each arm.

        Args:
            difference: from the base, of all arms that are otherwise as good.
        """
        others = dict(self.other_accuracies)
        alike = [self.accuracy] + [self.accuracy + difference] * (len(self.spreads) - 1)
        return [others.get(arm, accuracy) for arm, accuracy in enumerate(alike)]


def drawn_suites(
    random: np.random.Generator, case: DrawnCase, suites: int, difference: float = 0.0
) -> Iterator[list[ArmSample]]:
    """Draw suites of a kind, as `accuracies` has them."""
    logits = np.array([_run_logits(*pair) for pair in zip(case.accuracies(difference), case.spreads, strict=True)])
    size = len(case.spreads) * case.seeds * case.images
    while suites > 0:
        several = min(suites, max(1, _ANSWERS_AT_ONCE // size))
        suites -= several
        for answers in _drawn_answers(random, case, logits, several):
            yield [
                ArmSample(name=f"arm {arm}", right=tuple(map(int, right.sum(axis=1))), n=case.images, answers=right)
                for arm, right in enumerate(answers)
            ]


def drawn_suite(
    random: np.random.Generator, *, seeds: int, images: int, seed_spreads: Sequence[float], difference: float = 0.0
) -> list[ArmSample]:
    """Draw one suite, of `ACCURACY`.

    Args:
        seed_spreads: as in `DrawnCase`.
        difference: of the expected accuracy of all arms but the base; 0: all are equally good.
    """
    case = DrawnCase(name="", spreads=tuple(seed_spreads), seeds=seeds, images=images)
    return next(drawn_suites(random, case, 1, difference))


def comparisons_of(suite: Sequence[ArmSample]) -> list[Comparison]:
    """Compare all arms with the first."""
    return compare_arms([(arm, suite[0]) for arm in suite[1:]], with_needed=False)


def _drawn_answers(
    random: np.random.Generator, case: DrawnCase, logits: NDArray[np.float64], suites: int
) -> NDArray[np.bool_]:
    """Return (suites, arms, seeds, images), whether each answer is right."""
    arms, kind = len(case.spreads), np.float32
    image = random.standard_normal((suites, 1, 1, case.images), dtype=kind) * IMAGE_SPREAD
    own_image = random.standard_normal((suites, arms, 1, case.images), dtype=kind) * OWN_IMAGE_SPREAD
    luck = random.standard_normal((suites, arms, case.seeds, 1), dtype=kind)
    run = (logits[:, 0, None, None] + luck * logits[:, 1, None, None]).astype(kind)
    right = random.random((suites, arms, case.seeds, case.images), dtype=kind) < _sigmoid(image + own_image + run)
    for arm in case.collapsed:
        right[:, arm, 0] = random.random((suites, case.images), dtype=kind) < 1 / CLASS_COUNT
    return np.asarray(right)


@lru_cache(maxsize=256)
def _run_logits(accuracy: float, spread: float) -> tuple[float, float]:
    """Return mean and standard deviation of a run's logit that give this expected accuracy and spread of accuracies."""
    # To first order the accuracy moves with the logit as its slope does; the mean is then solved for exactly.
    slope = _expected(_solved_mean(accuracy, 0.0), 0.0, lambda logits: _sigmoid(logits) * (1 - _sigmoid(logits)))
    deviation = spread / slope
    return _solved_mean(accuracy, deviation), deviation


def _solved_mean(accuracy: float, deviation: float) -> float:
    return float(brentq(lambda mean: _expected(mean, deviation, _sigmoid) - accuracy, -30, 30))


def _expected(mean: float, deviation: float, function: Callable[[np.ndarray], np.ndarray]) -> float:
    """Return the mean of a function of the logit over images and runs."""
    total = np.sqrt(IMAGE_SPREAD**2 + OWN_IMAGE_SPREAD**2 + deviation**2)
    return float((_WEIGHTS * function(mean + total * _POINTS)).sum() / _WEIGHTS.sum())


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-logits)))
