"""The question whether an image shows a single blood cell at all, asked alike in every laboratory.

A second output of the network, learnt beside its classes: cells of several laboratories, varied strongly, against
smear without a white cell or platelet, whole fields, unfocused cells, plain colours, textures, text and drawings.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bloodcell.answers.unlikeness import Refusal
from bloodcell.errors import WeightsError
from bloodcell.weights.elsewhere import CELL_QUESTION
from bloodcell.weights.file import LoadedWeights


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CellGate:
    """Log odds that an image shows a cell, linear in the averages of the last feature map."""

    weight: np.ndarray
    """(C,) float64, per channel."""
    bias: float
    threshold: float
    """Log odds under which an image is refused."""
    stages: int = 0
    """It needs no stage's map but the last."""

    @classmethod
    def of_weights(cls, weights: LoadedWeights) -> "CellGate":
        """Return the gate that weights carry.

        Raises:
            WeightsError: what they carry is no such gate.
        """
        try:
            tensors, entries = weights.gate_tensors, weights.card.gate
            gate = cls(
                weight=tensors["weight"].double().numpy(),
                bias=float(tensors["bias"]),
                threshold=float(entries["threshold"]),
            )
            with torch.no_grad():
                channels = weights.model.forward_features(torch.zeros(1, 3, 32, 32)).shape[1]
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise WeightsError(f"The gate of the weights '{weights.card.name}' cannot be read.") from error
        if gate.weight.shape != (channels,) or not np.isfinite(gate.threshold):
            raise WeightsError(f"The gate of the weights '{weights.card.name}' does not fit its model.")
        return gate

    def tensors(self) -> Mapping[str, Tensor]:
        """Return what goes into the weights' .safetensors file."""
        return {"weight": torch.from_numpy(self.weight).float(), "bias": torch.tensor(self.bias).float()}

    def entries(self) -> dict[str, Any]:
        """Return what goes into the weights' card."""
        return {"kind": CELL_QUESTION, "threshold": self.threshold}

    def log_odds(self, averages: np.ndarray) -> np.ndarray:
        """(N, C) averages of the last feature map → (N,)."""
        return np.asarray(averages.astype(np.float64) @ self.weight + self.bias)

    def refusals(self, averages: np.ndarray) -> list[Refusal | None]:
        """Say why each image is refused; None where it is not. Log odds that are no number refuse.

        Args:
            averages: (N, C) of the last feature map.
        """
        return [None if odds >= self.threshold else self._refusal(odds) for odds in self.log_odds(averages).tolist()]

    def _refusal(self, odds: float) -> Refusal:
        measured = f"score {odds:.1f}, cells have {self.threshold:.1f} or more".replace("-", "−")
        return Refusal(reason=f"not recognised as a single cell ({measured})")
