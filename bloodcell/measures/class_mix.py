"""How often an answer is right where classes are as common as in blood, and not equally common as in test images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NORMAL_ADULT_BLOOD: dict[str, float] = {
    "basophil": 0.6,
    "eosinophil": 2.8,
    "erythroblast": 0.1,
    "immature_granulocyte": 0.3,
    "lymphocyte": 30.0,
    "monocyte": 6.2,
    "neutrophil": 60.0,
    "platelet": 0.0,
}
"""Class key → percent of the nucleated cells of a healthy adult, near the middle of the usual reference ranges;
platelets are not counted among them.

Source: B. J. Bain, "Blood Cells: A Practical Guide", 6th edition, 2022, chapter 5."""
_DRAWS = 4_000
_PRIOR = 0.5
"""Counted in advance to each class that a cell may be answered as, shared by all: about Jeffreys' rule."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PredictiveValue:
    """Of the answers with a class, the share that is right."""

    value: float | None
    """0 to 1; None where the class is never answered."""
    low: float
    high: float
    """The 95 % interval that comes from how few cells of each class were answered."""


def predictive_values(confusion: Sequence[Sequence[int]], shares: Sequence[float]) -> list[PredictiveValue]:
    """Return the predictive value of each class among cells of a given mix.

    Args:
        confusion: (K, K) counts, truth by answer.
        shares: (K,) how common the classes are, 0 or more, in any unit. At least one is above 0.

    Raises:
        ValueError: shapes do not fit, or a share is negative, not finite, or all are 0.
    """
    counts, mix = np.asarray(confusion, np.float64), np.asarray(shares, np.float64)
    if counts.shape != (len(mix), len(mix)):
        raise ValueError(f"shares are {len(mix)}; the matrix is {'×'.join(map(str, counts.shape))}")
    if not (np.isfinite(mix).all() and (mix >= 0).all() and mix.sum() > 0):
        raise ValueError("shares must be 0 or more, and one of them above 0")
    rows = counts.sum(axis=1, keepdims=True)
    rates = np.divide(counts, rows, out=np.zeros_like(counts), where=rows > 0)
    chance = np.random.default_rng(0)
    drawn = np.stack([chance.dirichlet(row + _PRIOR / len(row), _DRAWS) for row in counts], axis=1)
    values, spread = _values(rates[None], mix)[0], _values(drawn, mix)
    low, high = np.nanquantile(spread, (0.025, 0.975), axis=0)
    return [
        PredictiveValue(
            value=None if np.isnan(value) else float(value),
            low=float(min(low[label], value)) if np.isfinite(value) else float(low[label]),
            high=float(max(high[label], value)) if np.isfinite(value) else float(high[label]),
        )
        for label, value in enumerate(values)
    ]


def _values(rates: NDArray[np.float64], mix: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, K, K) shares of each class's cells by answer → (N, K); NaN where a class is never answered."""
    answered = np.einsum("j,njk->nk", mix, rates)
    right = mix * np.einsum("nkk->nk", rates)
    return np.divide(right, answered, out=np.full_like(right, np.nan), where=answered > 0)
