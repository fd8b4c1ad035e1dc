"""Arms as a suite would measure them, drawn at random: images of different difficulty, runs of different luck."""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.optimize import brentq

from bloodcell.ablation.comparison import ArmSample, compare_arms

ACCURACY = 0.92
"""Expected accuracy of every arm, over seeds and images."""
IMAGE_SPREAD, OWN_IMAGE_SPREAD = 3.0, 1.0
"""Standard deviations, between images, of the logit that an image is answered right: for all arms alike, and for one
arm alone. Most images are easy for all, a few are hard for all, some for one arm alone."""
_POINTS, _WEIGHTS = np.polynomial.hermite_e.hermegauss(101)


def drawn_suite(
    random: np.random.Generator, *, seeds: int, images: int, seed_spreads: Sequence[float], difference: float = 0.0
) -> list[ArmSample]:
    """Draw a suite; the first arm is the base.

    Args:
        seed_spreads: standard deviation, between seeds, of the accuracy that a run would have on all images there are;
            one per arm, 0 to 1.
        difference: of the expected accuracy of all arms but the base; 0: all are equally good.
    """
    arms = len(seed_spreads)
    accuracies = np.array([ACCURACY] + [ACCURACY + difference] * (arms - 1))
    logits = np.array([_run_logits(*pair) for pair in zip(accuracies, seed_spreads, strict=True)])
    means, spreads = logits[:, 0], logits[:, 1]
    image = random.normal(0, IMAGE_SPREAD, images)
    own_image = random.normal(0, OWN_IMAGE_SPREAD, (arms, 1, images))
    run = means[:, None, None] + random.normal(0, 1, (arms, seeds, 1)) * spreads[:, None, None]
    right = random.random((arms, seeds, images)) < _sigmoid(image + own_image + run)
    return [
        ArmSample(name=f"arm {index}", right=tuple(map(int, answers.sum(axis=1))), n=images, answers=answers)
        for index, answers in enumerate(right)
    ]


def verdicts_of(suite: Sequence[ArmSample]) -> list[str]:
    """Compare all arms with the first."""
    return [comparison.verdict for comparison in compare_arms([(arm, suite[0]) for arm in suite[1:]])]


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
