import pytest

from bloodcell.ablation.run_record import RunRecord, scan_records
from bloodcell.data.split import read_split
from bloodcell.paths import SHIPPED_RECORDS
from bloodcell.training.run_folder import RunFolder

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
    split = read_split(RunFolder(record.path).split)
    assert record.validation is not None
    assert set(record.validation.sha256) <= {entry.sha256 for entry in split.validation}
    if record.test is not None:
        assert not split.known_sha256 & set(record.test.sha256)


def test_no_shipped_record_names_a_folder_of_the_machine_that_made_it() -> None:
    for path in SHIPPED_RECORDS.rglob("*.json"):
        assert '"/' not in path.read_text(encoding="utf-8"), path
