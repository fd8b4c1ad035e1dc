import numpy as np
import pytest
from PIL import Image

from bloodcell.audit.copy_groups import copy_groups
from bloodcell.audit.near_duplicates import find_similar_images, sketch
from bloodcell.datasets.drawn_cells import draw_cell
from tests.builders.image_copies import COPIES

# Drawn cells stand on one another's likeness; noise of many sizes is as different as real fields are.
SIDE_PX = 180


def picture(seed: int) -> Image.Image:
    generator = np.random.default_rng(seed)
    total = np.zeros((SIDE_PX, SIDE_PX, 3))
    for cells in (3, 6, 12, 24):
        coarse = generator.normal(0, 30, (cells, cells, 3)).clip(-80, 80) + 128
        layer = Image.fromarray(coarse.astype(np.uint8)).resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC)
        total += np.asarray(layer) / 4
    return Image.fromarray(total.clip(0, 255).astype(np.uint8))


def pairs_of(images: list[Image.Image]) -> list[tuple[int, int]]:
    found = find_similar_images(np.stack([sketch(np.asarray(image)) for image in images])).pairs
    return [(pair.first, pair.second) for pair in found]


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_is_found_among_other_images(name: str) -> None:
    images = [picture(seed) for seed in range(12)]
    images.append(COPIES[name](images[5], np.random.default_rng(0)))
    assert pairs_of(images) == [(5, 12)]


def test_different_drawn_cells_are_no_copies() -> None:
    drawn = [Image.fromarray(draw_cell(label, seed=seed, size_px=96)) for label in range(8) for seed in range(6)]
    assert pairs_of(drawn) == []


def test_it_is_said_how_a_copy_is_turned() -> None:
    image = picture(0)
    copies = [image, image.transpose(Image.Transpose.ROTATE_180)]
    assert [pair.turn for pair in find_similar_images(np.stack([sketch(np.asarray(i)) for i in copies])).pairs] == [
        "rotated by 180°"
    ]


def test_three_copies_are_three_pairs() -> None:
    assert pairs_of([picture(0), picture(1), picture(0), picture(0)]) == [(0, 2), (0, 3), (2, 3)]


def test_images_of_one_grey_are_no_copies() -> None:
    grey = Image.new("RGB", (64, 64), (200, 200, 200))
    assert pairs_of([grey, grey]) == []


def test_more_images_than_one_block_are_all_compared() -> None:
    sketches = np.random.default_rng(0).integers(0, 256, (600, 8, 8), np.uint8)
    sketches = np.stack([np.asarray(Image.fromarray(s).resize((64, 64), Image.Resampling.BICUBIC)) for s in sketches])
    sketches[599], sketches[300] = sketches[2], sketches[301]
    done: list[int] = []
    found = find_similar_images(sketches, progress=lambda count, total: done.append(count)).pairs
    assert [(pair.first, pair.second) for pair in found] == [(2, 599), (300, 301)]
    assert done == [256, 512, 600]


def test_many_copies_are_one_group_even_where_each_has_more_that_are_more_alike() -> None:
    generator = np.random.default_rng(0)
    cropped = picture(0).crop((9, 9, SIDE_PX - 9, SIDE_PX - 9)).resize((SIDE_PX, SIDE_PX))
    images = [picture(1)]
    for kind in (picture(0), cropped):
        pixels = np.asarray(kind, np.int16)
        images += [
            Image.fromarray((pixels + generator.integers(-2, 3, pixels.shape)).clip(0, 255).astype(np.uint8))
            for _ in range(30)
        ]
    similar = find_similar_images(np.stack([sketch(np.asarray(image)) for image in images]))
    groups = copy_groups([(str(pair.first), str(pair.second)) for pair in similar.pairs])
    assert [sorted(map(int, group)) for group in groups] == [list(range(1, 61))]
    assert similar.partly_compared == 0


def test_images_that_were_not_compared_with_all_that_look_like_them_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bloodcell.audit.near_duplicates._CANDIDATES_PER_ROUND", 1)
    monkeypatch.setattr("bloodcell.audit.near_duplicates._MOST_ROUNDS", 2)
    # Alike by their grey values in eighths, and different in each.
    generator = np.random.default_rng(0)
    coarse = generator.integers(0, 256, (8, 8)).astype(np.float32).repeat(8, 0).repeat(8, 1)
    sketches = [(coarse + generator.normal(0, 60, coarse.shape)).clip(0, 255).astype(np.uint8) for _ in range(6)]
    similar = find_similar_images(np.stack(sketches))
    assert similar.pairs == ()
    assert similar.partly_compared == 6
