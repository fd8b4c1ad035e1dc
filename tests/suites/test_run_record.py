import shutil
from pathlib import Path

import pytest

from bloodcell.errors import RunFolderError
from bloodcell.runs.run_folder import RunFolder
from bloodcell.suites.run_record import list_records, read_record, scan_records

WEIGHTS_AND_STATE = ("last.pt", "best.safetensors", ".lock", "status.json", "train.log")


def copied_record(run: RunFolder, path: Path) -> Path:
    shutil.copytree(run.path, path, ignore=shutil.ignore_patterns(*WEIGHTS_AND_STATE))
    return path


def test_a_record_needs_neither_weights_nor_checkpoint(finished_run: RunFolder, tmp_path: Path) -> None:
    record = read_record(copied_record(finished_run, tmp_path / "record"))
    assert record.name == "record"
    assert record.is_finished
    assert [row.epoch for row in record.metrics] == [1, 2, 3, 4, 5, 6]
    assert record.best_card is not None
    assert record.validation is not None
    assert len(record.validation.files) == 16
    assert record.test is None


def test_the_figures_of_a_record_are_those_of_its_answers(finished_run: RunFolder) -> None:
    record = read_record(finished_run.path)
    assert record.best_card is not None
    assert record.validation is not None
    best = record.metrics[record.best_card.recipe["best_epoch"] - 1]
    right = (record.validation.probabilities.argmax(1) == record.validation.labels).mean()
    assert best.validation_accuracy == pytest.approx(right)


def test_a_run_that_has_only_begun_has_a_record(finished_run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    shutil.copy(finished_run.config, tmp_path / "run")
    record = read_record(tmp_path / "run")
    assert (record.metrics, record.outcome, record.best_card, record.validation) == ((), None, None, None)


@pytest.mark.parametrize("place", ["", "b", "runs/b", "suite/runs/b"])
def test_records_are_found_at_every_place_where_runs_lie(finished_run: RunFolder, tmp_path: Path, place: str) -> None:
    copied_record(finished_run, tmp_path / "root" / place)
    assert [record.path for record in list_records(tmp_path / "root")] == [(tmp_path / "root" / place).resolve()]


def test_a_damaged_record_does_not_hide_the_others(finished_run: RunFolder, tmp_path: Path) -> None:
    copied_record(finished_run, tmp_path / "good")
    (copied_record(finished_run, tmp_path / "bad") / "metrics.csv").write_text("epoch\nx\n")
    scan = scan_records(tmp_path, tmp_path / "nowhere")
    assert [record.name for record in scan.records] == ["good"]
    assert len(scan.damaged) == 1
    assert "bad" in scan.damaged[0]


def test_a_table_that_changes_is_read_anew(finished_run: RunFolder, tmp_path: Path) -> None:
    path = copied_record(finished_run, tmp_path / "record")
    record = read_record(path)
    assert record.validation is record.validation
    (path / "predictions_validation.csv").write_text("file\n")
    with pytest.raises(RunFolderError, match="cannot be read"):
        _ = record.validation
