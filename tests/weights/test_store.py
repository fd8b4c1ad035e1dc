import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from bloodcell.errors import WeightsError
from bloodcell.models.registry import build_model
from bloodcell.paths import DEFAULT_WEIGHTS, SHIPPED_WEIGHTS, published_weights
from bloodcell.weights.card import read_card
from bloodcell.weights.file import load_weights, save_weights
from bloodcell.weights.measured_here import remember_measured
from bloodcell.weights.store import (
    add_weights,
    choose_default_weights,
    default_weights,
    delete_weights,
    list_weights,
)
from tests.weights.test_file import card_of


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLOODCELL_HOME", str(tmp_path / "home"))


@pytest.fixture
def pair(tmp_path: Path) -> dict[str, bytes]:
    """File name → content of a pair made elsewhere."""
    folder = tmp_path / "elsewhere"
    save_weights(folder, card_of("simple_cnn", "theirs"), build_model("simple_cnn").state_dict())
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_weights_that_ship_are_listed_first_and_without_a_problem() -> None:
    stored = list_weights()
    assert [weights.name for weights in stored] == sorted(path.stem for path in SHIPPED_WEIGHTS.glob("*.safetensors"))
    assert all(weights.ships and weights.card and not weights.problem for weights in stored)


def test_a_pair_from_elsewhere_answers_under_its_new_name(pair: dict[str, bytes]) -> None:
    card = add_weights(pair, "mine")
    assert card.name == "mine"
    assert load_weights("mine").card == card
    assert list_weights()[-1].name == "mine"
    assert not list_weights()[-1].ships


def test_figures_from_elsewhere_are_stated_until_they_were_measured_here(pair: dict[str, bytes]) -> None:
    card = add_weights(pair, "mine")
    assert [weights.measured_here for weights in list_weights()] == [True] * (len(list_weights()) - 1) + [False]
    remember_measured(card)
    assert list_weights()[-1].measured_here


def test_a_card_that_was_edited_states_again(pair: dict[str, bytes]) -> None:
    remember_measured(add_weights(pair, "mine"))
    path = published_weights() / "mine.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "metrics": {"test": {"accuracy": 1.0}}}))
    assert not list_weights()[-1].measured_here


@pytest.mark.parametrize("damage", [b"", b"[]", b"{", b'{"cards": 5}', b"\xff"])
def test_a_damaged_list_of_what_was_measured_states_nothing_too_much(damage: bytes, pair: dict[str, bytes]) -> None:
    remember_measured(add_weights(pair, "mine"))
    (published_weights() / "measured_here.json").write_bytes(damage)
    assert not list_weights()[-1].measured_here
    assert all(weights.measured_here for weights in list_weights() if weights.ships)


@pytest.mark.parametrize("name", ["", "../../escape", ".hidden", "a/b", "a\nb", "x" * 101])
def test_a_card_whose_name_looks_like_a_path_is_refused(name: str, pair: dict[str, bytes]) -> None:
    values = {**json.loads(pair["theirs.json"]), "name": name}
    with pytest.raises(WeightsError, match="'name' is no name"):
        add_weights({**pair, "theirs.json": json.dumps(values).encode()}, "mine")


def _without_card(pair: dict[str, bytes]) -> dict[str, bytes]:
    return {name: data for name, data in pair.items() if name.endswith(".safetensors")}


def _truncated(pair: dict[str, bytes]) -> dict[str, bytes]:
    return {name: data[:-10] if name.endswith(".safetensors") else data for name, data in pair.items()}


def _pickled(pair: dict[str, bytes]) -> dict[str, bytes]:
    return {**pair, "model.pth": b"\x80\x04."}


def _foreign(pair: dict[str, bytes]) -> dict[str, bytes]:
    return {**pair, "picture.png": b"\x89PNG"}


def _card_of_something_else(pair: dict[str, bytes]) -> dict[str, bytes]:
    return {**pair, "theirs.json": b'{"colour": "red"}'}


def _card_nested_without_end(pair: dict[str, bytes]) -> dict[str, bytes]:
    return {**pair, "theirs.json": b"[" * 200_000}


def _tensors_renamed_from_a_pickle(pair: dict[str, bytes]) -> dict[str, bytes]:
    return {**pair, "theirs.safetensors": b"PK\x03\x04 archive/data.pkl"}


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_without_card, "Two files are needed"),
        (_truncated, "damaged"),
        (_pickled, "can run foreign code"),
        (_foreign, r"picture\.png is neither"),
        (_card_of_something_else, "does not describe weights"),
        (_card_nested_without_end, "nested too deeply"),
        (_tensors_renamed_from_a_pickle, "damaged or does not belong"),
    ],
)
def test_files_that_cannot_answer_are_refused_and_leave_nothing(
    pair: dict[str, bytes], spoil: Callable[[dict[str, bytes]], dict[str, bytes]], reason: str
) -> None:
    with pytest.raises(WeightsError, match=reason):
        add_weights(spoil(pair), "mine")
    assert not published_weights().exists()


def test_numbers_of_an_unknown_type_are_a_sentence(pair: dict[str, bytes], tmp_path: Path) -> None:
    header = json.dumps({"x": {"dtype": "F4", "shape": [4], "data_offsets": [0, 2]}}).encode()
    data = len(header).to_bytes(8, "little") + header + b"\x00\x00"
    card = json.loads(pair["theirs.json"])
    card["tensors_sha256"] = hashlib.sha256(data).hexdigest()
    with pytest.raises(WeightsError, match="does not hold the tensors"):
        add_weights({"theirs.safetensors": data, "theirs.json": json.dumps(card).encode()}, "mine")


@pytest.mark.parametrize(
    ("name", "reason"),
    [(DEFAULT_WEIGHTS, "ship with the program"), ("../x", "cannot be a name"), ("Ä b", "cannot be a name")],
)
def test_a_name_that_cannot_be_taken_is_refused(pair: dict[str, bytes], name: str, reason: str) -> None:
    with pytest.raises(WeightsError, match=reason):
        add_weights(pair, name)


def test_a_name_of_the_users_own_weights_is_not_overwritten(pair: dict[str, bytes]) -> None:
    add_weights(pair, "mine")
    with pytest.raises(WeightsError, match="already"):
        add_weights(pair, "mine")


def test_weights_that_ship_cannot_be_deleted() -> None:
    with pytest.raises(WeightsError, match="cannot be deleted"):
        delete_weights(DEFAULT_WEIGHTS)
    assert load_weights(DEFAULT_WEIGHTS).card.name == DEFAULT_WEIGHTS


@pytest.mark.parametrize("name", ["nothing", "../weights/mine", "*"])
def test_weights_that_are_not_there_cannot_be_deleted(pair: dict[str, bytes], name: str) -> None:
    add_weights(pair, "mine")
    with pytest.raises(WeightsError, match="no weights named"):
        delete_weights(name)
    assert len(list(published_weights().iterdir())) == 2


def test_deleted_weights_leave_no_file_and_no_longer_answer(pair: dict[str, bytes]) -> None:
    add_weights(pair, "mine")
    choose_default_weights("mine")
    assert default_weights() == "mine"
    delete_weights("mine")
    assert list(published_weights().iterdir()) == []
    assert default_weights() == DEFAULT_WEIGHTS


def test_damaged_weights_are_listed_with_their_problem_and_cannot_be_chosen(pair: dict[str, bytes]) -> None:
    add_weights(pair, "mine")
    tensors = published_weights() / "mine.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:-1])
    assert "damaged" in list_weights()[-1].problem
    with pytest.raises(WeightsError, match="damaged"):
        choose_default_weights("mine")
    assert default_weights() == DEFAULT_WEIGHTS


@pytest.mark.parametrize("content", ["", "[]", '{"name": 7}', '{"name": "../x"}', "{}"])
def test_a_choice_that_cannot_be_read_leaves_the_weights_that_ship(tmp_path: Path, content: str) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "default_weights.json").write_text(content)
    assert default_weights() == DEFAULT_WEIGHTS


def test_the_tensors_of_added_weights_are_the_ones_that_were_given(pair: dict[str, bytes]) -> None:
    add_weights(pair, "mine")
    assert (published_weights() / "mine.safetensors").read_bytes() == pair["theirs.safetensors"]
    assert read_card(published_weights() / "mine.json").tensors_sha256
    assert all(torch.isfinite(tensor).all() for tensor in load_weights("mine").model.state_dict().values())
