import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bloodcell.errors import WeightsError
from bloodcell.model_settings import NAMED_MODELS, UNetEncoderSettings
from bloodcell.models.registry import build_model
from bloodcell.weights.card import WeightsCard, weights_names
from bloodcell.weights.file import load_weights, save_weights, stored_tensors


def card_of(model: str, name: str = "mine") -> WeightsCard:
    return WeightsCard(
        name=name,
        model=model,
        image_size_px=32,
        field_of_view=0.75,
        recipe={},
        training_data={},
        metrics={},
        hardware="",
        code_version="",
        licence="",
    )


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    """A pair of weights; the path of the tensors."""
    save_weights(tmp_path, card_of("simple_cnn"), build_model("simple_cnn").state_dict())
    return tmp_path / "mine.safetensors"


@pytest.mark.parametrize("name", NAMED_MODELS)
def test_weights_survive_a_round_trip(name: str, tmp_path: Path) -> None:
    model = build_model(name)
    written = save_weights(tmp_path, card_of(name), model.state_dict())
    loaded = load_weights(tmp_path / "mine.safetensors")
    assert loaded.card == written
    assert all(torch.equal(tensor, model.state_dict()[key]) for key, tensor in loaded.model.state_dict().items())
    assert not loaded.model.training


def test_half_precision_is_read_as_single(tmp_path: Path) -> None:
    tensors = {k: v.half() if v.is_floating_point() else v for k, v in build_model("simple_cnn").state_dict().items()}
    save_weights(tmp_path, card_of("simple_cnn"), tensors)
    model = load_weights(tmp_path / "mine.safetensors").model
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_weights_without_their_card_are_refused(pair: Path) -> None:
    pair.with_suffix(".json").unlink()
    with pytest.raises(WeightsError, match=r"mine\.json is missing"):
        load_weights(pair)


def test_truncated_weights_are_refused(pair: Path) -> None:
    pair.write_bytes(pair.read_bytes()[:-100])
    with pytest.raises(WeightsError, match="damaged"):
        load_weights(pair)


def test_one_changed_byte_is_noticed(pair: Path) -> None:
    data = bytearray(pair.read_bytes())
    data[-1] ^= 1
    pair.write_bytes(data)
    with pytest.raises(WeightsError, match="damaged"):
        load_weights(pair)


def test_tensors_of_another_model_are_refused(tmp_path: Path) -> None:
    save_weights(tmp_path, card_of("deep_cnn"), build_model("simple_cnn").state_dict())
    with pytest.raises(WeightsError, match="does not hold the tensors of the model 'deep_cnn'"):
        load_weights(tmp_path / "mine.safetensors")


def test_tensors_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    tensors = build_model("simple_cnn").state_dict()
    tensors["classifier.bias"] = torch.full_like(tensors["classifier.bias"], float("nan"))
    save_weights(tmp_path, card_of("simple_cnn"), tensors)
    with pytest.raises(WeightsError, match="not finite"):
        load_weights(tmp_path / "mine.safetensors")


def test_a_foreign_safetensors_file_with_its_hash_is_refused(tmp_path: Path) -> None:
    save_weights(tmp_path, card_of("simple_cnn"), {"x": torch.zeros(3)})
    with pytest.raises(WeightsError, match="does not hold the tensors"):
        load_weights(tmp_path / "mine.safetensors")


@pytest.mark.parametrize("suffix", ["pt", "pth", "pkl", "onnx"])
def test_formats_that_can_run_code_are_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"weights.{suffix}"
    path.write_bytes(b"x")
    with pytest.raises(WeightsError, match="foreign code"):
        load_weights(path)


def test_a_file_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="do not exist"):
        load_weights(tmp_path / "nothing.safetensors")


def test_an_unknown_name_is_a_sentence() -> None:
    with pytest.raises(WeightsError, match="no weights named 'nothing'"):
        load_weights("nothing")


@pytest.mark.parametrize(
    ("entry", "value", "reason"),
    [
        ("format_version", 99, "format version"),
        ("model", "resnet", "known model"),
        ("class_keys", ["a", "b"], "eight classes"),
        ("mean", [0.5], "three channels"),
        ("std", [0.0, 1.0, 1.0], "three channels"),
        ("image_size_px", "128", "image_size_px"),
        ("image_size_px", 64.5, "image_size_px"),
        ("std", 0.2, "std"),
        ("mean", [0.1, 0.2, float("nan")], "mean"),
        ("model", {}, "model"),
        ("name", 7, "name"),
        ("temperature", float("inf"), "temperature"),
        ("review_threshold", 5, "review threshold"),
        ("image_size_px", 5, "out of range"),
        ("temperature", 0, "out of range"),
        ("colour", "red", "unknown entries"),
    ],
)
def test_a_card_that_cannot_be_used_says_why(pair: Path, entry: str, value: object, reason: str) -> None:
    path = pair.with_suffix(".json")
    path.write_text(json.dumps({**json.loads(path.read_text()), entry: value}))
    with pytest.raises(WeightsError, match=reason):
        load_weights(pair)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"name": "x"}'])
def test_a_file_that_is_no_card_is_refused(pair: Path, content: str) -> None:
    pair.with_suffix(".json").write_text(content)
    with pytest.raises(WeightsError, match="does not describe weights"):
        load_weights(pair)


def test_published_weights_are_found_by_name(pair: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    (home / "weights").mkdir(parents=True)
    for path in (pair, pair.with_suffix(".json")):
        shutil.copy(path, home / "weights")
    monkeypatch.setenv("BLOODCELL_HOME", str(home))
    assert "mine" in weights_names()
    assert load_weights("mine").card.name == "mine"


def test_weights_that_ship_cannot_be_shadowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = build_model("simple_cnn").state_dict()
    save_weights(tmp_path / "weights", card_of("simple_cnn", name="unet_encoder"), tensors)
    monkeypatch.setenv("BLOODCELL_HOME", str(tmp_path))
    assert load_weights("unet_encoder").card.model == UNetEncoderSettings()
    assert weights_names().count("unet_encoder") == 1


def test_a_card_survives_a_round_trip() -> None:
    card = replace(card_of("deep_cnn"), metrics={"validation": {"n": 3}}, temperature=0.7)
    assert WeightsCard.from_json(card.to_json()) == card


def test_a_gate_travels_with_the_weights_and_not_into_the_model(tmp_path: Path) -> None:
    card = replace(card_of("simple_cnn"), gate={"threshold": 2.0})
    model = build_model("simple_cnn")
    written = save_weights(tmp_path, card, model.state_dict(), {"centre": torch.arange(3.0)})
    loaded = load_weights(tmp_path / "mine.safetensors")
    assert loaded.card == written
    assert loaded.card.gate == {"threshold": 2.0}
    assert torch.equal(loaded.gate_tensors["centre"], torch.arange(3.0))
    assert set(stored_tensors(tmp_path / "mine.safetensors")) == set(model.state_dict())


def test_a_gate_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    tensors = build_model("simple_cnn").state_dict()
    save_weights(tmp_path, card_of("simple_cnn"), tensors, {"centre": torch.full((3,), float("nan"))})
    with pytest.raises(WeightsError, match="not finite"):
        load_weights(tmp_path / "mine.safetensors")


def test_cards_from_before_there_was_a_gate_are_read(pair: Path) -> None:
    path = pair.with_suffix(".json")
    values = json.loads(path.read_text())
    del values["gate"]
    path.write_text(json.dumps(values))
    assert load_weights(pair).card.gate == {}


def test_the_images_that_weights_know_travel_with_them_and_not_into_the_model(tmp_path: Path) -> None:
    model = build_model("simple_cnn")
    hashes = [f"{number:064x}"[::-1] for number in range(300)]
    save_weights(tmp_path, card_of("simple_cnn"), model.state_dict(), known_sha256=hashes)
    assert load_weights(tmp_path / "mine.safetensors").known_images == {sha256[:16] for sha256 in hashes}
    assert set(stored_tensors(tmp_path / "mine.safetensors")) == set(model.state_dict())


def test_weights_from_before_known_images_were_recorded_say_so(pair: Path) -> None:
    assert load_weights(pair).known_images is None


@pytest.mark.parametrize("stored", [torch.zeros(3, 8), torch.zeros(3, 7, dtype=torch.uint8)])
def test_known_images_that_are_no_hashes_are_refused(stored: torch.Tensor, tmp_path: Path) -> None:
    tensors = {**build_model("simple_cnn").state_dict(), "known_images": stored}
    save_weights(tmp_path, card_of("simple_cnn"), tensors)
    with pytest.raises(WeightsError, match="does not hold the tensors"):
        load_weights(tmp_path / "mine.safetensors")
