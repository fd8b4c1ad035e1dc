from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bloodcell.cell_classes import CLASS_COUNT
from tools.laboratory_cells import BCCD_CELLS, Field, bccd_cells, red_cell_squares, square_around
from tools.laboratory_images import LabelledImages, ground_of
from tools.laboratory_recipe import Draws, exchanged, views
from tools.photographs import pictures_below


def test_a_square_has_its_middle_where_it_is_asked_for_and_mirrors_what_lies_beyond_the_field() -> None:
    field = np.arange(40 * 60 * 3, dtype=np.int64).reshape(40, 60, 3)
    inside = square_around(field, 30, 20, 10)
    assert np.array_equal(inside, field[15:25, 25:35])
    corner = square_around(field, 0, 0, 10)
    assert np.array_equal(corner[5:, 5:], field[:5, :5])
    assert np.array_equal(corner[5:, 4], field[:5, 1])


def test_squares_of_red_cells_reach_into_no_white_one() -> None:
    image = np.zeros((480, 640, 3), dtype=np.uint8)
    image[100:220, 250:380] = 255
    field = Field(image=image, red_cells=((10, 10, 110, 110),), other_cells=((250, 100, 380, 220),))
    squares = red_cell_squares(field, 5, np.random.default_rng(0))
    assert squares
    assert all(not square.any() for square in squares)


@pytest.mark.real_images
def test_the_cells_of_bccd_are_those_that_were_counted(real_data_folder: Path) -> None:
    cells = list(bccd_cells(real_data_folder / "bccd"))
    assert {key: sum(of == key for _, of, _ in cells) for key in BCCD_CELLS} == BCCD_CELLS
    assert all(square.shape[0] == square.shape[1] for _, _, square in cells)


def test_ground_is_a_corner_of_a_cell_image_and_its_mirror() -> None:
    image = np.zeros((100, 100, 3), dtype=np.uint8)
    image[35:65, 35:65] = 255
    for seed in range(20):
        assert not ground_of(image, np.random.default_rng(seed)).any()


def _images(count: int, *, held_out: bool = False) -> LabelledImages:
    return LabelledImages(
        images=torch.zeros(count, 3, 8, 8, dtype=torch.uint8) + (200 if held_out else 100),
        labels=torch.arange(count) % CLASS_COUNT,
        is_held_out=torch.full((count,), held_out),
        sha256=tuple(map(str, range(count))),
    )


def test_every_class_is_drawn_as_often_and_nothing_that_is_held_out() -> None:
    torch.manual_seed(0)
    mixed = _images(80)
    mixed.is_held_out[:40], mixed.images[:40] = True, 200
    draws = Draws({"home": mixed, "north": _images(16), "gone": _images(8, held_out=True)})
    assert (draws.home, draws.others) == (["home"], ["north"])
    images, labels = draws.batch(800, draws.home)
    assert set(images.flatten().tolist()) == {100}
    assert labels.bincount(minlength=CLASS_COUNT).min() > 60


def test_exchanged_images_take_their_mean_from_another_and_a_share_of_none_changes_nothing() -> None:
    torch.manual_seed(0)
    images = torch.cat([torch.randint(20, 60, (8, 3, 16, 16)), torch.randint(180, 250, (8, 3, 16, 16))])
    images = images.to(torch.uint8)
    assert (exchanged(images, 0.0).int() - images.int()).abs().max() <= 1
    changed = exchanged(images, 1.0).float().mean((1, 2, 3))
    assert (changed[:8] > 60).any()
    assert (changed[8:] < 170).any()


def test_views_are_the_middle_of_whole_images() -> None:
    image = torch.zeros(1, 3, 100, 100, dtype=torch.uint8)
    image[:, :, 25:75, 25:75] = 200
    assert views(image, 10, 0.5).float().mean() == 200
    assert views(image, 10, 1.0).float().mean() < 60


def test_photo_crops_come_from_every_picture_that_is_large_enough_and_equal_ones_count_once(tmp_path: Path) -> None:
    for name, value, side in (("a.png", 10, 200), ("b.png", 240, 200), ("c.jpg", 90, 100), ("copy.png", 10, 200)):
        Image.new("RGB", (side, side), (value, value, value)).save(tmp_path / name)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    found = dict(pictures_below([tmp_path]))
    assert sorted(path.name for path in found.values()) == ["a.png", "b.png"]
    assert all(name.endswith(".png") for name in found)
