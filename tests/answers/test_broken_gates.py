"""Weights from elsewhere whose gate cannot refuse are refused when they are added, and nothing of them is kept."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bloodcell.answers.gate import Gate, stage_statistics
from bloodcell.answers.unlikeness import TRAITS
from bloodcell.errors import WeightsError
from bloodcell.models.registry import build_model
from bloodcell.paths import published_weights
from bloodcell.publishing.gate_fit import fit_gate
from bloodcell.weights.file import LoadedWeights, load_weights, save_weights
from bloodcell.weights.store import add_weights
from tests.weights.test_file import card_of

BROKEN_LOOKS = {trait.key: [0.0, float("nan")] for trait in TRAITS}
TURNED_LOOKS = {trait.key: [2.0, 1.0] for trait in TRAITS}


@pytest.fixture(scope="module")
def gated() -> LoadedWeights:
    """Weights with a gate."""
    torch.manual_seed(0)
    model = build_model("simple_cnn").eval()
    with torch.no_grad():
        statistics = stage_statistics(model.forward_stages(torch.rand(60, 3, 32, 32))).numpy()
    gate, _ = fit_gate(statistics[:48], np.arange(48) % 8, statistics[48:])
    return LoadedWeights(
        card=replace(card_of("simple_cnn", "theirs"), gate=gate.entries()), model=model, gate_tensors=gate.tensors()
    )


def files_of(weights: LoadedWeights, folder: Path) -> dict[str, bytes]:
    save_weights(folder, weights.card, weights.model.state_dict(), weights.gate_tensors)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_whole_gate_comes_along(gated: LoadedWeights, tmp_path: Path) -> None:
    add_weights(files_of(gated, tmp_path / "elsewhere"), "mine", check=Gate.of_weights)
    assert Gate.of_weights(load_weights("mine")) is not None


@pytest.mark.parametrize(
    "entries",
    [
        *({"threshold": value} for value in (float("nan"), float("inf"), -1, "far", None)),
        *({"training_looks": value} for value in (3, {}, {"brightness": [1, 2]}, BROKEN_LOOKS, TURNED_LOOKS)),
        *({"stages": value} for value in (0, -1, 1, 2.5, "3")),
    ],
    ids=str,
)
def test_a_card_whose_gate_cannot_refuse_is_refused(
    gated: LoadedWeights, entries: dict[str, object], tmp_path: Path
) -> None:
    card = replace(gated.card, gate={**gated.card.gate, **entries})
    with pytest.raises(WeightsError, match=r"gate of the weights 'theirs'|is not a finite number"):
        add_weights(files_of(replace(gated, card=card), tmp_path / "elsewhere"), "mine", check=Gate.of_weights)
    assert not published_weights().exists()


def test_a_gate_that_the_card_says_nothing_of_is_refused(gated: LoadedWeights, tmp_path: Path) -> None:
    card = replace(gated.card, gate={})
    with pytest.raises(WeightsError, match="carry a gate that their card does not describe"):
        add_weights(files_of(replace(gated, card=card), tmp_path / "elsewhere"), "mine", check=Gate.of_weights)


@pytest.mark.parametrize("spoilt", ["missing", "cut", "not a number"])
@pytest.mark.parametrize("name", ["centre", "whitening", "class_centres"])
def test_a_gate_whose_tensors_are_broken_is_refused(
    gated: LoadedWeights, name: str, spoilt: str, tmp_path: Path
) -> None:
    tensors = dict(gated.gate_tensors)
    if spoilt == "missing":
        del tensors[name]
    else:
        tensors[name] = tensors[name][..., :-1] if spoilt == "cut" else tensors[name] * torch.nan
    with pytest.raises(WeightsError, match=r"gate of the weights 'theirs'|not finite"):
        add_weights(
            files_of(replace(gated, gate_tensors=tensors), tmp_path / "elsewhere"), "mine", check=Gate.of_weights
        )
    assert not published_weights().exists()
