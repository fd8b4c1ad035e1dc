import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from bloodcell.answers.classifier import Classifier
from bloodcell.answers.unlikeness import TRAITS, UNLIKE_TRAINING, TrainingLooks, measured_traits
from bloodcell.datasets.drawn_cells import draw_cell
from bloodcell.datasets.folder_scan import scan_dataset
from bloodcell.images.model_input import prepare_image
from bloodcell.images.open_image import open_image

SIDE_PX = 128
Change = Callable[[np.ndarray], np.ndarray]


def drawn(label: int, seed: int) -> np.ndarray:
    return prepare_image(draw_cell(label, seed=seed), image_size_px=SIDE_PX)


@pytest.fixture(scope="module")
def looks() -> TrainingLooks:
    """Of forty drawn basophils."""
    images = [drawn(0, seed) for seed in range(40)]
    return TrainingLooks.of_traits(np.stack([measured_traits(image) for image in images]))


def tinted(*factors: float) -> Change:
    return lambda image: np.clip(image * np.array(factors), 0, 255).astype(np.uint8)


def blurred(image: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(3)))


def tiled_at_a_quarter(image: np.ndarray) -> np.ndarray:
    return np.tile(image[::4, ::4], (4, 4, 1))


def grey(image: np.ndarray) -> np.ndarray:
    return np.repeat(np.asarray(Image.fromarray(image).convert("L"))[..., None], 3, axis=2)


def pale(image: np.ndarray) -> np.ndarray:
    light = np.quantile(image, 0.9, axis=(0, 1))
    return (light + (image - light) * 0.2).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (tinted(0.6, 0.6, 0.6), "darker background (brightness "),
        (tinted(1, 1, 0.7), "yellower background (green minus blue "),
        (tinted(0.8, 1, 1), "less red background (red minus green "),
        (blurred, "less sharp (fine detail "),
        (tiled_at_a_quarter, "smaller structures (their size "),
        (grey, "grey, without colour (mean colour 0; in training "),
        (pale, "paler (bright minus dark "),
    ],
)
def test_what_was_changed_is_named_with_its_figures(looks: TrainingLooks, change: Change, words: str) -> None:
    reason = looks.reason(measured_traits(change(drawn(0, 77))))
    assert reason.startswith(f"{UNLIKE_TRAINING}: ")
    assert words in reason
    assert "; in training " in reason.partition(words)[2]


def test_at_most_three_differences_are_named_the_largest_first(looks: TrainingLooks) -> None:
    reason = looks.reason(measured_traits(tinted(0.2, 0.25, 0.3)(blurred(drawn(0, 77)))))
    assert reason.count("; in training ") == 3
    assert [reason.index(words) for words in ("less sharp", "paler", "darker")] == sorted(
        reason.index(words) for words in ("less sharp", "paler", "darker")
    )


def test_where_nothing_that_is_measured_differs_the_reason_says_so(looks: TrainingLooks) -> None:
    reason = looks.reason(measured_traits(drawn(0, 2)))
    assert reason == (
        f"{UNLIKE_TRAINING}, although its colour, brightness, contrast, sharpness and scale lie within their range"
    )


def test_what_a_card_holds_is_read_as_it_was_written(looks: TrainingLooks) -> None:
    again = TrainingLooks.from_entries(looks.entries())
    assert np.allclose(again.low, looks.low, atol=1e-4)
    assert np.allclose(again.high, looks.high, atol=1e-4)


def test_an_image_of_one_colour_is_measured_too() -> None:
    traits = dict(zip((trait.key for trait in TRAITS), measured_traits(np.zeros((32, 32, 3), np.uint8)), strict=True))
    assert set(traits.values()) == {0.0}


@pytest.mark.parametrize("name", ["unet_encoder", "deep_cnn", "simple_cnn"])
def test_weights_that_ship_know_how_their_training_images_look(name: str) -> None:
    reasons = [row.reason for row in Classifier.load(name, device="cpu").rows([np.zeros((64, 64, 3), np.uint8)])]
    assert all("darker background (brightness 0; in training 2" in reason for reason in reasons)


@pytest.mark.real_images
def test_sound_cells_of_a_foreign_laboratory_are_said_to_differ_and_not_to_be_no_cells(real_data_folder: Path) -> None:
    files = random.Random(0).sample(scan_dataset(real_data_folder / "labs" / "chula").files, 24)
    rows = Classifier.load("unet_encoder", device="cpu").rows([open_image(file.path.read_bytes()) for file in files])
    unlike = [row.reason for row in rows if row.is_unlike and row.status == "review"]
    assert len(unlike) >= 20
    assert not [reason for reason in unlike if "not a" in reason or "no single cell" in reason]
    assert all("darker background (brightness " in reason for reason in unlike)
    assert all(reason.endswith("; class by any_laboratory, for review") for reason in unlike)


@pytest.mark.real_images
def test_a_cell_that_was_saved_in_grey_is_said_to_be_grey(real_data_folder: Path) -> None:
    files = scan_dataset(real_data_folder / "pbc_test").files[::100]
    rows = Classifier.load("unet_encoder", device="cpu").rows(
        [grey(open_image(file.path.read_bytes())) for file in files]
    )
    unlike = [row.reason for row in rows if row.is_unlike]
    assert unlike
    assert all(f"{UNLIKE_TRAINING}: grey, without colour " in reason for reason in unlike)
