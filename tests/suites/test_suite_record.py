import json
import shutil
from pathlib import Path

import pytest

from bloodcell.errors import RunFolderError
from bloodcell.runs.run_folder import RunFolder
from bloodcell.suites.run_record import list_records
from bloodcell.suites.suite import SuiteFolder
from bloodcell.suites.suite_record import write_suite_record
from bloodcell.suites.table import suite_rows, table_csv
from tests.suites.drawn_suites import write_drawn_suite


@pytest.fixture
def suite(tmp_path: Path) -> SuiteFolder:
    folder = write_drawn_suite(tmp_path / "suite", arms=["no_dropout"], seeds=(0, 1), images=80, tested=True)
    for run in folder.runs.iterdir():
        for name in ("last.pt", "best.safetensors", "train.log", "status.json", ".lock"):
            (run / name).write_bytes(b"x")
    return folder


def test_a_record_has_the_table_of_its_suite(suite: SuiteFolder, tmp_path: Path) -> None:
    record = write_suite_record(suite, tmp_path / "record")
    assert table_csv(suite_rows(record)) == table_csv(suite_rows(suite)) == record.table.read_bytes()


def test_a_record_holds_text_alone(suite: SuiteFolder, tmp_path: Path) -> None:
    write_suite_record(suite, tmp_path / "record")
    run = tmp_path / "record" / "runs" / "no_dropout-seed1"
    assert {path.name for path in run.iterdir()} == {
        *("config.json", "metrics.csv", "outcome.json", "best.json"),
        *("predictions_validation.csv", "predictions_test.csv"),
    }
    assert len(list_records(tmp_path / "record")) == 4


def test_a_record_names_no_folder_of_the_machine(suite: SuiteFolder, tmp_path: Path) -> None:
    write_suite_record(suite, tmp_path / "record")
    text = b"".join(path.read_bytes() for path in (tmp_path / "record").rglob("*") if path.is_file())
    assert b"/data/" not in text
    config = json.loads((tmp_path / "record" / "runs" / "no_dropout-seed0" / "config.json").read_bytes())
    assert config["data_folder"] == "drawn"


def test_an_unfinished_suite_has_no_record(suite: SuiteFolder, tmp_path: Path) -> None:
    RunFolder(suite.run_path("no_dropout", 1)).write_outcome("stopped", "it was asked to stop")
    with pytest.raises(RunFolderError, match="1 of 4 runs"):
        write_suite_record(suite, tmp_path / "record")
    assert not (tmp_path / "record").exists()


def test_a_record_overwrites_its_older_self_and_nothing_else(suite: SuiteFolder, tmp_path: Path) -> None:
    write_suite_record(suite, tmp_path / "record")
    write_suite_record(suite, tmp_path / "record")
    shutil.rmtree(tmp_path / "record")
    (tmp_path / "record").mkdir()
    (tmp_path / "record" / "thesis.txt").write_text("mine")
    with pytest.raises(RunFolderError, match="something else"):
        write_suite_record(suite, tmp_path / "record")
    with pytest.raises(RunFolderError, match="the suite itself"):
        write_suite_record(suite, suite.path)
