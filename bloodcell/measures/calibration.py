"""Confidence that means something: the temperature that makes probabilities match how often they are right."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the temperature with the least cross-entropy on labelled logits, between 0.1 and 10.

    Args:
        logits: (N, K).
        labels: (N,) class indices.

    Where all answers are right the best temperature would be 0, as if no mistake were possible; then it is at least 0.5

    Source: C. Guo et al., "On calibration of modern neural networks", 2017.
    """

    def cross_entropy(log_temperature: float) -> float:
        scores = log_softmax(logits / np.exp(log_temperature), axis=1)
        return float(-scores[np.arange(len(labels)), labels].mean())

    lowest = 0.5 if (logits.argmax(axis=1) == labels).all() else 0.1
    return float(np.exp(minimize_scalar(cross_entropy, bounds=(np.log(lowest), np.log(10)), method="bounded").x))


def probabilities_of(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """(N, K) logits → (N, K) probabilities, each row summing to 1, float64."""
    return np.asarray(softmax(np.asarray(logits, dtype=np.float64) / temperature, axis=1))


def at_temperature_one(probabilities: np.ndarray, temperature: float | np.ndarray) -> np.ndarray:
    """Return what probabilities were before a temperature: (N, K), each row summing to 1, float64.

    Args:
        probabilities: (N, K), calibrated with the temperature; 0 stays 0.
        temperature: above 0, one for all or (N,).
    """
    powered = np.asarray(probabilities, dtype=np.float64) ** np.reshape(temperature, (-1, 1))
    return np.asarray(powered / powered.sum(axis=1, keepdims=True))


LOWEST_SURE_CONFIDENCE = 0.5
"""An answer that is wrong as likely as not is never shown as sure."""


def review_threshold(probabilities: np.ndarray, share: float) -> float:
    """Return the confidence below which at least `share` of these answers lie; one fixed number for later images.

    Args:
        probabilities: (N, K) of validation images.
        share: 0 to 1.
    """
    return max(LOWEST_SURE_CONFIDENCE, float(np.quantile(probabilities.max(axis=1), share)))
