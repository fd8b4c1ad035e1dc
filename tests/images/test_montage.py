"""Seams between pictures that are put together, and what looks like one."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bloodcell.answers.classifier import MONTAGE, Classifier
from bloodcell.datasets.drawn_cells import draw_cell
from bloodcell.images.montage import is_montage


def beside(*pictures: np.ndarray) -> np.ndarray:
    return np.concatenate(pictures, axis=1)


def drawn(label: int, size_px: int = 160) -> np.ndarray:
    return draw_cell(label, seed=label, size_px=size_px)


def saved_again(image: np.ndarray, quality: int) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream).convert("RGB"))


@pytest.fixture(scope="module")
def cells(real_data_folder: Path) -> list[np.ndarray]:
    """Twenty-four real cells, three of each class."""
    files = [
        path for folder in sorted((real_data_folder / "pbc_test").iterdir()) for path in sorted(folder.iterdir())[:3]
    ]
    return [np.asarray(Image.open(path).convert("RGB").resize((200, 200))) for path in files]


@pytest.mark.parametrize("size_px", [64, 100, 130, 160, 300])
@pytest.mark.parametrize("quality", [95, 75])
def test_one_drawn_cell_is_no_montage(size_px: int, quality: int) -> None:
    found = [label for label in range(8) if is_montage(saved_again(drawn(label, size_px), quality))]
    assert found == []


@pytest.mark.real_images
@pytest.mark.parametrize("quality", [95, 60, 30])
def test_no_real_cell_is_a_montage_however_it_was_saved(cells: list[np.ndarray], quality: int) -> None:
    assert [number for number, cell in enumerate(cells) if is_montage(saved_again(cell, quality))] == []


@pytest.mark.real_images
@pytest.mark.parametrize("quality", [95, 60])
def test_four_real_cells_in_one_picture_are_a_montage(cells: list[np.ndarray], quality: int) -> None:
    for start in range(0, 24, 4):
        one, two, three, four = cells[start : start + 4]
        picture = np.concatenate([beside(one, two), beside(three, four)])
        assert is_montage(saved_again(picture, quality)), start


@pytest.mark.real_images
def test_cells_one_above_the_other_are_found_as_those_beside_each_other(cells: list[np.ndarray]) -> None:
    row = beside(*cells[::8])
    assert is_montage(row)
    assert is_montage(np.ascontiguousarray(row.transpose(1, 0, 2)))


@pytest.mark.real_images
@pytest.mark.parametrize("level", [0, 255])
def test_a_frame_where_the_field_ended_is_no_seam(cells: list[np.ndarray], level: int) -> None:
    framed = cells[0].copy()
    framed[:, :70] = level
    assert not is_montage(framed)


@pytest.mark.parametrize("shape", [(1, 1, 3), (10, 2000, 3), (3000, 8, 3), (128, 128, 3), (128, 5000, 3)])
def test_any_shape_is_looked_at(shape: tuple[int, int, int]) -> None:
    assert not is_montage(np.full(shape, 200, np.uint8))


@pytest.mark.real_images
def test_the_classifier_refuses_a_montage_with_the_reason(cells: list[np.ndarray]) -> None:
    picture = np.concatenate([beside(*cells[:2]), beside(*cells[12:14])])
    single, montage = Classifier.load("unet_encoder").rows([cells[0], picture])
    assert single.reason != MONTAGE
    assert (montage.status, montage.reason, montage.predicted, montage.confidence) == ("refused", MONTAGE, None, None)
    assert montage.probabilities is not None
