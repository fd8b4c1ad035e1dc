from pathlib import Path

import pytest

from bloodcell.datasets.drawn_cells import write_synthetic_dataset
from bloodcell.errors import DatasetError
from bloodcell.jobs import delete_dataset, enqueue_run, stop_job
from bloodcell.paths import own_data_folder
from bloodcell.processes.device_lock import device_locked
from tests.conftest import quick_config


@pytest.fixture
def added() -> Path:
    folder = own_data_folder() / "mine"
    write_synthetic_dataset(folder, per_class=5, size_px=64, seed=0)
    return folder


def test_a_dataset_that_was_added_goes_with_all_its_images(added: Path) -> None:
    delete_dataset(added)
    assert list(own_data_folder().iterdir()) == []


def test_a_dataset_from_elsewhere_stays(tmp_path: Path) -> None:
    write_synthetic_dataset(tmp_path / "theirs", per_class=1, size_px=64, seed=0)
    with pytest.raises(DatasetError, match="was not added here"):
        delete_dataset(tmp_path / "theirs")
    with pytest.raises(DatasetError, match="was not added here"):
        delete_dataset(own_data_folder() / ".." / "runs")
    assert (tmp_path / "theirs").exists()


def test_a_dataset_that_a_waiting_run_reads_stays_until_the_run_is_taken_out(added: Path, tmp_path: Path) -> None:
    with device_locked("cpu", tmp_path):
        run = enqueue_run(quick_config(), added, name="waiting")
        with pytest.raises(DatasetError, match=r"waiting still reads mine\. Stop it first"):
            delete_dataset(added)
        stop_job(run)
        delete_dataset(added)
    assert not added.exists()


def test_a_dataset_with_a_longer_name_is_another(added: Path, tmp_path: Path) -> None:
    longer = added.with_name("mine-2")
    write_synthetic_dataset(longer, per_class=5, size_px=64, seed=0)
    with device_locked("cpu", tmp_path):
        run = enqueue_run(quick_config(), longer, name="waiting")
        delete_dataset(added)
        stop_job(run)
    assert not added.exists()
    assert longer.exists()
