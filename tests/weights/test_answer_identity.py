from dataclasses import replace
from typing import Any

import pytest

from bloodcell.weights.answer_identity import answer_sha256
from bloodcell.weights.card import WeightsCard
from tests.weights.test_file import card_of

GATE = {"threshold": 9.5, "far": 2.15, "stages": 3, "held_out": 640}


def _card() -> WeightsCard:
    return replace(card_of("simple_cnn"), tensors_sha256="ab12", gate=GATE)


@pytest.mark.parametrize(
    "changes",
    [
        {"tensors_sha256": "ab13"},
        {"temperature": 1.7},
        {"review_threshold": 0.6},
        {"gate": {}},
        {"gate": {**GATE, "threshold": 9.6}},
        {"gate": {**GATE, "stages": 2}},
        {"image_size_px": 200},
        {"field_of_view": 0.5},
        {"mean": (0.1, 0.2, 0.3)},
        {"std": (0.1, 0.2, 0.3)},
        {"model": "deep_cnn"},
        {"class_keys": ("a", "b")},
    ],
)
def test_whatever_decides_an_answer_changes_its_hash(changes: dict[str, Any]) -> None:
    assert answer_sha256(replace(_card(), **changes), "fp32") != answer_sha256(_card(), "fp32")


def test_each_precision_has_a_hash_of_its_own() -> None:
    assert answer_sha256(_card(), "fp32") != answer_sha256(_card(), "bf16")


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "renamed"},
        {"licence": "another"},
        {"metrics": {"test": {"n": 1}}},
        {"gate": {**GATE, "held_out": 3}},
        {"gate": {**GATE, "far": 3.0}},
        {"gate": {**GATE, "training_looks": {"brightness": [0.1, 0.9]}}},
        {"temperature": 1},
    ],
)
def test_what_a_card_only_tells_does_not_change_it(changes: dict[str, Any]) -> None:
    assert answer_sha256(replace(_card(), **changes), "bf16") == answer_sha256(_card(), "bf16")


def test_the_hash_of_given_settings_is_the_same_in_every_version() -> None:
    assert answer_sha256(_card(), "fp32") == "d4740a00965e9a8fa46bc6da93df28a0b0ccd442f71d803d5456493e38063eb0"
