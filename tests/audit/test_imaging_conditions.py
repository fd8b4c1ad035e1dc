import numpy as np
import pytest
from PIL import Image, ImageFilter

from bloodcell.audit.imaging_conditions import group_looks, image_look
from bloodcell.datasets.drawn_cells import draw_cell

CELLS = [draw_cell(label, seed=seed, size_px=96) for label in range(8) for seed in range(8)]


def tinted(image: np.ndarray) -> np.ndarray:
    return np.clip(image * np.array([0.85, 1.0, 1.1]), 0, 255).astype(np.uint8)


def blurred(image: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(1.2)))


def darkened(image: np.ndarray) -> np.ndarray:
    return (image * 0.7).astype(np.uint8)


def test_images_of_one_condition_are_one_group() -> None:
    assert set(group_looks([image_look(cell) for cell in CELLS])) == {0}


@pytest.mark.parametrize("change", [tinted, blurred, darkened])
def test_another_condition_is_told_apart(change) -> None:  # type: ignore[no-untyped-def]
    changed = [index % 5 == 0 for index in range(len(CELLS))]
    looks = [image_look(change(cell) if other else cell) for cell, other in zip(CELLS, changed, strict=True)]
    assert group_looks(looks).tolist() == [int(other) for other in changed]


def test_a_single_odd_image_is_no_condition() -> None:
    looks = [image_look(cell) for cell in CELLS[:-1]] + [image_look(tinted(CELLS[-1]))]
    assert set(group_looks(looks)) == {0}


def test_the_background_is_that_of_the_bright_part() -> None:
    image = np.full((60, 60, 3), (240, 220, 200), np.uint8)
    image[20:40, 20:40] = (90, 20, 120)
    look = image_look(image)
    assert (look.red, look.green, look.blue) == (240, 220, 200)


def test_no_image_has_no_condition() -> None:
    assert group_looks([]).tolist() == []
