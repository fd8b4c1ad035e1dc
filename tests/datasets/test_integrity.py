import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bloodcell.datasets.drawn_cells import draw_cell, write_synthetic_dataset
from bloodcell.datasets.folder_scan import LabelledFile, scan_dataset
from bloodcell.datasets.integrity import LOWEST_STANDARD_DEVIATION, check_images, standard_deviation
from bloodcell.errors import DatasetError

REAL_IMAGES = Path(__file__).parents[3] / "shared" / "data" / "pbc3200"


def png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def cell_png(seed: int) -> bytes:
    return png(draw_cell(0, seed=seed, size_px=64))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A dataset with one fault of each kind beside three sound images."""
    contents = {
        "basophil/copy_1.png": cell_png(1),
        "basophil/copy_2.png": cell_png(1),
        "basophil/two_labels.png": cell_png(2),
        "monocyte/two_labels.png": cell_png(2),
        "monocyte/empty.png": b"",
        "monocyte/half.png": cell_png(3)[:2000],
        "monocyte/pink.png": png(np.full((64, 64, 3), (250, 200, 180), np.uint8)),
        "monocyte/sound.png": cell_png(4),
    }
    for name, data in contents.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    return tmp_path


def files_of(folder: Path) -> tuple[LabelledFile, ...]:
    return scan_dataset(folder).files


def test_a_sound_dataset_is_usable_as_a_whole(tmp_path: Path) -> None:
    write_synthetic_dataset(tmp_path, per_class=2, size_px=64, seed=0)
    report = check_images(files_of(tmp_path))
    assert (report.images, report.class_counts) == (16, (2,) * 8)
    assert report.usable == files_of(tmp_path)
    assert report.unreadable + report.low_variance + report.duplicate_groups == ()
    assert report.sentences()[-1] == "All images are usable."


def test_unreadable_files_are_named_with_the_reason(folder: Path) -> None:
    unreadable = dict(check_images(files_of(folder)).unreadable)
    assert list(unreadable) == ["monocyte/empty.png", "monocyte/half.png"]
    assert "empty" in unreadable["monocyte/empty.png"]
    assert "cut short" in unreadable["monocyte/half.png"]


def test_an_image_of_one_colour_is_found_although_its_channels_differ(folder: Path) -> None:
    assert check_images(files_of(folder)).low_variance == (("monocyte/pink.png", 0.0),)


def test_the_standard_deviation_is_that_of_each_channel_around_its_own_mean() -> None:
    image = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
    image[..., 1] //= 2
    assert standard_deviation(image) == pytest.approx(np.sqrt(image.var(axis=(0, 1)).mean()))


@pytest.mark.parametrize(("spread", "is_low"), [(1, True), (12, False)])
def test_the_threshold_parts_noise_from_content(tmp_path: Path, spread: int, is_low: bool) -> None:
    assert spread < LOWEST_STANDARD_DEVIATION or not is_low
    image = np.random.default_rng(0).normal(200, spread, (64, 64, 3)).clip(0, 255).astype(np.uint8)
    (tmp_path / "platelet").mkdir()
    (tmp_path / "platelet" / "a.png").write_bytes(png(image))
    assert bool(check_images(files_of(tmp_path)).low_variance) is is_low


def test_copies_are_grouped_and_those_under_two_labels_stand_out(folder: Path) -> None:
    report = check_images(files_of(folder))
    two_labels = ("basophil/two_labels.png", "monocyte/two_labels.png")
    assert report.duplicate_groups == (("basophil/copy_1.png", "basophil/copy_2.png"), two_labels)
    assert report.conflicting_groups == (two_labels,)


def test_two_damaged_files_are_no_duplicates_of_each_other(tmp_path: Path) -> None:
    (tmp_path / "platelet").mkdir()
    for name in ("a.png", "b.png"):
        (tmp_path / "platelet" / name).write_bytes(b"")
    report = check_images(files_of(tmp_path))
    assert report.duplicate_groups == ()
    assert len(report.unreadable) == 2


def test_usable_files_are_the_readable_ones_with_content_and_one_label(folder: Path) -> None:
    usable = [file.relative_path for file in check_images(files_of(folder)).usable]
    assert usable == ["basophil/copy_1.png", "basophil/copy_2.png", "monocyte/sound.png"]


def test_the_hash_of_every_file_on_disk_is_kept(folder: Path) -> None:
    report = check_images(files_of(folder))
    assert len(report.sha256) == report.images == 8
    assert report.sha256["monocyte/empty.png"] == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_a_file_that_vanished_after_the_scan_ends_the_check_by_name(folder: Path) -> None:
    files = files_of(folder)
    (folder / "monocyte/sound.png").unlink()
    with pytest.raises(DatasetError, match=r"stopped at monocyte/sound\.png: The file does not exist"):
        check_images(files)


def test_a_folder_that_vanished_after_the_scan_is_said_to_be_gone(folder: Path) -> None:
    files = files_of(folder)
    folder.rename(folder.with_name("away"))
    with pytest.raises(DatasetError, match=f"{folder} is no longer there"):
        check_images(files)


def test_a_folder_in_place_of_an_image_is_a_bad_image(folder: Path) -> None:
    (folder / "monocyte/folder.png").mkdir()
    file = LabelledFile(path=folder / "monocyte/folder.png", relative_path="monocyte/folder.png", label=5)
    assert [name for name, _ in check_images([file]).unreadable] == ["monocyte/folder.png"]


@pytest.fixture
def another_user() -> Iterator[Path]:
    """A folder that everybody may read, as a user who is not the superuser."""
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        yield Path(place)
        os.seteuid(os.getuid())


@pytest.mark.parametrize("closed", ["monocyte", "monocyte/sound.png"])
def test_what_may_not_be_read_ends_scan_or_check(folder: Path, another_user: Path, closed: str) -> None:
    shutil.copytree(folder, another_user / "data")
    (another_user / "data").chmod(0o755)
    (another_user / "data" / closed).chmod(0)
    if os.getuid() == 0:
        os.seteuid(65534)
    with pytest.raises(DatasetError, match=r"may not be read|cannot be listed"):
        check_images(files_of(another_user / "data"))


def test_the_report_goes_through_json_unchanged(folder: Path) -> None:
    as_dict = check_images(files_of(folder)).to_dict()
    assert json.loads(json.dumps(as_dict)) == as_dict
    assert as_dict["class_counts"]["monocyte"] == 5


def test_the_sentences_name_each_fault_with_its_number(folder: Path) -> None:
    sentences = "\n".join(check_images(files_of(folder)).sentences())
    assert sentences.startswith("8 images: Basophil 3,")
    assert "Unreadable: 2 images: monocyte/empty.png (The file is empty" in sentences
    assert "1 image: monocyte/pink.png (0.0)" in sentences
    assert "under two labels: 1 group: basophil/two_labels.png = monocyte/two_labels.png." in sentences
    assert sentences.endswith("3 of 8 images are usable.")


def test_the_sentences_show_a_few_examples_and_count_the_rest(tmp_path: Path) -> None:
    (tmp_path / "platelet").mkdir()
    for index in range(5):
        (tmp_path / "platelet" / f"{index}.png").write_bytes(b"")
    unreadable = check_images(files_of(tmp_path)).sentences()[1]
    assert "platelet/2.png" in unreadable
    assert "platelet/3.png" not in unreadable
    assert unreadable.endswith("and 2 more.")


def test_control_characters_of_file_names_stay_out_of_the_sentences(tmp_path: Path) -> None:
    (tmp_path / "none.png").write_bytes(b"")
    file = LabelledFile(path=tmp_path / "none.png", relative_path="platelet/\x1b[2J.png", label=7)
    assert not any("\x1b" in sentence for sentence in check_images([file]).sentences())


def test_progress_counts_every_file_in_order(folder: Path) -> None:
    calls: list[tuple[int, int]] = []
    check_images(files_of(folder), progress=lambda done, total: calls.append((done, total)))
    assert calls == [(done, 8) for done in range(1, 9)]


def test_no_file_gives_an_empty_report() -> None:
    report = check_images([])
    assert (report.images, report.class_counts, report.usable) == (0, (0,) * 8, ())


@pytest.mark.skipif(not REAL_IMAGES.is_dir(), reason="the real images are not here")
def test_real_cells_stay_well_above_the_threshold() -> None:
    report = check_images([file for file in files_of(REAL_IMAGES) if file.label == 7][::8])
    assert report.images == len(report.usable) > 0
    assert (
        min(standard_deviation(np.asarray(Image.open(file.path))) for file in report.usable)
        > 2 * LOWEST_STANDARD_DEVIATION
    )
