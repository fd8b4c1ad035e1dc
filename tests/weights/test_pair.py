"""Writing weights is killed at every step of it: what is read afterwards is one pair or the other, never a mixture."""

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bloodcell.models.registry import build_model
from bloodcell.paths import published_weights
from bloodcell.runs.run_folder import RunFolder
from bloodcell.weights.card import read_card
from bloodcell.weights.file import load_weights, save_weights
from bloodcell.weights.pair import settle_pair
from bloodcell.weights.store import add_weights, delete_weights, list_weights
from tests.weights.test_file import card_of

STEPS = 3
"""Files that take their place, one after the other."""


def killed_at(step: int, write: Callable[[], object], *, event: str = "os.rename") -> None:
    """Do it in a process of its own that dies just before its n-th file takes its place."""
    child = os.fork()
    if child == 0:
        left = step

        def die(name: str, _: object) -> None:
            nonlocal left
            left -= name == event
            if left == 0 and name == event:
                os._exit(9)

        sys.addaudithook(die)
        write()
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status == 9, "the process ended before that step"


def save(folder: Path, value: float) -> None:
    """Write weights whose card and tensors both say `value`."""
    tensors = {key: torch.full_like(tensor, value) for key, tensor in build_model("simple_cnn").state_dict().items()}
    save_weights(folder, replace(card_of("simple_cnn"), licence=str(value)), tensors)


def value_of(path: Path) -> float:
    loaded = load_weights(path)
    assert loaded.card == read_card(path) == read_card(path.with_suffix(".json"))
    value = loaded.model.classifier.bias[0].item()
    assert float(loaded.card.licence) == value
    return value


@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_weights_that_are_replaced_are_the_old_or_the_new_ones_wherever_the_writer_dies(
    step: int, tmp_path: Path
) -> None:
    path = tmp_path / "mine.safetensors"
    save(tmp_path, 1)
    killed_at(step, lambda: save(tmp_path, 2))
    found = value_of(path)
    assert found == (2 if step == 3 else 1)
    killed_at(step, lambda: save(tmp_path, 3))
    assert value_of(path) == (3 if step == 3 else 1)
    save(tmp_path, 4)
    assert value_of(path) == 4
    assert sorted(file.suffix for file in tmp_path.iterdir() if not file.name.startswith(".")) == [
        ".json", ".safetensors",
    ]  # fmt: skip
    assert not list(tmp_path.glob(".mine.*.json"))


@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_weights_that_are_added_are_there_or_not_wherever_the_writer_dies(step: int, tmp_path: Path) -> None:
    save(tmp_path, 1)
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    killed_at(step, lambda: add_weights(files, "theirs"))
    added = {weights.name: weights for weights in list_weights() if not weights.ships}
    assert set(added) == ({"theirs"} if step == 3 else set())
    if added:
        assert not added["theirs"].problem
        assert load_weights("theirs").card.name == "theirs"
        delete_weights("theirs")
        assert not list(published_weights().glob("*theirs*.json"))
    assert add_weights(files, "theirs").name == "theirs"


def test_a_resumed_run_keeps_the_card_of_its_best_weights(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    save_best = dict(build_model("simple_cnn").state_dict())
    save_weights(run.path, card_of("simple_cnn", "best"), save_best)
    save_best["classifier.bias"] = torch.arange(8.0)
    killed_at(3, lambda: save_weights(run.path, replace(card_of("simple_cnn", "best"), licence="new"), save_best))
    with run.locked():
        assert load_weights(run.best).card.licence == "new"
        assert [path.name for path in run.path.iterdir() if path.name.startswith(".")] == [".lock"]


def test_settling_leaves_a_pair_that_is_whole_as_it_is(tmp_path: Path) -> None:
    save(tmp_path, 1)
    killed_at(2, lambda: save(tmp_path, 2))
    settle_pair(tmp_path / "mine.safetensors")
    assert value_of(tmp_path / "mine.safetensors") == 1
