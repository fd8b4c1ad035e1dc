from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bloodcell.errors import WeightsError
from bloodcell.paths import ELSEWHERE_WEIGHTS, SHIPPED_WEIGHTS
from bloodcell.weights import elsewhere
from bloodcell.weights.answer_identity import answer_sha256
from bloodcell.weights.card import WeightsCard, read_card
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
    # Without a gate no other weights answer, whose own hash would count.
    of_own = answer_sha256(replace(_card(), gate={}), "fp32")
    assert of_own == "138537858a88ed9b8158a9543a96c1bf3cfdfa5c0bf387f418c455474e1db0cf"


def test_weights_that_answer_elsewhere_are_part_of_the_hash(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = answer_sha256(_card(), "fp32")
    other = replace(read_card(SHIPPED_WEIGHTS / f"{ELSEWHERE_WEIGHTS}.json"), temperature=9.0)
    (tmp_path / f"{ELSEWHERE_WEIGHTS}.json").write_bytes(other.to_json())
    monkeypatch.setattr(elsewhere, "SHIPPED_WEIGHTS", tmp_path)
    assert answer_sha256(_card(), "fp32") != before
    monkeypatch.setattr(elsewhere, "SHIPPED_WEIGHTS", tmp_path / "none")
    with pytest.raises(WeightsError, match="is missing beside the weights"):
        answer_sha256(_card(), "fp32")
