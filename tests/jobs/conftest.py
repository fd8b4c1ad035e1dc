"""Fixtures of the job tests: real processes on drawn cells."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bloodcell.datasets.folder_scan import DataFolders
from bloodcell.jobs import Job, enqueue_run, read_job
from bloodcell.jobs.queue import entry_of, queue_folder
from bloodcell.paths import runs_folder
from bloodcell.processes.file_lock import is_held
from bloodcell.runs.run_folder import RunFolder
from tests.conftest import REPOSITORY, quick_config
from tests.conftest import worker_processes as home_workers

LONG = 4000
"""Epochs that no test waits for."""


PATIENCE_SECONDS = 240.0
"""Longer than anything takes on a busy machine; how long things take is measured in benchmarks."""


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def wait_for_state(folder: Path, *states: str) -> Job:
    wait_for(lambda: read_job(folder).state in states)
    return read_job(folder)


def process_of(folder: Path) -> int:
    """Return the number of the process that the worker started in a folder."""
    wait_for(lambda: (entry := entry_of(folder)) is not None and entry.process is not None)
    entry = entry_of(folder)
    assert entry is not None
    assert entry.process is not None
    return entry.process.pid


def worker_processes() -> list[int]:
    """Return the numbers of the processes that walk this test's queue."""
    return home_workers(Path(os.environ["BLOODCELL_HOME"]))


def kill_worker() -> None:
    """Kill the process that walks this test's queue; return once another can take its place."""
    wait_for(lambda: bool(worker_processes()))
    for worker in worker_processes():
        os.kill(worker, signal.SIGKILL)
    # A process that dies gives its locks back milliseconds after the system has forgotten its command line.
    wait_for(lambda: not worker_processes() and not is_held(queue_folder() / "worker.lock"))


@pytest.fixture
def enqueue(drawn_dataset: Path) -> Callable[..., Path]:
    """Hand in a run of the quick config."""

    def hand_in(name: str = "run", data_folder: Path | None = None, **changes: object) -> Path:
        return enqueue_run(quick_config(**changes), data_folder or drawn_dataset, name=name)

    return hand_in


def rewrite_status(run: RunFolder, **changes: Any) -> None:
    run.write_json(run.status, {**json.loads(run.status.read_bytes()), **changes})


def run_by_hand(data: Path, name: str = "run") -> tuple[RunFolder, "subprocess.Popen[bytes]"]:
    """Train without the queue, until the first epoch is done."""
    run = RunFolder(runs_folder() / name)
    run.create(quick_config(epochs=LONG), DataFolders(dataset=data))
    command = [sys.executable, "-m", "bloodcell", "train", "--run-dir", run.path, "--resume"]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: run.metrics.exists())
    return run, process


@pytest.fixture
def by_hand(drawn_dataset: Path) -> Any:
    run, process = run_by_hand(drawn_dataset)
    yield run, process
    process.kill()
    process.wait()


def stop_writing(process: "subprocess.Popen[bytes]") -> None:
    os.kill(process.pid, signal.SIGSTOP)
    wait_for(lambda: "T" in Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0])
