import pytest

from bloodcell.datasets.split import read_split
from bloodcell.paths import SHIPPED_RECORDS
from bloodcell.report.arms import group_arms
from bloodcell.report.paper_recipes import comparable_arms
from bloodcell.report.paper_tables import paper_tables
from bloodcell.suites.columns import verdict_words
from bloodcell.suites.run_record import RunRecord, scan_records
from bloodcell.suites.suite import SuiteFolder
from bloodcell.suites.suite_record import record_split
from bloodcell.suites.table import suite_rows

SCAN = scan_records(*sorted(path for path in SHIPPED_RECORDS.iterdir() if path.is_dir()))


def test_every_shipped_record_can_be_read() -> None:
    assert SCAN.records
    assert SCAN.damaged == ()


@pytest.mark.parametrize("record", SCAN.records, ids=lambda record: record.name)
def test_a_shipped_record_is_finished_and_its_answers_have_its_accuracy(record: RunRecord) -> None:
    assert record.is_finished
    assert len(record.metrics) == record.config.epochs
    assert record.best_card is not None
    table = record.validation
    assert table is not None
    right = (table.probabilities.argmax(1) == table.labels).mean()
    best = max(row.validation_accuracy for row in record.metrics)
    assert right == pytest.approx(best, abs=1e-9)
    assert right == pytest.approx(record.best_card.metrics["validation"]["accuracy"], abs=1e-9)


@pytest.mark.parametrize("record", SCAN.records, ids=lambda record: record.name)
def test_test_images_of_a_shipped_record_were_never_trained_or_chosen_on(record: RunRecord) -> None:
    split = read_split(record_split(record.path))
    assert record.validation is not None
    assert set(record.validation.sha256) <= {entry.sha256 for entry in split.validation}
    if record.test is not None:
        assert not split.known_sha256 & set(record.test.sha256)


def test_no_shipped_record_names_a_folder_of_the_machine_that_made_it() -> None:
    for path in SHIPPED_RECORDS.rglob("*.json"):
        assert '"/' not in path.read_text(encoding="utf-8"), path


def test_the_paper_record_holds_four_arms_and_says_which_two_are_still_to_be_run() -> None:
    rows = {row.arm.name: row for row in suite_rows(SuiteFolder(SHIPPED_RECORDS / "paper"))}
    assert {name: row.runs for name, row in rows.items()} == {
        "unet_encoder": 3,
        "simple_cnn": 3,
        "deep_cnn": 3,
        "no_batch_norm": 3,
        "shallow_encoder": 0,
        "no_dropout": 0,
    }
    assert {name for name, row in rows.items() if verdict_words(row) == "still to be run"} == {
        "shallow_encoder",
        "no_dropout",
    }
    assert rows["unet_encoder"].test is not None
    assert rows["unet_encoder"].test.seeds.mean == pytest.approx(0.9757, abs=5e-5)


def test_the_paper_record_stands_beside_the_papers_figures_and_no_other_does() -> None:
    arms = group_arms(SCAN.records)
    beside = {run.path.parents[1].name for arm in comparable_arms(arms) for run in arm.runs}
    assert beside == {"paper"}
    third, _, fifth, sixth = paper_tables(arms)
    for table in (fifth, sixth):
        assert table.rows[0][1].startswith("97.81 % (")
        assert table.rows[1][1] == "still to be run"
    assert [row[1].partition(" (")[0] for row in third.rows] == ["80.26 %", "95.89 %", "98.18 %"]


def test_shipped_records_stay_small() -> None:
    assert sum(path.stat().st_size for path in SHIPPED_RECORDS.rglob("*") if path.is_file()) < 6_000_000
