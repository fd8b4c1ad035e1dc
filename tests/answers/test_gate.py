import io
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from bloodcell.answers.classifier import Classifier
from bloodcell.answers.gate import Gate, stage_statistics
from bloodcell.answers.reading_ahead import ImageSource
from bloodcell.answers.unlikeness import UNLIKE_TRAINING
from bloodcell.cell_classes import CLASS_COUNT
from bloodcell.datasets.drawn_cells import draw_cell
from bloodcell.datasets.folder_scan import scan_dataset
from bloodcell.errors import WeightsError
from bloodcell.images.open_image import open_image
from bloodcell.model_settings import NAMED_MODELS
from bloodcell.models.registry import build_model
from bloodcell.publishing.gate_fit import HELD_OUT_QUANTILE, MARGIN, fit_gate
from bloodcell.weights.file import LoadedWeights, load_weights
from tests.answers.computing import needs_bf16

STATUSES = ("ok", "review")


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    """The weights that ship."""
    return Classifier.load("unet_encoder", device="cpu")


def source_of(image: np.ndarray) -> ImageSource:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    return ImageSource(name="a.png", read=stream.getvalue)


def refusals(classifier: Classifier, images: Iterable[np.ndarray]) -> list[str]:
    """Why each image is refused; empty where it is not."""
    return [row.reason if row.status == "refused" else "" for row in classifier.rows(list(images))]


def refused_share(classifier: Classifier, images: Iterable[np.ndarray]) -> float:
    return float(np.mean([reason != "" for reason in refusals(classifier, images)]))


def clusters(count: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Statistics of images of two classes, one of them stretched in one direction."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    points = random.normal(size=(count, 6)) * [5, 1, 1, 1, 1, 0.1] + 20 * labels[:, None]
    return points, labels


def test_the_threshold_lies_a_margin_beyond_the_wanted_share_of_images_that_were_held_out() -> None:
    points, labels = clusters(4000)
    gate, scores = fit_gate(points, labels, clusters(1000, seed=1)[0])
    assert len(scores) == 5000
    assert np.mean(scores * MARGIN <= 1) == pytest.approx(HELD_OUT_QUANTILE, abs=2e-4)
    assert HELD_OUT_QUANTILE <= np.mean(gate.scores(clusters(20_000, seed=2)[0]) <= 1) < 1


def test_distances_count_in_units_of_the_spread_in_each_direction() -> None:
    points, labels = clusters(4000)
    gate, _ = fit_gate(points, labels, points[:100])
    wide, narrow = np.zeros((2, 6))
    wide[0], narrow[5] = 10, 10
    assert gate.distances(wide[None])[0] == pytest.approx(2, abs=0.3)
    assert gate.distances(narrow[None])[0] > 50


def test_between_two_classes_is_outside_of_both() -> None:
    points, labels = clusters(4000)
    gate, _ = fit_gate(points, labels, points[:100])
    assert gate.scores(np.full((1, 6), 10.0))[0] > 1 > gate.scores(np.full((1, 6), 20.0))[0]


def test_a_class_without_images_is_no_obstacle() -> None:
    points, labels = clusters(200)
    gate, _ = fit_gate(points, labels * 5, points[:50])
    assert gate.class_centres.shape == (2, 6)


def test_a_score_above_one_is_refused_with_a_reason_and_so_is_what_is_no_number() -> None:
    points, labels = clusters(200)
    gate, _ = fit_gate(points, labels, points[:50])
    images = [np.zeros((32, 32, 3), dtype=np.uint8)] * 3
    statistics = np.stack([points[0], points[0] + 1000, np.full(6, np.nan)])
    refused = gate.refusals(statistics, images)
    assert [None if one is None else one.reason for one in refused] == [None, UNLIKE_TRAINING, UNLIKE_TRAINING]


@pytest.mark.parametrize("name", NAMED_MODELS)
def test_statistics_are_average_and_spread_of_the_first_stages_of_every_model(name: str) -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        maps = build_model(name).eval().forward_stages(torch.rand(2, 3, 32, 32))
        statistics = stage_statistics(maps)
    assert statistics.shape == (2, 2 * sum(features.shape[1] for features in maps[:3]))
    channel = maps[0][1, 3]
    assert statistics[1, 3].item() == pytest.approx(channel.mean().sqrt().item(), rel=1e-4)
    assert statistics[1, maps[0].shape[1] + 3].item() == pytest.approx(
        channel.std(correction=0).sqrt().item(), rel=1e-4
    )


def test_weights_without_a_gate_refuse_nothing() -> None:
    weights = load_weights("unet_encoder")
    plain = Classifier(
        LoadedWeights(card=replace(weights.card, gate={}), model=weights.model), device="cpu", precision="fp32"
    )
    row = next(iter(plain.answers([source_of(np.zeros((64, 64, 3), dtype=np.uint8))]))).row
    assert row.status in STATUSES


def test_a_gate_that_does_not_fit_its_model_is_a_sentence() -> None:
    weights = load_weights("unet_encoder")
    spoiled = {**weights.gate_tensors, "centre": torch.zeros(3)}
    with pytest.raises(WeightsError, match="does not fit its model"):
        Gate.of_weights(replace(weights, gate_tensors=spoiled))
    with pytest.raises(WeightsError, match="cannot be read"):
        Gate.of_weights(replace(weights, gate_tensors={}))
    for entries in ({"threshold": "much"}, {"threshold": 0.0}, {"stages": 0}, {"training_looks": None}):
        with pytest.raises(WeightsError, match="The gate of the weights"):
            Gate.of_weights(replace(weights, card=replace(weights.card, gate={**weights.card.gate, **entries})))


def test_drawn_cells_are_unlike_real_ones_and_never_sure(classifier: Classifier) -> None:
    drawn = [draw_cell(label, seed=seed) for label in range(CLASS_COUNT) for seed in range(5)]
    rows = classifier.rows(drawn)
    assert sum(row.is_unlike for row in rows) >= 38
    assert not [row for row in rows if row.is_unlike and row.status == "ok"]


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (240, 230, 225), (225, 180, 170), (60, 20, 90)])
def test_blank_glass_is_refused(classifier: Classifier, colour: tuple[int, int, int]) -> None:
    assert refusals(classifier, [np.full((360, 360, 3), colour, dtype=np.uint8)]) != [""]


def test_noise_stripes_and_boards_are_refused_with_what_differs(classifier: Classifier) -> None:
    random = np.random.default_rng(0)
    y, x = np.mgrid[:360, :360]
    noise = random.integers(0, 256, (360, 360, 3))
    stripes = np.repeat((np.sin(x / 7) > 0)[..., None] * 200, 3, axis=2)
    board = np.repeat((((x // 20) + (y // 20)) % 2)[..., None] * 255, 3, axis=2)
    images = [picture.astype(np.uint8) for picture in (noise, stripes, board)]
    for reason in refusals(classifier, images):
        assert reason.startswith("not recognised as a single cell (score −")
        assert f"; {UNLIKE_TRAINING}: " in reason


def test_a_refused_image_has_a_reason_and_probabilities_but_no_class(classifier: Classifier) -> None:
    blank = np.full((360, 360, 3), (240, 230, 225), dtype=np.uint8)
    answer = next(iter(classifier.answers([source_of(blank)], heat_maps=True)))
    assert answer.row.status == "refused"
    assert UNLIKE_TRAINING in answer.row.reason
    assert (answer.row.predicted, answer.row.confidence) == (None, None)
    assert answer.row.probabilities is not None
    assert answer.heat_maps is not None


@pytest.fixture(scope="module")
def real_cells(real_data_folder: Path) -> list[np.ndarray]:
    """Ten cells of each class that nothing was trained on."""
    files = scan_dataset(real_data_folder / "pbc_test").files
    chosen = [file for label in range(CLASS_COUNT) for file in [f for f in files if f.label == label][:10]]
    return [open_image(file.path.read_bytes()) for file in chosen]


@pytest.mark.real_images
def test_real_cells_pass(classifier: Classifier, real_cells: list[np.ndarray]) -> None:
    assert refusals(classifier, real_cells).count("") >= 79


@pytest.mark.real_images
def test_cells_far_out_of_focus_are_refused(classifier: Classifier, real_cells: list[np.ndarray]) -> None:
    blurred = [np.asarray(Image.fromarray(cell).filter(ImageFilter.GaussianBlur(20))) for cell in real_cells]
    assert refused_share(classifier, blurred) >= 0.95


@pytest.mark.real_images
def test_scores_depend_neither_on_the_batch_nor_on_the_order(
    classifier: Classifier, real_cells: list[np.ndarray]
) -> None:
    mixed = [*real_cells[:8], draw_cell(0, seed=0), np.zeros((64, 64, 3), dtype=np.uint8)]
    together = refusals(classifier, mixed)
    assert together == [refusals(classifier, [image])[0] for image in mixed]
    assert together[::-1] == refusals(classifier, mixed[::-1])


@needs_bf16
@pytest.mark.real_images
def test_both_precisions_decide_alike(real_cells: list[np.ndarray], real_data_folder: Path) -> None:
    fields = sorted((real_data_folder / "bccd" / "JPEGImages").iterdir())[:20]
    images = [*real_cells, *(open_image(path.read_bytes()) for path in fields)]
    decisions = [
        [
            reason != ""
            for reason in refusals(Classifier.load("unet_encoder", device="cpu", precision=precision), images)
        ]
        for precision in ("fp32", "bf16")
    ]
    assert decisions[0] == decisions[1]


@pytest.mark.real_images
def test_whole_fields_of_another_laboratory_are_never_shown_as_sure(
    classifier: Classifier, real_data_folder: Path
) -> None:
    fields = sorted((real_data_folder / "bccd" / "JPEGImages").iterdir())[::10]
    sources = [ImageSource(name=path.name, read=path.read_bytes) for path in fields]
    statuses = [answer.row.status for answer in classifier.answers(sources)]
    assert statuses.count("ok") <= 0.05 * len(statuses)
