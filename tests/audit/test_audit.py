import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bloodcell.audit.audit import DatasetAudit, audit_dataset
from bloodcell.audit.audit_report import audit_from_dict, audit_sentences, audit_to_dict
from bloodcell.datasets.drawn_cells import write_synthetic_dataset
from bloodcell.datasets.folder_scan import scan_dataset
from bloodcell.datasets.split import stratified_split
from tests.builders.image_copies import COPIES


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_synthetic_dataset(tmp_path / "data", per_class=6, size_px=96, seed=0)
    return tmp_path / "data"


def audit_of(folder: Path) -> DatasetAudit:
    return audit_dataset(scan_dataset(folder).files)


def turned_copy(folder: Path, source: str, target: str) -> None:
    Image.open(folder / source).transpose(Image.Transpose.ROTATE_90).save(folder / target, quality=80)


def test_a_sound_dataset_has_no_copy_no_leak_and_one_condition(folder: Path) -> None:
    audit = audit_of(folder)
    assert (audit.near_duplicates, audit.leaks, audit.mixed_classes) == ((), (), ())
    assert len(audit.conditions) == 1
    assert audit.sizes == ((96, 96, 48),)


def test_a_turned_copy_under_another_label_is_a_label_conflict(folder: Path) -> None:
    turned_copy(folder, "monocyte/monocyte_00000.jpg", "platelet/copy.jpg")
    (pair,) = audit_of(folder).label_conflicts
    assert pair.files == ("monocyte/monocyte_00000.jpg", "platelet/copy.jpg")
    assert pair.labels == (5, 7)
    assert pair.turn in ("rotated by 90°", "rotated by 270°")


def test_files_of_equal_bytes_are_no_near_duplicates(folder: Path) -> None:
    shutil.copy(folder / "monocyte/monocyte_00000.jpg", folder / "monocyte/same.jpg")
    audit = audit_of(folder)
    assert audit.near_duplicates == ()
    assert audit.integrity.duplicate_groups == (("monocyte/monocyte_00000.jpg", "monocyte/same.jpg"),)
    assert audit.leaks == ()


def test_a_copy_on_the_other_side_of_the_split_is_a_leak(folder: Path) -> None:
    for number in range(6):
        turned_copy(folder, f"monocyte/monocyte_0000{number}.jpg", f"monocyte/copy_{number}.jpg")
    audit = audit_of(folder)
    split = stratified_split(audit.integrity.usable, audit.integrity.sha256, split_seed=0)
    training = {entry.file for entry in split.training}
    assert len(audit.near_duplicates) == 6
    expected = [pair.files for pair in audit.near_duplicates if len({*pair.files} & training) == 1]
    assert expected
    assert [{*leak} for leak in audit.leaks] == [{*files} for files in expected]
    assert all(first in training and second not in training for first, second in audit.leaks)


def test_every_one_of_sixty_copies_is_told_and_every_validated_one_is_a_leak(folder: Path) -> None:
    original = np.asarray(Image.open(folder / "monocyte/monocyte_00000.jpg"), np.int16)
    generator = np.random.default_rng(0)
    for number in range(59):
        noisy = original + generator.integers(-2, 3, original.shape)
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / f"monocyte/copy_{number:02}.png")
    shutil.copy(folder / "monocyte/copy_00.png", folder / "monocyte/same.png")
    audit = audit_of(folder)
    expected = {f"monocyte/copy_{number:02}.png" for number in range(59)}
    expected |= {"monocyte/monocyte_00000.jpg", "monocyte/same.png"}
    assert [set(group) for group in audit.copy_groups] == [expected]
    assert len(audit.near_duplicates) < 60 * 59 / 2
    split = stratified_split(audit.integrity.usable, audit.integrity.sha256, split_seed=0)
    training = {entry.file for entry in split.training}
    validated = {entry.file for entry in split.validation} & expected
    assert sorted(name for _, name in audit.leaks) == sorted(validated)
    assert validated
    assert {name for name, _ in audit.leaks} <= training & expected
    assert audit_to_dict(audit)["copy_groups"] == [sorted(expected)]
    assert any("61 in 1 group" in sentence for sentence in audit_sentences(audit))


def test_counts_of_the_split_are_those_that_training_makes(folder: Path) -> None:
    audit = audit_of(folder)
    assert audit.training_counts == (5,) * 8
    assert audit.validation_counts == (1,) * 8


def test_too_few_images_to_split_are_audited_all_the_same(tmp_path: Path) -> None:
    write_synthetic_dataset(tmp_path, per_class=1, size_px=64, seed=0)
    audit = audit_of(tmp_path)
    assert audit.training_counts == audit.validation_counts == (0,) * 8


def test_a_tinted_part_of_a_class_is_another_imaging_condition(folder: Path) -> None:
    for path in sorted((folder / "monocyte").iterdir())[:5]:
        image = np.asarray(Image.open(path)) * np.array([0.8, 1.0, 1.15])
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(path, quality=95)
    audit = audit_of(folder)
    assert audit.mixed_classes == (5,)
    assert audit.conditions[1].class_counts == (0, 0, 0, 0, 0, 5, 0, 0)
    assert "Classes with more than one imaging condition: Monocyte." in audit_sentences(audit)


def test_the_audit_goes_through_json_unchanged(folder: Path) -> None:
    turned_copy(folder, "monocyte/monocyte_00000.jpg", "platelet/copy.jpg")
    (folder / "platelet" / "broken.jpg").write_bytes(b"")
    files = scan_dataset(folder).files
    audit = audit_dataset(files)
    assert audit_from_dict(json.loads(json.dumps(audit_to_dict(audit))), files) == audit


def test_the_sentences_name_near_duplicates_and_end_with_what_is_usable(folder: Path) -> None:
    turned_copy(folder, "monocyte/monocyte_00000.jpg", "platelet/copy.jpg")
    sentences = audit_sentences(audit_of(folder))
    assert any(
        "two labels: 1 pair: monocyte/monocyte_00000.jpg ~ platelet/copy.jpg" in sentence for sentence in sentences
    )
    assert sentences[-1] == "All images are usable."


def test_progress_names_both_steps_and_reaches_their_end(folder: Path) -> None:
    calls: list[tuple[str, int, int]] = []
    audit_dataset(scan_dataset(folder).files, progress=lambda what, done, total: calls.append((what, done, total)))
    assert calls[47] == ("checking images", 48, 48)
    assert calls[-1] == ("comparing images", 48, 48)


@pytest.mark.real_images
def test_copies_of_real_cells_are_found_and_nothing_else(real_data_folder: Path, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    sources = scan_dataset(real_data_folder / "pbc3200").files[::20]
    expected = set()
    for index, file in enumerate(sources):
        original = tmp_path / file.relative_path
        original.parent.mkdir(exist_ok=True)
        shutil.copy(file.path, original)
        name = list(COPIES)[index % len(COPIES)]
        copy = original.with_name(f"copy_{index}.png")
        COPIES[name](Image.open(file.path).convert("RGB"), generator).save(copy)
        expected.add(frozenset((file.relative_path, copy.relative_to(tmp_path).as_posix())))
    found = {frozenset(pair.files) for pair in audit_of(tmp_path).near_duplicates}
    assert len(expected) == 160
    assert len(expected - found) <= 160 * 0.02
    assert found <= expected


@pytest.mark.real_images
def test_the_second_imaging_condition_of_the_real_dataset_is_found(real_data_folder: Path) -> None:
    audit = audit_dataset(scan_dataset(real_data_folder / "pbc3200").files[::4])
    odd = sum(count for width, height, count in audit.sizes if (width, height) != (360, 363))
    assert [len(condition.files) for condition in audit.conditions] == [800 - odd, odd]
