"""A table beside the class folders says which slide or patient an image is of."""

import shutil
from pathlib import Path

import pytest

from bloodcell.answers.classifier import Classifier
from bloodcell.datasets.folder_scan import scan_dataset
from bloodcell.laboratories.evaluate import evaluate
from bloodcell.laboratories.evaluation_report import report_text
from bloodcell.laboratories.figures import laboratory_entry
from bloodcell.laboratories.groups import groups_of
from bloodcell.runs.run_folder import RunFolder


@pytest.fixture
def folder(drawn_dataset: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(drawn_dataset, tmp_path / "cells"))


def write_table(folder: Path, column: str, *, by_path: bool = False, left_out: int = 0) -> None:
    names = [file.relative_path if by_path else file.path.name for file in scan_dataset(folder).files]
    lines = [f"{name},S{number % 4}" for number, name in enumerate(names[left_out:])]
    (folder / "labels.csv").write_text("\n".join([f"file,{column}", *lines]) + "\n")


@pytest.mark.parametrize("column", ["slide", "patient"])
def test_the_groups_of_a_table_are_found_by_path(folder: Path, column: str) -> None:
    write_table(folder, column, by_path=True)
    groups = groups_of(folder, scan_dataset(folder).files)
    assert groups is not None
    assert groups.unit == column
    assert set(groups.of_file.values()) == {"S0", "S1", "S2", "S3"}


def test_without_a_table_or_a_group_for_every_file_nothing_is_known(folder: Path) -> None:
    files = scan_dataset(folder).files
    assert groups_of(folder, files) is None
    write_table(folder, "stain", by_path=True)
    assert groups_of(folder, files) is None
    write_table(folder, "slide", by_path=True, left_out=1)
    assert groups_of(folder, files) is None


@pytest.mark.parametrize("table", [b"\xff\xfe\x00file,slide", b"", b"file\n,,,\n", b"slide\nS1\n"])
def test_a_table_that_says_nothing_stops_nothing(folder: Path, table: bytes) -> None:
    (folder / "labels.csv").write_bytes(table)
    assert groups_of(folder, scan_dataset(folder).files) is None


def test_a_name_alone_counts_where_only_one_image_and_row_have_it(folder: Path) -> None:
    files = scan_dataset(folder).files
    for number, file in enumerate(files):
        file.path.rename(file.path.with_name(f"cell{number}.png"))
    files = scan_dataset(folder).files
    write_table(folder, "slide")
    assert groups_of(folder, files) is not None
    files[0].path.rename(files[0].path.with_name(files[-1].path.name))
    assert groups_of(folder, scan_dataset(folder).files) is None


def test_slides_count_where_all_are_of_one_patient(folder: Path) -> None:
    lines = [f"{file.relative_path},P,S{n % 3}" for n, file in enumerate(scan_dataset(folder).files)]
    (folder / "labels.csv").write_text("\n".join(["file,patient,slide", *lines]))
    groups = groups_of(folder, scan_dataset(folder).files)
    assert groups is not None
    assert groups.unit == "slide"


def test_an_evaluation_says_the_interval_over_slides(finished_run: RunFolder, folder: Path) -> None:
    write_table(folder, "slide", by_path=True)
    classifier = Classifier.load(finished_run.best, device="cpu")
    evaluation = evaluate(classifier, folder)
    entry = laboratory_entry(evaluation, name="Ours")
    assert (entry["groups"], entry["groups_are"]) == (4, "slide")
    assert entry["interval_over_groups"][0] <= evaluation.figures.accuracy <= entry["interval_over_groups"][1]
    assert "Over 4 slides: " in report_text(evaluation, classifier)
