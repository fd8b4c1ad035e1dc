import json
import lzma
import shutil
from pathlib import Path

import numpy as np
import pytest

from bloodcell.errors import RunFolderError
from bloodcell.runs.run_folder import RunFolder
from bloodcell.suites.columns import table_csv
from bloodcell.suites.run_record import list_records, read_record
from bloodcell.suites.suite import SuiteFolder
from bloodcell.suites.suite_record import write_suite_record
from bloodcell.suites.table import suite_rows
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
        *("predictions_validation.csv.xz", "predictions_test.csv.xz"),
    }
    assert len(list_records(tmp_path / "record")) == 4


def test_answers_come_back_from_a_record_as_they_were(suite: SuiteFolder, tmp_path: Path) -> None:
    record = write_suite_record(suite, tmp_path / "record")
    for run, kept in zip(list_records(suite.path), list_records(record.path), strict=True):
        for before, after in ((run.validation, kept.validation), (run.test, kept.test)):
            assert before is not None
            assert after is not None
            assert before.files == after.files
            assert before.sha256 == after.sha256
            assert np.array_equal(before.probabilities, after.probabilities)


def test_a_packed_table_that_was_cut_is_a_sentence(suite: SuiteFolder, tmp_path: Path) -> None:
    write_suite_record(suite, tmp_path / "record")
    packed = tmp_path / "record" / "runs" / "no_dropout-seed1" / "predictions_test.csv.xz"
    packed.write_bytes(packed.read_bytes()[:-20])
    record = read_record(packed.parent)
    with pytest.raises(RunFolderError, match=r"predictions_test\.csv\.xz is damaged"):
        assert record.test


def test_a_record_names_no_folder_of_the_machine(suite: SuiteFolder, tmp_path: Path) -> None:
    write_suite_record(suite, tmp_path / "record")
    files = [path for path in (tmp_path / "record").rglob("*") if path.is_file()]
    text = b"".join(lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes() for path in files)
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
