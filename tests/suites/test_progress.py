import json
import os
from pathlib import Path

from bloodcell.processes.process_folder import ProcessFolder
from bloodcell.runs.run_folder import RunFolder
from bloodcell.suites.progress import read_progress
from tests.suites.drawn_suites import write_drawn_suite


def test_runs_that_have_not_begun_wait(tmp_path: Path) -> None:
    progress = read_progress(write_drawn_suite(tmp_path / "suite", seeds=(0,), finished=2))
    assert [run.state for run in progress.runs] == ["finished"] * 2 + ["waiting"] * 4
    assert (progress.finished, progress.share) == (2, 2 / 6)


def test_a_run_whose_process_lives_is_training(tmp_path: Path) -> None:
    folder = write_drawn_suite(tmp_path / "suite", seeds=(0,), finished=1)
    run = RunFolder(folder.run_path("unet_encoder", 0))
    run.outcome.unlink()
    run.write_metrics(run.read_metrics()[:1])
    with ProcessFolder(run.path).locked():
        begun = read_progress(folder).run("unet_encoder", 0)
    assert (begun.state, begun.epochs_done, begun.share) == ("training", 1, 0.25)


def test_a_run_whose_process_was_killed_is_interrupted(tmp_path: Path) -> None:
    folder = write_drawn_suite(tmp_path / "suite", seeds=(0,), finished=1)
    run = RunFolder(folder.run_path("unet_encoder", 0))
    run.outcome.unlink()
    run.status.write_text(json.dumps({"pid": os.getpid(), "process_start_time": 1.0}))
    assert read_progress(folder).run("unet_encoder", 0).state == "interrupted"


def test_a_run_that_failed_says_why(tmp_path: Path) -> None:
    folder = write_drawn_suite(tmp_path / "suite", seeds=(0,), finished=1)
    RunFolder(folder.run_path("unet_encoder", 0)).write_outcome("failed", "The loss stopped being a number.")
    failed = read_progress(folder).run("unet_encoder", 0)
    assert (failed.state, failed.reason) == ("failed", "The loss stopped being a number.")


def test_a_damaged_run_counts_as_failed_and_hides_no_other(tmp_path: Path) -> None:
    folder = write_drawn_suite(tmp_path / "suite", seeds=(0,), finished=2)
    RunFolder(folder.run_path("unet_encoder", 0)).metrics.write_text("epoch\nx\n")
    assert [run.state for run in read_progress(folder).runs[:2]] == ["failed", "finished"]
