import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from bloodcell.answers.classifier import Classifier
from bloodcell.cell_classes import CLASS_KEYS
from bloodcell.datasets.drawn_cells import draw_cell
from bloodcell.errors import DatasetError, WeightsError
from bloodcell.images.model_input import as_images, prepare_image
from bloodcell.model_settings import NAMED_MODELS
from bloodcell.models.registry import build_model
from bloodcell.publishing.onnx_export import compare_with_program, export_onnx, images_to_compare, onnx_bytes
from bloodcell.weights.file import LoadedWeights, load_weights
from tests.weights.test_file import card_of


def untrained(model: str, **changes: object) -> LoadedWeights:
    torch.manual_seed(0)
    card = replace(card_of(model), temperature=0.7, **changes)
    return LoadedWeights(card=card, model=build_model(model).eval())


@pytest.mark.parametrize("model", NAMED_MODELS)
def test_every_model_becomes_a_file_that_answers_as_it_does(model: str, tmp_path: Path) -> None:
    parity = export_onnx(untrained(model), tmp_path / "out.onnx", images_to_compare(None, 8))
    assert parity.image_count == 8
    assert parity.largest_difference < 1e-5
    onnx.checker.check_model(onnx.load(tmp_path / "out.onnx"), full_check=True)


def test_whoever_reads_the_metadata_can_answer_as_the_program(tmp_path: Path) -> None:
    weights = load_weights("unet_encoder")
    export_onnx(weights, tmp_path / "out.onnx", images_to_compare(None, 8))
    session = onnxruntime.InferenceSession(tmp_path / "out.onnx", providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    side, field_of_view = int(metadata["image_size_px"]), float(metadata["field_of_view"])
    cells = [draw_cell(label, seed=5) for label in range(3)]
    prepared = np.stack([prepare_image(cell, image_size_px=side, field_of_view=field_of_view) for cell in cells])
    pixels = as_images(prepared).numpy().astype(np.float32) / 255
    answers = session.run(["probabilities"], {"images": pixels})[0]
    ours = Classifier(weights, device="cpu", precision="fp32").probabilities(cells)
    np.testing.assert_allclose(answers, ours, atol=1e-5)
    assert json.loads(metadata["class_keys"]) == list(CLASS_KEYS)
    assert metadata["weights_sha256"] == weights.card.tensors_sha256


def test_the_file_holds_no_path_of_the_machine_that_wrote_it() -> None:
    data, _ = onnx_bytes(untrained("simple_cnn"), images_to_compare(None, 2))
    assert str(Path(__file__).resolve().parents[2]).encode() not in data
    assert b"site-packages" not in data


def test_a_file_that_answers_otherwise_is_refused() -> None:
    compared = images_to_compare(None, 8)
    data, _ = onnx_bytes(untrained("simple_cnn"), compared)
    warmer = untrained("simple_cnn")
    with pytest.raises(WeightsError, match="answer otherwise"):
        compare_with_program(
            data, LoadedWeights(card=replace(warmer.card, temperature=0.01), model=warmer.model), compared
        )


def test_a_missing_package_is_a_sentence_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(WeightsError, match=r"not installed: onnxscript\. Install them with: pip install"):
        export_onnx(untrained("simple_cnn"), tmp_path / "out.onnx", images_to_compare(None, 2))
    assert list(tmp_path.iterdir()) == []


def test_images_of_a_dataset_are_taken_evenly_from_all_classes(drawn_dataset: Path) -> None:
    compared = images_to_compare(drawn_dataset, 16)
    assert len(compared.images) == 16
    assert compared.is_real
    assert len({image.tobytes() for image in compared.images}) == 16


def test_a_dataset_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DatasetError):
        images_to_compare(tmp_path / "nowhere")


@pytest.mark.real_images
def test_the_weights_that_ship_answer_alike_on_real_images(real_data_folder: Path) -> None:
    _, parity = onnx_bytes(load_weights("unet_encoder"), images_to_compare(real_data_folder / "pbc3200"))
    assert parity.image_count == 64
    assert parity.largest_difference <= 1e-3
    assert "64 images of the dataset" in parity.sentence()
