from pathlib import Path

import pytest

from bloodcell.errors import RunFolderError
from bloodcell.jobs import read_job, stop_job
from bloodcell.paths import suites_folder
from bloodcell.suites.progress import read_progress
from bloodcell.suites.suite import Suite, build_suite
from bloodcell.suites.suite_jobs import enqueue_suite, known_suites, resume_suite
from tests.jobs.conftest import wait_for, wait_for_state
from tests.suites.drawn_suites import write_drawn_suite


def small_suite(data: Path, epochs: int) -> Suite:
    return build_suite("smoke", data_folder=data, arms=["simple_cnn"], seeds=(0,), epochs=epochs, device="cpu")


def test_a_suite_in_the_queue_stops_and_goes_on_to_its_end(drawn_dataset: Path) -> None:
    folder = enqueue_suite(small_suite(drawn_dataset, 3))
    first = folder.run_path("unet_encoder", 0)
    wait_for((first / "metrics.csv").exists)
    stop_job(folder.path)
    wait_for_state(folder.path, "stopped")
    assert read_progress(folder).finished < 2
    resume_suite(folder)
    wait_for_state(folder.path, "finished")
    assert read_progress(folder).finished == 2
    assert folder.table.exists()
    with pytest.raises(RunFolderError, match="nothing to go on with"):
        resume_suite(folder)


def test_a_second_suite_of_the_same_name_gets_a_number(drawn_dataset: Path) -> None:
    names = [enqueue_suite(small_suite(drawn_dataset, 4000)).path.name for _ in range(2)]
    assert names == ["smoke", "smoke-2"]
    assert read_job(suites_folder() / "smoke-2").state == "queued"


def test_suites_are_found_and_hidden_folders_are_not(tmp_path: Path) -> None:
    write_drawn_suite(tmp_path / "suites" / "one", seeds=(0,), finished=0)
    write_drawn_suite(tmp_path / "suites" / ".two", seeds=(0,), finished=0)
    assert [folder.path.name for folder in known_suites(tmp_path / "suites", tmp_path / "nowhere")] == ["one"]
