"""The gate: whether an image is like those that the weights were trained on, or must be refused.

A classifier is as sure of its answer on a photograph as on a cell. Its early feature maps are not: averages and spreads
of their channels lie close together for all training images, and far off for anything else. The score is the
Mahalanobis distance to the nearest class, in units of a distance that hardly one in a thousand held-out training
images exceeds.

Source: K. Lee et al., "A simple unified framework for detecting out-of-distribution samples and adversarial attacks",
2018; here on the first stages, where foreign stains and photographs part best, and without gradients
(docs/decisions.md).
"""

import math
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bloodcell.answers.unlikeness import LOOKS_ENTRY, Refusal, TrainingLooks
from bloodcell.errors import WeightsError
from bloodcell.weights.file import LoadedWeights

STAGES = 3
"""How many stages are looked at, from the input on. Later ones know the classes and forget the stain."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Gate:
    """Training images as the gate remembers them."""

    centre: np.ndarray
    """(D,) float64, mean of the statistics."""
    whitening: np.ndarray
    """(D, D) float64: turns statistics into coordinates in which the classes' spread is 1 in every direction."""
    class_centres: np.ndarray
    """(C, D) float64, in those coordinates."""
    threshold: float
    """Distance at which an image is refused."""
    stages: int = STAGES
    """How many stages' maps the statistics come from."""
    looks: TrainingLooks | None = None
    """How the training images look, to say in what a refused image differs; None where it was not measured."""

    @classmethod
    def of_weights(cls, weights: LoadedWeights) -> "Gate | None":
        """Return the gate that weights carry, or None.

        Raises:
            WeightsError: what they carry is no gate.
        """
        if not weights.card.gate:
            if weights.gate_tensors:
                raise WeightsError(f"The weights '{weights.card.name}' carry a gate that their card does not describe.")
            return None
        try:
            tensors = {key: tensor.double().numpy() for key, tensor in weights.gate_tensors.items()}
            entries = weights.card.gate
            gate = cls(
                centre=tensors["centre"],
                whitening=tensors["whitening"],
                class_centres=tensors["class_centres"],
                threshold=float(entries["threshold"]),
                stages=operator.index(entries["stages"]),
                looks=TrainingLooks.of_card(weights.card),
            )
            with torch.no_grad():
                size = gate.statistics(weights.model.forward_stages(torch.zeros(1, 3, 32, 32))).shape[1]
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise WeightsError(f"The gate of the weights '{weights.card.name}' cannot be read.") from error
        shapes = (gate.centre.shape, gate.whitening.shape, gate.class_centres.shape[1:])
        is_in_range = 0 < gate.threshold < math.inf and gate.stages >= 1
        if shapes != ((size,), (size, size), (size,)) or len(gate.class_centres) == 0 or not is_in_range:
            raise WeightsError(f"The gate of the weights '{weights.card.name}' does not fit its model.")
        return gate

    def tensors(self) -> Mapping[str, Tensor]:
        """Return what goes into the weights' .safetensors file."""
        arrays = {"centre": self.centre, "whitening": self.whitening, "class_centres": self.class_centres}
        return {key: torch.from_numpy(array).float() for key, array in arrays.items()}

    def entries(self) -> dict[str, Any]:
        """Return what goes into the weights' card."""
        entries: dict[str, Any] = {"threshold": self.threshold, "stages": self.stages}
        return entries if self.looks is None else {**entries, LOOKS_ENTRY: self.looks.entries()}

    def statistics(self, maps: Sequence[Tensor]) -> Tensor:
        """(N, C, h, w) behind each stage → (N, D) what the gate looks at."""
        return stage_statistics(maps, self.stages)

    def distances(self, statistics: np.ndarray) -> np.ndarray:
        """(N, D) statistics of images → (N,) Mahalanobis distance to the nearest class."""
        # By torch, whose threads compute the features too: numpy's own keep spinning after a product, and on two cores
        # the next batch's features then took 2.3 times as long.
        centred = torch.from_numpy(statistics.astype(np.float64) - self.centre)
        places = (centred @ torch.from_numpy(self.whitening)).numpy()
        squares = ((places[:, None, :] - self.class_centres) ** 2).sum(axis=2)
        return np.asarray(np.sqrt(squares.min(axis=1)))

    def scores(self, statistics: np.ndarray) -> np.ndarray:
        """(N, D) statistics of images → (N,) scores; above 1 an image is refused."""
        return self.distances(statistics) / self.threshold

    def refusals(self, statistics: np.ndarray, images: Sequence[np.ndarray]) -> list[Refusal | None]:
        """Say why each image is refused; None where it is not. A score that is no number refuses.

        Args:
            statistics: (N, D).
            images: N as the model reads them, (S, S, 3) uint8.
        """
        return [
            None if score <= 1 else Refusal.of_unlike(self.looks, image)
            for score, image in zip(self.scores(statistics).tolist(), images, strict=True)
        ]


def stage_statistics(maps: Sequence[Tensor], stages: int = STAGES) -> Tensor:
    """Return average and spread of every channel of the first stages' maps.

    Args:
        maps: (N, C, h, w) behind each stage, not negative.
        stages: how many of them, at least 1.

    Returns:
        (N, D) float32. Roots bring the skewed figures closer to a normal distribution.
    """
    moments = []
    for features in maps[:stages]:
        # As (N, h·w, C): torch's own variance over the last two dimensions takes 20 times as long on such maps.
        places = features.float().permute(0, 2, 3, 1).flatten(1, 2)
        mean = places.mean(dim=1)
        moments.append((mean, (places - mean[:, None]).square().mean(dim=1)))
    return statistics_of_moments(moments)


def statistics_of_moments(moments: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Mean and variance of every channel, (N, C) float32 each, stage by stage → (N, D) what the gate looks at."""
    parts = [part for mean, variance in moments for part in (mean.clamp(min=0).sqrt(), variance.pow(0.25))]
    return torch.cat(parts, dim=1)
