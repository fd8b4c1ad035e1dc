"""Fixtures of the job tests: real processes on drawn cells."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bloodcell.jobs import Job, enqueue_run, read_job
from bloodcell.jobs.queue import entry_of, queue_folder
from bloodcell.processes.file_lock import is_held
from tests.conftest import quick_config
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
