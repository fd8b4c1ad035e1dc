"""Order, one job per device, and what the death of the worker or of a job does."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bloodcell.jobs import enqueue_command, ensure_worker, list_jobs, read_job, resume_run
from bloodcell.jobs.queue import add_entry, queue_folder, queue_locked, read_entries
from bloodcell.jobs.worker import SOURCE, work
from bloodcell.processes.device_lock import device_locked, is_device_held
from tests.jobs.conftest import LONG, kill_worker, process_of, wait_for, wait_for_state, worker_processes

Enqueue = Callable[..., Path]


@pytest.mark.slow
def test_four_queued_runs_are_trained_in_order_one_at_a_time(enqueue: Enqueue) -> None:
    folders = [enqueue(seed=seed) for seed in range(4)]
    assert [folder.name for folder in folders] == ["run", "run-2", "run-3", "run-4"]
    finished: list[Path] = []
    deadline = time.monotonic() + 300
    while len(finished) < 4 and time.monotonic() < deadline:
        jobs = {job.folder: job for job in list_jobs()}
        assert sum(job.state in ("running", "stopping") for job in jobs.values()) <= 1
        finished += [folder for folder in folders if jobs[folder].state == "finished" and folder not in finished]
        time.sleep(0.03)
    assert finished == folders


@pytest.mark.slow
def test_a_killed_training_is_lost_once_its_lock_is_free_and_its_place_goes_to_the_next(enqueue: Enqueue) -> None:
    first, second = enqueue(epochs=LONG), enqueue(epochs=LONG)
    wait_for(lambda: (first / "metrics.csv").exists())
    assert read_job(second).state == "queued"
    assert read_job(second).jobs_before == 1
    os.kill(process_of(first), signal.SIGKILL)
    wait_for(lambda: not is_device_held("cpu") or read_job(second).state == "running")
    assert read_job(first).state == "lost"
    wait_for(lambda: read_job(second).state == "running")
    assert "resume" in read_job(first).reason


@pytest.mark.slow
def test_the_job_of_a_killed_worker_goes_on_and_is_not_started_twice(enqueue: Enqueue) -> None:
    first, second = enqueue(epochs=60), enqueue(epochs=1)
    pid = process_of(first)
    kill_worker()
    assert read_job(first).state == "running"
    ensure_worker()
    wait_for_state(second, "finished")
    assert read_job(first).state == "finished"
    starts = [line for line in (first / "train.log").read_text().splitlines() if line.endswith("starts")]
    assert len(starts) == 1
    assert f"process {pid} starts" in starts[0]


@pytest.mark.slow
def test_a_worker_that_is_killed_again_and_again_starts_no_job_twice(drawn_dataset: Path, tmp_path: Path) -> None:
    folders = [tmp_path / f"check{number}" for number in range(4)]
    for folder in folders:
        enqueue_command(["check", str(drawn_dataset)], folder=folder, device="none")
    deadline = time.monotonic() + 300
    while any(read_job(folder).is_active for folder in folders) and time.monotonic() < deadline:
        for worker in worker_processes():
            os.kill(worker, signal.SIGKILL)
        ensure_worker()
        time.sleep(0.7)
    assert [read_job(folder).state for folder in folders] == ["finished"] * 4
    assert all((folder / "job.log").read_text().count("80 images") == 1 for folder in folders)


def test_a_second_worker_leaves_the_queue_to_the_first(enqueue: Enqueue) -> None:
    folder = enqueue(epochs=LONG)
    process_of(folder)
    assert not work()
    ensure_worker()
    ensure_worker()
    assert len(worker_processes()) == 1


def test_one_worker_is_started_however_often_it_is_asked_for(enqueue: Enqueue, tmp_path: Path) -> None:
    with device_locked("cpu", tmp_path):
        enqueue(epochs=1)
        for _ in range(20):
            ensure_worker()
            time.sleep(0.02)
        wait_for(lambda: bool(worker_processes()))
        (worker,) = worker_processes()
        kill_worker()
        ensure_worker()
        wait_for(lambda: worker_processes() not in ([], [worker]))
    assert "already" not in (queue_folder() / "worker.log").read_text()


def test_a_worker_on_its_way_to_another_queue_keeps_none_from_this(
    enqueue: Enqueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    enqueue(epochs=LONG)
    monkeypatch.setenv("BLOODCELL_HOME", str(tmp_path / "another home"))
    run = enqueue(epochs=1)
    wait_for_state(run, "finished")
    assert read_job(run).state == "finished"


def test_jobs_of_different_devices_run_at_once_and_of_one_device_do_not(
    enqueue: Enqueue, drawn_dataset: Path, tmp_path: Path
) -> None:
    first, second = enqueue(epochs=LONG), enqueue(epochs=LONG)
    process_of(first)
    enqueue_command(["check", str(drawn_dataset)], folder=tmp_path / "check", device="none")
    wait_for_state(tmp_path / "check", "finished")
    assert [read_job(folder).state for folder in (first, second)] == ["running", "queued"]


def test_a_queued_run_waits_for_a_training_that_was_started_by_hand(enqueue: Enqueue, tmp_path: Path) -> None:
    with device_locked("cpu", tmp_path):
        folder = enqueue(epochs=1)
        wait_for(lambda: bool(worker_processes()))
        time.sleep(2)
        assert read_job(folder).state == "queued"
    wait_for_state(folder, "finished")


def test_a_training_by_hand_is_refused_while_another_runs_and_leaves_nothing_behind(
    drawn_dataset: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "bloodcell", "train", "--experiment", "paper_simple_cnn", "--device", "cpu"]
    with device_locked("cpu", tmp_path / "first"):
        result = subprocess.run(
            [*command, "--data", drawn_dataset, "--run-dir", tmp_path / "second"],
            cwd=SOURCE,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert result.returncode == 1
    assert f"cpu trains already: process {os.getpid()} in {tmp_path / 'first'}" in result.stderr
    assert not (tmp_path / "second").exists()


def test_a_refused_resume_keeps_how_the_run_ended(enqueue: Enqueue, tmp_path: Path) -> None:
    folder = enqueue(epochs=1)
    wait_for_state(folder, "finished")
    outcome = folder / "outcome.json"
    outcome.write_text(outcome.read_text().replace("finished", "stopped"))
    before = outcome.read_bytes()
    with device_locked("cpu", tmp_path):
        command = [sys.executable, "-m", "bloodcell", "train", "--run-dir", folder, "--resume"]
        result = subprocess.run(command, cwd=SOURCE, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 1
    assert outcome.read_bytes() == before


def test_a_job_that_was_started_and_never_lived_is_lost_and_can_be_resumed(enqueue: Enqueue, tmp_path: Path) -> None:
    """As when the machine loses power right after a start."""
    with device_locked("cpu", tmp_path):
        folder = enqueue(epochs=1)
        kill_worker()
        (entry,) = read_entries()
        values = entry.path.read_text().replace('"started": null', f'"started": {time.time()}')
        entry.path.write_text(values)
        assert read_job(folder).state == "lost"
    resume_run(folder)
    wait_for_state(folder, "finished")


def test_an_entry_that_is_none_is_left_out(drawn_dataset: Path, tmp_path: Path) -> None:
    with queue_locked():
        entry = add_entry(["check", str(drawn_dataset)], tmp_path, "none")
    for name in ("00000077.json", "notes.json"):
        (entry.path.parent / name).write_text("{")
    assert read_entries() == [entry]


def test_ids_are_not_given_out_twice(tmp_path: Path) -> None:
    with queue_locked():
        first = add_entry(["check"], tmp_path, "none")
        first.remove()
        assert add_entry(["check"], tmp_path, "none").id == first.id + 1


def test_a_device_is_held_until_the_outermost_holder_lets_go(tmp_path: Path) -> None:
    with device_locked("cpu", tmp_path):
        with device_locked("cpu", tmp_path):
            assert is_device_held("cpu")
        assert is_device_held("cpu")
    assert not is_device_held("cpu")
