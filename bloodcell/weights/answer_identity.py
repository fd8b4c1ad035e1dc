"""What an answer came from: the hash of everything that decides it, and what computed it."""

import hashlib
import json
from dataclasses import dataclass
from typing import Literal

from bloodcell.weights.card import WeightsCard
from bloodcell.weights.elsewhere import elsewhere_card

ComputedPrecision = Literal["fp32", "bf16"]
"""Of the convolutions, as an answer was computed; never 'auto', which another process may decide otherwise."""
COMPUTED_PRECISIONS: tuple[ComputedPrecision, ...] = ("fp32", "bf16")
_DECIDING_GATE_ENTRIES = ("threshold", "stages", "kind", "other_cell")
"""Of a card's gate; the others tell what it was fitted to."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AnsweredBy:
    """What stands beside every answer, so that it can be had again."""

    answer_sha256: str
    """See `answer_sha256`; equal answers' settings have equal hashes."""
    precision: ComputedPrecision
    engine: str
    """'torch' or 'openvino'."""

    @classmethod
    def of(cls, card: WeightsCard, *, precision: ComputedPrecision, engine: str) -> "AnsweredBy":
        """Return what a card's weights answer with, computed in a precision by an engine."""
        return cls(answer_sha256=answer_sha256(card, precision), precision=precision, engine=engine)


def answer_sha256(card: WeightsCard, precision: ComputedPrecision) -> str:
    """Return the hash, hexadecimal, of all that decides an answer but the image and the engine.

    It covers the tensors with those of the gate, the model, the order of the classes, temperature, review threshold,
    the gate's limits, preprocessing (image size, field of view, mean, deviation) and precision, and the same of the
    weights that answer where these do not. It does not cover the name of the weights, nor what their card tells of
    them.

    Raises:
        WeightsError: the weights that ship to answer where these do not are missing or damaged.
    """
    elsewhere = elsewhere_card(card)
    deciding = {
        "tensors_sha256": card.tensors_sha256,
        "model": str(card.model),
        "class_keys": list(card.class_keys),
        "temperature": float(card.temperature),
        "review_threshold": float(card.review_threshold),
        "gate": {key: card.gate[key] for key in _DECIDING_GATE_ENTRIES if key in card.gate},
        "image_size_px": card.image_size_px,
        "field_of_view": float(card.field_of_view),
        "mean": [float(value) for value in card.mean],
        "std": [float(value) for value in card.std],
        "precision": precision,
        **({} if elsewhere is None else {"elsewhere": answer_sha256(elsewhere, precision)}),
    }
    return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()
