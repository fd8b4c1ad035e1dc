"""Who is alive, who is stopped and who is left alone: the lock decides, whatever clocks, numbers and files say."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bloodcell.datasets.folder_scan import DataFolders
from bloodcell.errors import RunFolderError
from bloodcell.jobs import (
    delete_run,
    ending,
    enqueue_command,
    ensure_worker,
    read_job,
    resume_run,
    stop_job,
    worker_lock,
)
from bloodcell.jobs.queue import add_entry, queue_folder, queue_locked, read_entries
from bloodcell.paths import runs_folder
from bloodcell.processes.process_identity import identity_of
from bloodcell.runs.run_folder import RunFolder
from tests.conftest import REPOSITORY, held_elsewhere, quick_config
from tests.jobs.conftest import (
    LONG,
    process_of,
    rewrite_status,
    stop_writing,
    wait_for,
    wait_for_state,
    worker_processes,
)

Enqueue = Callable[..., Path]


STRANGE: dict[str, dict[str, Any]] = {
    "clock set back": {"heartbeat": 0.0},
    "clock set forward": {"heartbeat": time.time() + 1e7},
    "another host": {
        "host": "another",
        "boot_id": "another",
        "pid_namespace": "another",
        "heartbeat_boot_id": "another",
    },
    "another number": {"pid": 1, "start_ticks": 1},
    "an older version": {"pid": 1, "process_start_time": 1.0, "boot_id": None},
    "nonsense": {"pid": float("inf"), "start_ticks": "x", "heartbeat_monotonic": float("nan")},
}


@pytest.mark.parametrize("changes", STRANGE.values(), ids=STRANGE.keys())
def test_a_run_that_trains_is_not_deleted_and_is_stopped_whatever_its_status_says(
    by_hand: tuple[RunFolder, "subprocess.Popen[bytes]"], changes: dict[str, Any]
) -> None:
    run, process = by_hand
    stop_writing(process)
    rewrite_status(run, **changes)
    assert read_job(run.path).state == "running"
    with pytest.raises(RunFolderError, match="Stop it first"):
        delete_run(run.path)
    with pytest.raises(RunFolderError, match="running"):
        resume_run(run.path)
    os.kill(process.pid, signal.SIGCONT)
    rewrite_status(run, **changes)
    stop_job(run.path)
    assert process.wait(timeout=300) == 1
    assert read_job(run.path).state == "stopped"
    delete_run(run.path)
    assert not run.path.exists()


def test_a_status_that_names_a_foreign_process_exactly_does_not_get_it_killed(
    by_hand: tuple[RunFolder, "subprocess.Popen[bytes]"],
) -> None:
    run, process = by_hand
    with subprocess.Popen(["sleep", "600"]) as foreign:
        stop_writing(process)
        rewrite_status(run, **identity_of(foreign.pid).to_dict())
        stop_job(run.path)
        os.kill(process.pid, signal.SIGCONT)
        process.wait(timeout=300)
        assert foreign.poll() is None
        foreign.kill()


def test_a_lost_run_whose_status_names_a_living_process_is_neither_running_nor_stopped(
    drawn_dataset: Path,
) -> None:
    run = RunFolder(runs_folder() / "run")
    run.create(quick_config(), DataFolders(dataset=drawn_dataset))
    with subprocess.Popen(["sleep", "600"]) as foreign:
        run.write_process(identity_of(foreign.pid).to_dict())
        assert read_job(run.path).state == "lost"
        with pytest.raises(RunFolderError, match="does not run"):
            stop_job(run.path)
        assert foreign.poll() is None
        foreign.kill()


def test_what_holds_a_run_and_is_no_command_of_ours_gets_no_signal(drawn_dataset: Path) -> None:
    run = RunFolder(runs_folder() / "run")
    run.create(quick_config(), DataFolders(dataset=drawn_dataset))
    with held_elsewhere(run.lock) as holder:
        stop_job(run.path)
        assert read_job(run.path).state == "stopping"
        time.sleep(0.2)
        assert holder.poll() is None
        with pytest.raises(RunFolderError, match="Stop it first"):
            delete_run(run.path)


@pytest.mark.skipif(shutil.which("unshare") is None, reason="no containers on this system")
def test_from_another_container_of_the_same_home_a_run_is_seen_kept_and_stopped(
    by_hand: tuple[RunFolder, "subprocess.Popen[bytes]"],
) -> None:
    run, process = by_hand
    code = f"""
import pathlib, socket
socket.sethostname("another")
from bloodcell.errors import RunFolderError
from bloodcell.jobs import delete_run, read_job, stop_job
folder = pathlib.Path({str(run.path)!r})
print(read_job(folder).state)
try:
    delete_run(folder)
except RunFolderError as error:
    print(error)
stop_job(folder)
"""
    container = ["unshare", "-r", "--uts", "--pid", "--mount-proc", "--fork", sys.executable, "-c", code]
    result = subprocess.run(container, cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False)
    assert result.stdout.splitlines() == ["running", "run is running. Stop it first."], result.stderr
    assert process.wait(timeout=300) == 1
    assert read_job(run.path).state == "stopped"


def test_a_run_of_another_machine_whose_locks_are_not_seen_is_kept_while_it_gives_signs_of_life(
    drawn_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bloodcell.jobs.job.LOOK_SECONDS", 2.0)
    run = RunFolder(runs_folder() / "run")
    run.create(quick_config(), DataFolders(dataset=drawn_dataset))
    run.write_process({})
    other = {"host": "another", "boot_id": "another", "heartbeat_boot_id": "another"}
    ended = threading.Event()

    def live() -> None:
        beat = 0
        while not ended.wait(0.2):
            beat += 1
            rewrite_status(run, **other, heartbeat_monotonic=beat)

    rewrite_status(run, **other, heartbeat_monotonic=0)
    living = threading.Thread(target=live)
    living.start()
    try:
        with pytest.raises(RunFolderError, match="worked on by another just now"):
            delete_run(run.path)
        assert wait_for_state(run.path, "running").silent_seconds is not None
        with pytest.raises(RunFolderError, match=r"Stop it first|worked on by"):
            delete_run(run.path)
    finally:
        ended.set()
        living.join()
    monkeypatch.setattr("bloodcell.jobs.job.LIVES_WITHIN_SECONDS", 0.5)
    job = wait_for_state(run.path, "lost")
    assert "worked on by another" in job.reason
    delete_run(run.path)
    assert not run.path.exists()


def test_a_training_that_hangs_is_killed_some_time_after_it_was_asked_to_stop(
    enqueue: Enqueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = enqueue(epochs=LONG)
    wait_for(lambda: (folder / "metrics.csv").exists())
    pid = process_of(folder)
    os.kill(pid, signal.SIGSTOP)
    stop_job(folder)
    time.sleep(1.5)
    assert read_job(folder).state == "stopping"
    monkeypatch.setattr(ending, "KILL_AFTER_SECONDS", 1.0)
    stop_job(folder)
    job = wait_for_state(folder, "stopped")
    assert "was killed" in job.reason
    resume_run(folder)
    wait_for_state(folder, "running")


def test_an_active_run_says_how_old_its_sign_of_life_is(by_hand: tuple[RunFolder, "subprocess.Popen[bytes]"]) -> None:
    run, process = by_hand
    young = read_job(run.path).silent_seconds
    assert young is not None
    assert young < 20
    stop_writing(process)
    before = read_job(run.path).silent_seconds
    time.sleep(1.2)
    after = read_job(run.path).silent_seconds
    assert before is not None
    assert after is not None
    assert after - before > 1


def test_a_worker_that_is_stopped_is_replaced_and_its_jobs_go_on(
    enqueue: Enqueue, drawn_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = enqueue(epochs=LONG)
    wait_for(lambda: (running / "metrics.csv").exists())
    (hung,) = worker_processes()
    os.kill(hung, signal.SIGSTOP)
    time.sleep(1.5)
    monkeypatch.setattr(worker_lock, "HANGS_AFTER_SECONDS", 1.0)
    enqueue_command(["check", str(drawn_dataset)], folder=tmp_path / "check", device="none")
    wait_for_state(tmp_path / "check", "finished")
    assert hung not in worker_processes()
    assert read_job(running).state == "running"
    assert (running / "train.log").read_text().count(" starts\n") == 1


def test_a_worker_that_lives_is_not_replaced(enqueue: Enqueue) -> None:
    process_of(enqueue(epochs=LONG))
    (worker,) = worker_processes()
    for _ in range(5):
        assert ensure_worker() == ""
        time.sleep(0.5)
    assert worker_processes() == [worker]


BAD_ENTRIES: dict[str, object] = {
    "no JSON": "{",
    "another's number": {"id": 5},
    "an infinite time": {"submitted": float("inf")},
    "an infinite start": {"started": float("inf")},
    "no command": {"argv": []},
    "a strange device": {"device": "../../x"},
    "a zero byte": {"folder": "/tmp/\0"},
    "a relative folder": {"folder": "x"},
    "numbers for words": {"argv": [1, 2]},
    "nested deeply": "[" * 50_000,
}


@pytest.mark.parametrize("bad", BAD_ENTRIES.values(), ids=BAD_ENTRIES.keys())
def test_an_entry_that_cannot_be_read_blocks_nobody(bad: object, drawn_dataset: Path, tmp_path: Path) -> None:
    with queue_locked():
        broken = add_entry(["check", str(drawn_dataset)], tmp_path / "broken", "none")
    text = bad if isinstance(bad, str) else json.dumps({**json.loads(broken.path.read_text()), **bad})  # type: ignore[dict-item]
    broken.path.write_text(text)
    enqueue_command(["check", str(drawn_dataset)], folder=tmp_path / "good", device="none")
    wait_for_state(tmp_path / "good", "finished")
    wait_for(lambda: not worker_processes())
    assert not broken.path.exists()
    assert broken.path.with_suffix(".unreadable").exists()


def test_a_job_whose_folder_is_gone_blocks_nobody(enqueue: Enqueue, drawn_dataset: Path, tmp_path: Path) -> None:
    queue_folder().mkdir(parents=True)
    (tmp_path / "gone").mkdir()
    with queue_locked():
        add_entry(["check", str(drawn_dataset)], tmp_path / "gone", "none")
    (tmp_path / "gone").rmdir()
    enqueue_command(["check", str(drawn_dataset)], folder=tmp_path / "good", device="none")
    wait_for_state(tmp_path / "good", "finished")
    wait_for(lambda: read_entries() == [])
    assert not (tmp_path / "gone").exists()


def test_a_run_is_not_started_in_a_folder_that_is_being_deleted(drawn_dataset: Path) -> None:
    run = RunFolder(runs_folder() / "run")
    run.create(quick_config(), DataFolders(dataset=drawn_dataset))
    with run.locked(again=False), pytest.raises(RunFolderError, match="Another process"), run.locked(again=False):
        pass
