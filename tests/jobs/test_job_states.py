"""Hand in, stop, resume, delete; and the state that folder and process tell."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bloodcell.datasets.folder_scan import DataFolders
from bloodcell.errors import BloodcellError, DatasetError, RunFolderError
from bloodcell.jobs import (
    delete_run,
    enqueue_command,
    enqueue_run,
    list_jobs,
    read_job,
    resume_run,
    stop_job,
)
from bloodcell.jobs.queue import entry_of, queue_folder
from bloodcell.jobs.worker import SOURCE
from bloodcell.paths import runs_folder
from bloodcell.processes.process_folder import ProcessFolder
from bloodcell.processes.process_identity import current_process, identity_of
from bloodcell.runs.run_folder import RunFolder
from tests.conftest import quick_config
from tests.jobs.conftest import LONG, process_of, wait_for, wait_for_state

Enqueue = Callable[..., Path]


def runs_command(*arguments: str) -> str:
    command = [sys.executable, "-m", "bloodcell", "runs", *arguments]
    return subprocess.run(command, cwd=SOURCE, capture_output=True, text=True, timeout=300, check=True).stdout


@pytest.mark.slow
def test_a_run_stops_is_resumed_in_its_folder_and_finishes(enqueue: Enqueue) -> None:
    folder = enqueue(epochs=LONG)
    wait_for(lambda: (folder / "metrics.csv").exists())
    stop_job(folder)
    assert read_job(folder).state in ("stopping", "stopped")
    wait_for_state(folder, "stopped")
    run = RunFolder(folder)
    config, folders = run.read_config()
    done = len(run.read_metrics())
    run.write_config(config.changed(epochs=done + 2), folders)
    resume_run(folder)
    assert read_job(folder).state in ("queued", "running")
    wait_for_state(folder, "finished")
    assert len(run.read_metrics()) == done + 2
    assert [job.folder for job in list_jobs()] == [folder]
    with pytest.raises(RunFolderError, match="nothing to go on with"):
        resume_run(folder)


def test_a_stop_at_any_moment_of_the_start_ends_as_stopped(enqueue: Enqueue) -> None:
    folder = enqueue(epochs=LONG)
    process_of(folder)
    stop_job(folder)
    with contextlib.suppress(RunFolderError):  # it may have stopped by now
        stop_job(folder)
    wait_for_state(folder, "stopped")
    resume_run(folder)
    wait_for(lambda: (folder / "metrics.csv").exists())
    assert read_job(folder).state == "running"


def test_a_waiting_run_is_taken_out_and_can_be_handed_in_again(enqueue: Enqueue) -> None:
    first, second = enqueue(epochs=LONG), enqueue(epochs=1)
    process_of(first)
    stop_job(second)
    job = read_job(second)
    assert (job.state, job.reason) == ("stopped", "it was taken out of the queue")
    with pytest.raises(RunFolderError, match="does not run"):
        stop_job(second)
    resume_run(second)
    assert read_job(second).state == "queued"
    with pytest.raises(RunFolderError, match="queued"):
        resume_run(second)


def test_what_the_config_leaves_to_measurement_is_measured_once_the_run_begins(enqueue: Enqueue) -> None:
    folder = enqueue(epochs=1, precision="auto", memory_format="auto")
    wait_for_state(folder, "finished")
    config, _ = RunFolder(folder).read_config()
    assert "auto" not in (config.precision, config.memory_format)


def test_a_run_whose_data_are_gone_has_failed_with_the_reason(enqueue: Enqueue, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    folder = enqueue(data_folder=data)
    job = wait_for_state(folder, "failed")
    assert "No labelled image" in job.reason


def test_a_run_with_a_damaged_config_has_failed_with_the_last_words_of_its_process(
    enqueue: Enqueue, tmp_path: Path
) -> None:
    first, second = enqueue(epochs=LONG), enqueue(epochs=1)
    process_of(first)
    (second / "config.json").write_text("{")
    os.kill(process_of(first), signal.SIGKILL)
    job = wait_for_state(second, "failed")
    assert "config" in job.reason
    assert "Traceback" not in job.reason


def test_a_run_is_not_deleted_while_it_is_active(enqueue: Enqueue) -> None:
    first, second = enqueue(epochs=LONG), enqueue(epochs=1)
    process_of(first)
    for folder in (first, second):
        with pytest.raises(RunFolderError, match="Stop it first"):
            delete_run(folder)
    stop_job(second)
    delete_run(second)
    assert not second.exists()
    assert [job.folder for job in list_jobs()] == [first]


@pytest.mark.parametrize("path", ["../outside", "runs", "runs/..", "runs/a/b", "queue"])
def test_nothing_but_a_run_of_this_home_is_deleted(path: str, tmp_path: Path) -> None:
    home = Path(os.environ["BLOODCELL_HOME"])
    victim = home / path
    victim.mkdir(parents=True, exist_ok=True)
    (victim / "kept").write_text("")
    with pytest.raises(RunFolderError):
        delete_run(victim)
    assert (victim / "kept").exists()


def test_a_link_among_the_runs_is_removed_and_not_what_it_points_at(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    runs_folder().mkdir(parents=True)
    (runs_folder() / "link").symlink_to(tmp_path / "elsewhere")
    delete_run(runs_folder() / "link")
    assert (tmp_path / "elsewhere").exists()
    assert not (runs_folder() / "link").is_symlink()


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "A", "x" * 61, "a b", "-x", "a\n"])
def test_an_unsafe_name_is_refused(name: str, drawn_dataset: Path) -> None:
    with pytest.raises(RunFolderError, match="cannot be a run's name"):
        enqueue_run(quick_config(), drawn_dataset, name=name)
    assert list_jobs() == []


def test_a_data_folder_that_is_not_there_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="does not exist"):
        enqueue_run(quick_config(), tmp_path / "nowhere", name="run")
    assert list_jobs() == []


def test_the_lock_tells_whether_a_run_lives_and_not_what_is_written_of_its_process(tmp_path: Path) -> None:
    run = RunFolder(runs_folder() / "run")
    run.create(quick_config(), DataFolders(dataset=tmp_path))
    with run.locked():
        run.write_process({})
        assert read_job(run.path).state == "running"
    assert current_process().is_alive()
    assert read_job(run.path).state == "lost"


def test_a_process_that_ended_and_was_not_waited_for_is_not_alive() -> None:
    child = subprocess.Popen(["sleep", "60"])
    identity = identity_of(child.pid)
    assert identity.is_alive()
    child.kill()
    wait_for(lambda: not identity.is_alive())
    child.wait()


def test_foreign_and_damaged_things_among_the_runs_do_no_harm(tmp_path: Path) -> None:
    runs = runs_folder()
    (runs / "no run").mkdir(parents=True)
    (runs / "file.txt").write_text("")
    (runs / ".hidden").mkdir()
    for name, files in {
        "damaged-config": {"config.json": "{"},
        "damaged-outcome": {"config.json": "{}", "outcome.json": "{"},
        "empty-outcome": {"config.json": "{}", "outcome.json": "{}"},
        "strange-outcome": {"config.json": "{}", "outcome.json": '{"state": "weird", "reason": ""}'},
        "damaged-status": {"config.json": "{}", "status.json": "[]"},
        "odd-status": {"config.json": "{}", "status.json": '{"pid": "x"}'},
        "damaged-metrics": {"config.json": "{}", "metrics.csv": "a,b\n1,2\n"},
    }.items():
        (runs / name).mkdir()
        for file, text in files.items():
            (runs / name / file).write_text(text)
    states = {job.name: job.state for job in list_jobs()}
    assert states == {
        "damaged-config": "lost",
        "damaged-outcome": "failed",
        "empty-outcome": "failed",
        "strange-outcome": "failed",
        "damaged-status": "failed",
        "odd-status": "failed",
        "damaged-metrics": "lost",
    }
    assert len(runs_command().splitlines()) == 7


@pytest.mark.parametrize("counter", ["", "x", None])
def test_a_lost_or_damaged_counter_of_the_queue_gives_no_number_twice(enqueue: Enqueue, counter: str | None) -> None:
    first, second = enqueue(epochs=LONG), enqueue(epochs=1)
    process_of(first)
    path = queue_folder() / "last_id"
    path.unlink()
    if counter is not None:
        path.write_text(counter)
    third = enqueue(epochs=1)
    ids = [entry.id for folder in (first, second, third) if (entry := entry_of(folder)) is not None]
    assert ids == [1, 2, 3]


def test_runs_lists_states_as_text_and_as_json(enqueue: Enqueue) -> None:
    assert "There are no runs" in runs_command()
    first = enqueue("first", epochs=1)
    wait_for_state(first, "finished")
    rows = json.loads(runs_command("--json"))
    assert [(row["name"], row["state"], row["epochs_done"], row["epochs"]) for row in rows] == [
        ("first", "finished", 1, 1)
    ]
    assert 0 <= rows[0]["best_validation_accuracy"] <= 1
    assert "finished" in runs_command()


def test_a_command_that_is_no_training_finishes_or_fails_with_its_last_words(
    drawn_dataset: Path, tmp_path: Path
) -> None:
    enqueue_command(["check", str(drawn_dataset)], folder=tmp_path / "good", device="none")
    enqueue_command(["check", str(tmp_path / "nowhere")], folder=tmp_path / "bad", device="none")
    enqueue_command(["check", str(tmp_path), "--no-such-option"], folder=tmp_path / "wrong", device="none")
    assert wait_for_state(tmp_path / "good", "finished", "failed").reason == ""
    assert "does not exist" in wait_for_state(tmp_path / "bad", "finished", "failed").reason
    assert "--no-such-option" in wait_for_state(tmp_path / "wrong", "finished", "failed").reason


def test_a_command_that_is_stopped_says_so_and_frees_its_device(drawn_dataset: Path, tmp_path: Path) -> None:
    folder = tmp_path / "job"
    run = ["train", "--experiment", "paper_simple_cnn", "--data", str(drawn_dataset), "--run-dir", str(folder)]
    enqueue_command([*run, "--device", "cpu", "--image-size", "32", "--epochs", str(LONG)], folder=folder, device="cpu")
    wait_for(lambda: (folder / "metrics.csv").exists() or read_job(folder).state == "failed")
    with pytest.raises(BloodcellError, match="running"):
        enqueue_command(["check", str(drawn_dataset)], folder=folder, device="none")
    stop_job(folder)
    wait_for_state(folder, "stopped")
    wait_for(lambda: not ProcessFolder(folder).process().is_alive())  # type: ignore[union-attr]
