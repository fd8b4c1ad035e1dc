"""One model made ready to answer: what computes it, what it is asked first, and the lock around both."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from bloodcell.answers.cell_gate import CellGate
from bloodcell.answers.engine_choice import EngineName
from bloodcell.answers.engines import Engine, make_engine
from bloodcell.answers.gate import Gate
from bloodcell.answers.heat_map import logits_and_heat_maps
from bloodcell.answers.other_cell import OtherCellQuestion
from bloodcell.answers.unlikeness import Refusal
from bloodcell.config import Precision
from bloodcell.images.model_input import as_images, prepare_image
from bloodcell.measures.calibration import probabilities_of
from bloodcell.paths import ELSEWHERE_WEIGHTS, SHIPPED_WEIGHTS
from bloodcell.weights.card import WeightsCard
from bloodcell.weights.elsewhere import CELL_QUESTION, knows_one_laboratory
from bloodcell.weights.file import LoadedWeights, load_weights


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Outputs:
    """What a model says about N images."""

    probabilities: np.ndarray
    """(N, K), calibrated."""
    refusals: list[Refusal | None]
    """Why the gate stops each image; None where it does not."""
    other_cells: list[str]
    """Why each cell may be none of the eight; empty where it may be one."""
    heat_maps: np.ndarray | None
    """(N, K, h, w) float32, 0 to 1; None where not asked for."""


def gate_of(weights: LoadedWeights) -> Gate | CellGate | None:
    """Return the gate that weights carry, of whichever kind; None: they answer for everything.

    Raises:
        WeightsError: what they carry is no gate.
    """
    return CellGate.of_weights(weights) if weights.card.gate.get("kind") == CELL_QUESTION else Gate.of_weights(weights)


def check_questions(weights: LoadedWeights) -> None:
    """Refuse weights that could not say what they do not answer for.

    Raises:
        WeightsError: their gate, or their question for other cells, cannot be read.
    """
    gate_of(weights)
    OtherCellQuestion.of_weights(weights)


class ReadyModel:
    """Safe to share between threads: its lock guards forward and heat maps."""

    def __init__(self, weights: LoadedWeights, *, device: str, precision: Precision, engine: EngineName) -> None:
        """Put a folded copy of the model on a device.

        Raises:
            WeightsError, EngineUnavailable, BloodcellError: as of `Classifier`.
        """
        self.card: WeightsCard = weights.card
        self.gate = gate_of(weights)
        self.other_cell = OtherCellQuestion.of_weights(weights)
        stages = 0 if self.gate is None else self.gate.stages
        self.engine: Engine = make_engine(weights, gate_stages=stages, device=device, precision=precision, name=engine)
        self._lock = threading.Lock()

    def prepare(self, image: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 → (S, S, 3) uint8, as the model reads it."""
        return prepare_image(image, image_size_px=self.card.image_size_px, field_of_view=self.card.field_of_view)

    def forward(self, prepared: Sequence[np.ndarray], *, heat_maps: bool) -> Outputs:
        """Run the model once on prepared images, at least one; the gate looks at maps of the same pass."""
        with self._lock, torch.no_grad():
            features, statistics = self.engine.features(as_images(np.stack(prepared)))
            if heat_maps:
                logits, maps = logits_and_heat_maps(self.engine.head, features)
            else:
                logits, maps = self.engine.head.forward_head(features), None
            averages = features.mean(dim=(2, 3)).cpu().numpy()
        probabilities = probabilities_of(logits.cpu().numpy(), self.card.temperature)
        no_questions = [""] * len(prepared)
        return Outputs(
            probabilities=probabilities,
            other_cells=no_questions if self.other_cell is None else self.other_cell.reasons(averages, probabilities),
            refusals=self._refusals(averages, None if statistics is None else statistics.cpu().numpy(), prepared),
            heat_maps=None if maps is None else maps.cpu().numpy(),
        )

    def _refusals(
        self, averages: np.ndarray, statistics: np.ndarray | None, prepared: Sequence[np.ndarray]
    ) -> list[Refusal | None]:
        if isinstance(self.gate, CellGate):
            return self.gate.refusals(averages)
        if self.gate is None or statistics is None:
            return [None] * len(prepared)
        return self.gate.refusals(statistics, prepared)


class ElsewhereModel:
    """The weights for other laboratories, put on a device when the first image needs them."""

    def __init__(self, weights: LoadedWeights, *, device: str, precision: Precision, engine: EngineName) -> None:
        self.card, self.weights = weights.card, weights
        self._make = partial(ReadyModel, weights, device=device, precision=precision, engine=engine)
        self._model: ReadyModel | None = None
        self._lock = threading.Lock()

    @classmethod
    def for_weights(cls, card: WeightsCard, engine: Engine) -> "ElsewhereModel | None":
        """Return what answers where weights with this card do not, computed as they are; None: they always do.

        Raises:
            WeightsError: the weights that ship for it are missing or damaged.
        """
        if not knows_one_laboratory(card):
            return None
        name: EngineName = "openvino" if engine.name == "openvino" else "torch"
        weights = load_weights(SHIPPED_WEIGHTS / f"{ELSEWHERE_WEIGHTS}.safetensors")
        return cls(weights, device=engine.device.type, precision=engine.precision, engine=name)

    @property
    def model(self) -> ReadyModel:
        """Make it ready, once."""
        with self._lock:
            if self._model is None:
                self._model = self._make()
            return self._model

    def prepare(self, image: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 → (S, S, 3) uint8, as they read it."""
        return prepare_image(image, image_size_px=self.card.image_size_px, field_of_view=self.card.field_of_view)
