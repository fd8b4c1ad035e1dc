from pathlib import Path

import numpy as np
import pytest

from bloodcell.cell_classes import CLASS_COUNT, CLASS_KEYS
from bloodcell.datasets.drawn_cells import SMALLEST_SIZE_PX, draw_cell, write_synthetic_dataset
from bloodcell.datasets.folder_scan import scan_dataset
from bloodcell.images.open_image import read_image_file


@pytest.mark.parametrize("label", range(CLASS_COUNT))
@pytest.mark.parametrize("size_px", [64, 97, 360])
def test_every_class_is_drawn_at_any_size(label: int, size_px: int) -> None:
    image = draw_cell(label, seed=0, size_px=size_px)
    assert (image.shape, image.dtype) == ((size_px, size_px, 3), np.uint8)
    assert image.std(axis=(0, 1)).min() > 6


def test_the_same_arguments_draw_the_same_picture() -> None:
    assert np.array_equal(draw_cell(3, seed=5, size_px=64), draw_cell(3, seed=5, size_px=64))


def test_another_seed_or_another_class_draws_another_picture() -> None:
    pictures = {draw_cell(label, seed=seed, size_px=64).tobytes() for label in range(CLASS_COUNT) for seed in range(4)}
    assert len(pictures) == 4 * CLASS_COUNT


@pytest.mark.parametrize("size_px", [64, 360])
@pytest.mark.parametrize("label", range(CLASS_COUNT))
def test_the_words_that_it_is_drawn_stand_at_the_lower_edge_within_the_picture(label: int, size_px: int) -> None:
    image = draw_cell(label, seed=1, size_px=size_px)
    ink = np.argwhere((image < 90).all(axis=2) & (np.ptp(image.astype(int), axis=2) < 8))
    ink = ink[ink[:, 0] > 0.85 * size_px]
    assert np.ptp(ink[:, 1]) > 0.45 * size_px
    assert 0 < ink[:, 1].min() < ink[:, 1].max() < size_px - 1
    assert ink[:, 0].max() < size_px - 1
    assert np.ptp(ink[:, 0]) + 1 >= 4


def test_the_words_are_the_same_in_every_class() -> None:
    strips = [draw_cell(label, seed=label, size_px=200)[-12:-4, 60:140] for label in range(CLASS_COUNT)]
    assert all(np.array_equal(strip, strips[0]) for strip in strips)


def test_classes_can_be_told_apart_by_the_colours_around_the_middle() -> None:
    def features(label: int, seed: int) -> np.ndarray:
        image = draw_cell(label, seed=seed, size_px=64).astype(float)
        unstained = (image / np.median(image, axis=(0, 1)))[14:50, 14:50].reshape(-1, 3)
        return np.sqrt(np.histogramdd(unstained, bins=8, range=[(0.1, 1.1)] * 3)[0].ravel())

    labels = np.repeat(np.arange(CLASS_COUNT), 6)
    centres = np.array([np.mean([features(label, seed) for seed in range(6)], axis=0) for label in range(CLASS_COUNT)])
    cells = np.array([features(label, 100 + index) for index, label in enumerate(labels)])
    nearest = np.linalg.norm(cells[:, None] - centres[None], axis=2).argmin(axis=1)
    assert np.mean(nearest == labels) > 0.9


@pytest.mark.parametrize(
    "arguments",
    [{"label": -1}, {"label": CLASS_COUNT}, {"label": 0, "size_px": SMALLEST_SIZE_PX - 1}, {"label": 0, "seed": -1}],
)
def test_arguments_out_of_range_are_refused(arguments: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"label|size_px|non-negative"):
        draw_cell(**{"seed": 0, **arguments})


def test_a_written_dataset_is_read_back_with_its_labels_and_the_drawn_pictures(tmp_path: Path) -> None:
    write_synthetic_dataset(tmp_path / "new" / "drawn", per_class=2, size_px=64, seed=7)
    scan = scan_dataset(tmp_path / "new" / "drawn")
    assert scan.class_counts() == (2,) * CLASS_COUNT
    for file in scan.files:
        assert file.relative_path.split("/")[0] == CLASS_KEYS[file.label]
        stored = read_image_file(file.path).astype(float)
        assert (
            min(np.abs(stored - draw_cell(file.label, seed=700_000 + index, size_px=64)).mean() for index in range(3))
            < 4
        )


def test_two_datasets_with_different_seeds_share_no_picture(tmp_path: Path) -> None:
    for seed in (0, 1):
        write_synthetic_dataset(tmp_path / str(seed), per_class=2, size_px=64, seed=seed)
    contents = [path.read_bytes() for path in tmp_path.rglob("*.jpg")]
    assert len(set(contents)) == len(contents) == 2 * 2 * CLASS_COUNT
