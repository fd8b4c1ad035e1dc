import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bloodcell.datasets.drawn_cells import draw_cell, write_synthetic_dataset
from bloodcell.datasets.folder_scan import scan_dataset
from bloodcell.datasets.integrity import check_images
from bloodcell.datasets.locked_test import LOCKED_TEST_FILE, fingerprint, read_locked_test, write_locked_test
from bloodcell.errors import DatasetError
from bloodcell.training.run_data import DataFolders, split_dataset
from tests.conftest import quick_config


@pytest.fixture
def locked_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sixteen drawn cells that are locked in place of the real ones."""
    folder = tmp_path / "locked"
    write_synthetic_dataset(folder, per_class=2, size_px=250, seed=7)
    write_locked_test(folder, tmp_path / "list.txt")
    monkeypatch.setattr(
        "bloodcell.datasets.integrity.read_locked_test", lambda: read_locked_test(tmp_path / "list.txt")
    )
    return folder


def test_a_file_of_equal_bytes_is_locked(locked_cells: Path) -> None:
    report = check_images(scan_dataset(locked_cells).files)
    assert len(report.locked) == 16
    assert report.usable == ()
    assert "locked test set, kept out of training: 16 images" in " ".join(report.sentences())


@pytest.mark.parametrize("kind", ["recompressed", "turned", "small centre"])
def test_a_copy_with_other_bytes_is_locked(locked_cells: Path, tmp_path: Path, kind: str) -> None:
    source = locked_cells / "monocyte" / "monocyte_00000.jpg"
    image = Image.open(source)
    if kind == "turned":
        image = image.transpose(Image.Transpose.ROTATE_90)
    if kind == "small centre":
        image = image.crop((25, 25, 225, 225)).resize((28, 28))
    target = tmp_path / "other" / "monocyte" / "copy.jpg"
    target.parent.mkdir(parents=True)
    image.save(target, quality=95 if kind == "small centre" else 60)
    assert check_images(scan_dataset(tmp_path / "other").files).locked == ("monocyte/copy.jpg",)


def test_other_drawn_cells_are_not_locked(locked_cells: Path, drawn_dataset: Path) -> None:
    assert check_images(scan_dataset(drawn_dataset).files).locked == ()


def test_locked_images_are_in_no_side_of_a_trainings_split(locked_cells: Path, tmp_path: Path) -> None:
    both = tmp_path / "both"
    write_synthetic_dataset(both, per_class=5, size_px=250, seed=1)
    for file in scan_dataset(locked_cells).files:
        target = both / file.relative_path.replace("_0000", "_locked")
        target.write_bytes(file.path.read_bytes())
    split = split_dataset(quick_config(), DataFolders(dataset=both), lambda what, done, total: None)
    names = [entry.file for entry in (*split.training, *split.validation)]
    assert len(names) == 40
    assert not any("locked" in name for name in names)


def test_a_folder_of_locked_images_alone_is_not_trained_on(locked_cells: Path) -> None:
    with pytest.raises(DatasetError, match="locked test set"):
        split_dataset(quick_config(), DataFolders(dataset=locked_cells), lambda what, done, total: None)


def test_an_image_of_one_colour_is_not_locked() -> None:
    flat = fingerprint(np.full((50, 50, 3), 200, np.uint8))
    assert read_locked_test().find(["0" * 64], flat[None]).tolist() == [False]


def test_the_list_that_ships_names_every_image_of_the_locked_test_set(real_data_folder: Path) -> None:
    hashes = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (real_data_folder / "pbc_test").rglob("*.jpg")}
    assert len(hashes) == 1000
    assert read_locked_test().sha256 == hashes


def test_no_image_of_the_papers_setting_is_locked(real_data_folder: Path) -> None:
    files = scan_dataset(real_data_folder / "pbc3200").files[::8]
    assert check_images(files).locked == ()


def test_the_list_that_ships_is_what_its_command_writes(real_data_folder: Path, tmp_path: Path) -> None:
    few = real_data_folder / "pbc_test" / "basophil"
    write_locked_test(few, tmp_path / "list.txt")
    lines = [line for line in (tmp_path / "list.txt").read_text().splitlines() if line[0] != "#"]
    assert len(lines) == 125
    assert set(lines) <= set(LOCKED_TEST_FILE.read_text().splitlines())


def test_drawn_cells_differ_from_the_locked_ones() -> None:
    prints = np.stack([fingerprint(draw_cell(label, seed=3, size_px=128)) for label in range(8)])
    assert not read_locked_test().find(["0" * 64] * 8, prints).any()
