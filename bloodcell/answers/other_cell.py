"""The question whether a cell is one of the eight classes: a cell that lies far from all of them in what the network
sees last is `other_cell`, and gets no class.

The score is the Mahalanobis distance of the averages of the last feature map, in their principal directions, to the
nearest class. It was chosen by leaving each class out of a training in turn (docs/decisions.md).

Source: K. Lee et al., "A simple unified framework for detecting out-of-distribution samples and adversarial attacks",
2018, with one layer, without gradients.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bloodcell.cell_classes import CELL_CLASSES, CLASS_COUNT
from bloodcell.errors import WeightsError
from bloodcell.weights.file import LoadedWeights

PREFIX = "other_cell."
"""Of the names of its tensors among those of the gate, and of its entry in the card's gate without the dot."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class OtherCellQuestion:
    """Cells of the eight classes as the network sees them."""

    centre: np.ndarray
    """(C,) float64, mean of the averages."""
    directions: np.ndarray
    """(C, D) float64: turns averages into D coordinates in which the classes' spread is 1."""
    class_centres: np.ndarray
    """(K, D) float64, in those coordinates."""
    threshold: float
    """Distance beyond which a cell is none of the eight."""

    @classmethod
    def of_weights(cls, weights: LoadedWeights) -> "OtherCellQuestion | None":
        """Return the question that weights carry, or None.

        Raises:
            WeightsError: what they carry is no such question.
        """
        entries = weights.card.gate.get(PREFIX[:-1])
        tensors = {
            name.removeprefix(PREFIX): tensor.double().numpy()
            for name, tensor in weights.gate_tensors.items()
            if name.startswith(PREFIX)
        }
        if entries is None and not tensors:
            return None
        try:
            threshold = float(dict(entries or {})["threshold"])
            question = cls(
                centre=tensors["centre"],
                directions=tensors["directions"],
                class_centres=tensors["class_centres"],
                threshold=threshold,
            )
            with torch.no_grad():
                channels = weights.model.forward_features(torch.zeros(1, 3, 32, 32)).shape[1]
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise WeightsError(f"The gate of the weights '{weights.card.name}' cannot be read.") from error
        size = question.class_centres.shape[-1] if question.class_centres.ndim else 0
        shapes = (question.centre.shape, question.directions.shape, question.class_centres.shape)
        if (
            not size
            or shapes != ((channels,), (channels, size), (CLASS_COUNT, size))
            or not 0 < question.threshold < np.inf
        ):
            raise WeightsError(f"The gate of the weights '{weights.card.name}' does not fit its model.")
        return question

    def tensors(self) -> Mapping[str, Tensor]:
        """Return what goes into the weights' .safetensors file, beside the gate's."""
        arrays = {"centre": self.centre, "directions": self.directions, "class_centres": self.class_centres}
        return {PREFIX + key: torch.from_numpy(array).float() for key, array in arrays.items()}

    def entries(self) -> dict[str, Any]:
        """Return what goes into the card's gate."""
        return {PREFIX[:-1]: {"threshold": self.threshold}}

    def distances(self, averages: np.ndarray) -> np.ndarray:
        """(N, C) averages of the last feature map → (N,) distance to the nearest class."""
        # By torch, as in the gate: numpy's threads keep spinning after a product.
        places = (
            torch.from_numpy(averages.astype(np.float64) - self.centre) @ torch.from_numpy(self.directions)
        ).numpy()
        squares = ((places[:, None, :] - self.class_centres) ** 2).sum(axis=2)
        return np.asarray(np.sqrt(squares.min(axis=1)))

    def reasons(self, averages: np.ndarray, probabilities: np.ndarray) -> list[str]:
        """Say of each cell why it is none of the eight; empty where it may be one. A distance that is no number flags.

        Args:
            averages: (N, C) of the last feature map.
            probabilities: (N, K).
        """
        found = self.distances(averages).tolist()
        return [
            "" if distance <= self.threshold else self._reason(distance, one)
            for distance, one in zip(found, probabilities, strict=True)
        ]

    def _reason(self, distance: float, probabilities: Sequence[float] | np.ndarray) -> str:
        first, second = (CELL_CLASSES[place].display_name.lower() for place in np.argsort(probabilities)[:-3:-1])
        return (
            f"perhaps none of the eight classes (distance {distance:.1f}, their cells have {self.threshold:.1f} or "
            f"less); nearest {first}, then {second}"
        )
