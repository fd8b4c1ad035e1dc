"""A cell that is far from all eight classes gets the status other_cell, and no class."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bloodcell.answers.classifier import Classifier
from bloodcell.answers.labelled_table import LabelledRow, read_labelled_table, write_labelled_table
from bloodcell.answers.other_cell import OtherCellQuestion
from bloodcell.cell_classes import CLASS_COUNT
from bloodcell.errors import WeightsError
from bloodcell.images.open_image import open_image
from bloodcell.laboratories.verdict import tray_summary, tray_verdict
from bloodcell.models.registry import build_model
from bloodcell.paths import SHIPPED_WEIGHTS
from bloodcell.publishing.other_cell_fit import fit_other_cell, with_threshold
from bloodcell.weights.answer_identity import answer_sha256
from bloodcell.weights.file import LoadedWeights, load_weights, save_weights
from tests.weights.test_file import card_of

CHANNELS = 24


def clusters(count: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Averages of cells of all classes; class 7 lies in a direction of its own."""
    labels = np.arange(count) % CLASS_COUNT
    centres = 10 * np.eye(CLASS_COUNT, CHANNELS)
    return centres[labels] + np.random.default_rng(seed).normal(size=(count, CHANNELS)), labels


def test_the_threshold_flags_the_wanted_share_of_held_out_cells() -> None:
    question = fit_other_cell(*clusters(4000, seed=0), directions=16)
    held_out = clusters(2000, seed=1)[0]
    flagged = with_threshold(question, held_out, share=0.02).distances(held_out)
    assert np.mean(flagged > with_threshold(question, held_out, share=0.02).threshold) == pytest.approx(0.02)


def test_a_class_that_was_left_out_is_far_from_all_others() -> None:
    averages, labels = clusters(4000, seed=0)
    question = fit_other_cell(averages[labels != 7], labels[labels != 7], directions=16)
    held_out, truth = clusters(800, seed=1)
    question = with_threshold(question, held_out[truth != 7], share=0.02)
    probabilities = np.full((800, CLASS_COUNT), 1 / CLASS_COUNT)
    reasons = np.array(question.reasons(held_out, probabilities))
    assert (reasons[truth == 7] != "").mean() > 0.95
    assert (reasons[truth != 7] != "").mean() < 0.03


def test_the_reason_names_the_distance_and_the_nearest_classes() -> None:
    question = replace(fit_other_cell(*clusters(400, seed=0)), threshold=5.0)
    probabilities = np.array([[0.1, 0.6, 0.0, 0.0, 0.3, 0.0, 0.0, 0.0]])
    (reason,) = question.reasons(np.full((1, CHANNELS), 90.0), probabilities)
    assert reason.startswith("perhaps none of the eight classes (distance ")
    assert reason.endswith("their cells have 5.0 or less); nearest eosinophil, then lymphocyte")


def test_averages_that_are_no_number_are_flagged() -> None:
    question = replace(fit_other_cell(*clusters(400, seed=0)), threshold=5.0)
    assert question.reasons(np.full((1, CHANNELS), np.nan), np.full((1, 8), 1 / 8)) != [""]


@pytest.fixture(scope="module")
def asked() -> LoadedWeights:
    """Weights whose question flags every image, so that what follows from it is seen."""
    torch.manual_seed(0)
    model = build_model("simple_cnn").eval()
    with torch.no_grad():
        averages = model.forward_features(torch.rand(80, 3, 32, 32)).mean(dim=(2, 3)).numpy()
    question = replace(fit_other_cell(averages, np.arange(80) % CLASS_COUNT), threshold=1e-6)
    card = replace(card_of("simple_cnn", "theirs"), gate=question.entries())
    return LoadedWeights(card=card, model=model, gate_tensors=question.tensors())


def without_gate(weights: LoadedWeights, monkeypatch: pytest.MonkeyPatch) -> Classifier:
    monkeypatch.setattr("bloodcell.answers.ready_model.gate_of", lambda weights: None)
    return Classifier(weights, device="cpu")


def test_a_flagged_cell_has_probabilities_and_no_class(asked: LoadedWeights, monkeypatch: pytest.MonkeyPatch) -> None:
    classifier = without_gate(asked, monkeypatch)
    (row,) = classifier.rows([np.full((64, 64, 3), 200, np.uint8)])
    assert row.status == "other_cell"
    assert row.predicted is None
    assert row.confidence is None
    assert row.probabilities is not None
    assert "nearest" in row.reason
    verdict = tray_verdict([row], classifier.card)
    assert (verdict.cells, verdict.no_cells) == (1, 0)
    assert tray_summary([row], verdict)["statuses"]["other_cell"] == 1


def test_the_question_comes_back_from_a_file_and_decides_the_answer_hash(asked: LoadedWeights, tmp_path: Path) -> None:
    save_weights(tmp_path, asked.card, asked.model.state_dict(), asked.gate_tensors)
    loaded = load_weights(tmp_path / "theirs.safetensors")
    question = OtherCellQuestion.of_weights(loaded)
    assert question is not None
    assert question.threshold == pytest.approx(1e-6)
    other = replace(loaded.card, gate={"other_cell": {"threshold": 2.0}})
    assert answer_sha256(other, "fp32") != answer_sha256(loaded.card, "fp32")


@pytest.mark.parametrize("threshold", [0.0, -1.0, float("inf"), float("nan"), "far", None])
def test_a_threshold_that_cannot_flag_is_refused(asked: LoadedWeights, threshold: object) -> None:
    card = replace(asked.card, gate={"other_cell": {"threshold": threshold}})
    with pytest.raises(WeightsError, match="gate of the weights 'theirs'"):
        OtherCellQuestion.of_weights(replace(asked, card=card))


@pytest.mark.parametrize("name", ["centre", "directions", "class_centres"])
def test_tensors_that_do_not_fit_are_refused(asked: LoadedWeights, name: str) -> None:
    tensors = dict(asked.gate_tensors)
    tensors[f"other_cell.{name}"] = tensors[f"other_cell.{name}"][..., :-1]
    with pytest.raises(WeightsError, match="gate of the weights 'theirs'"):
        OtherCellQuestion.of_weights(replace(asked, gate_tensors=tensors))


def test_weights_without_the_question_ask_nothing() -> None:
    weights = LoadedWeights(card=card_of("simple_cnn", "plain"), model=build_model("simple_cnn").eval())
    assert OtherCellQuestion.of_weights(weights) is None


@pytest.mark.real_images
def test_a_flagged_cell_of_another_laboratory_says_both_and_counts_as_unlike(
    monkeypatch: pytest.MonkeyPatch, real_data_folder: Path
) -> None:
    classifier = Classifier.load("unet_encoder", device="cpu")
    elsewhere = classifier._elsewhere
    assert elsewhere is not None
    question = elsewhere.model.other_cell
    assert question is not None
    monkeypatch.setattr(elsewhere.model, "other_cell", replace(question, threshold=1e-6))
    image = open_image(next((real_data_folder / "labs/lisc/neutrophil").iterdir()).read_bytes())
    (row,) = classifier.rows([image])
    assert row.status == "other_cell"
    assert row.predicted is None
    assert "none of the eight" in row.reason
    assert "unlike the images" in row.reason
    verdict = tray_verdict([row], classifier.card)
    assert (verdict.cells, verdict.unlike) == (1, 1)


def test_a_flagged_cell_comes_back_from_a_labelled_table_without_a_class(
    asked: LoadedWeights, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (row,) = without_gate(asked, monkeypatch).rows([np.full((64, 64, 3), 200, np.uint8)])
    write_labelled_table([LabelledRow(prediction=replace(row, file="a.png"), label=1, sha256="0")], tmp_path / "t.csv")
    assert read_labelled_table(tmp_path / "t.csv").has_no_class.tolist() == [True]


@pytest.mark.parametrize("count", [60, 2000])
def test_silent_channels_and_few_images_do_not_decide(count: int) -> None:
    averages, labels = clusters(count, seed=0)
    averages[:, -3:] = 0.0
    question = fit_other_cell(averages, labels)
    held_out = clusters(400, seed=1)[0]
    held_out[:, -3:] = 0.0
    question = with_threshold(question, held_out, share=0.02)
    assert question.threshold < 100
    held_out[:, -1] = 0.01
    assert (question.distances(held_out) > question.threshold).mean() < 0.05


@pytest.mark.parametrize("name", sorted(path.stem for path in SHIPPED_WEIGHTS.glob("*.safetensors")))
def test_all_weights_that_ship_ask_it(name: str) -> None:
    assert OtherCellQuestion.of_weights(load_weights(name)) is not None
