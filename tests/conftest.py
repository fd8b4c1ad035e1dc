"""Fixtures: drawn cells for tests that run anywhere, real cells where they lie beside the repository."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bloodcell.devices.threads import spin_briefly

spin_briefly()  # before torch is there, as every entry point does

from bloodcell.config import RunConfig
from bloodcell.datasets.drawn_cells import write_synthetic_dataset
from bloodcell.jobs.queue import read_entries
from bloodcell.runs.run_folder import RunFolder, RunStatus
from bloodcell.training.train_run import TrainingWatch, resume_run, start_run

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED_DATA = REPOSITORY.parent / "shared" / "data"
SHARED_CASES = REPOSITORY.parent / "shared" / "cases"


@pytest.fixture(scope="session", autouse=True)
def _session_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep fixtures that outlive a test out of the home of the person who runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BLOODCELL_HOME", str(tmp_path_factory.mktemp("session_home")))
        yield


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give every test a home of its own: runs, locks and published weights of one are not seen by another.

    When the test ends, the worker and the jobs of that home are killed: they are made to outlive who started them.
    """
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BLOODCELL_HOME", str(home))
        yield
        if (home / "queue").is_dir():
            # Again until none is left: a worker that is killed may have started a job that nobody has noted yet.
            while pids := [*_processes_of(home), *job_processes()]:
                for pid in pids:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                time.sleep(0.01)


@contextlib.contextmanager
def held_elsewhere(lock: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Let another process hold the lock on a file."""
    code = (
        "import fcntl, sys, time\nstream = open(sys.argv[1], 'a')\nfcntl.flock(stream, fcntl.LOCK_EX)\n"
        "print('held', flush=True)\ntime.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code, lock], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"held\n"
            yield process
        finally:
            process.kill()


def worker_processes(home: Path) -> list[int]:
    """Return the numbers of the processes that walk a home's queue, found by what the system says of them."""
    return [
        pid for pid, command in _processes_of(home).items() if command[3:4] == [b"work"] and b"--job" not in command
    ]


def _processes_of(home: Path) -> dict[int, list[bytes]]:
    """Return number → command line of all `python -m bloodcell` that have a home, ended ones left out."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            command = (path / "cmdline").read_bytes().split(b"\0")
            environment = (path / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if command[1:3] == [b"-m", b"bloodcell"] and f"BLOODCELL_HOME={home}".encode() in environment:
            found[int(path.name)] = command
    return found


def job_processes() -> list[int]:
    """Return the numbers of the processes of all jobs that run in this home."""
    processes = (entry.process for entry in read_entries())
    return [process.pid for process in processes if process is not None and process.is_alive()]


@pytest.fixture(scope="session")
def real_data_folder() -> Path:
    """The folder that holds pbc3200 and pbc_test; skipped where it is absent, failed where it is required."""
    if SHARED_DATA.is_dir():
        return SHARED_DATA
    if os.environ.get("BLOODCELL_REQUIRE_REAL_IMAGES") == "1":
        pytest.fail(f"The real images are required and {SHARED_DATA} is not there.")
    pytest.skip("The real images (shared/data beside the repository) are not on this machine.")


@pytest.fixture(scope="session")
def cases_folder() -> Path:
    """The folder of odd image files; skipped where it is absent, failed where the real images are required."""
    if SHARED_CASES.is_dir():
        return SHARED_CASES
    if os.environ.get("BLOODCELL_REQUIRE_REAL_IMAGES") == "1":
        pytest.fail(f"The odd image files are required and {SHARED_CASES} is not there.")
    pytest.skip("The odd image files (shared/cases beside the repository) are not on this machine.")


@pytest.fixture(scope="session")
def drawn_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """80 drawn cells, 10 per class, 64 px."""
    folder = tmp_path_factory.mktemp("drawn")
    write_synthetic_dataset(folder, per_class=10, size_px=64, seed=0)
    return folder


def quick_config(**changes: object) -> RunConfig:
    """A config that trains in a second on drawn cells."""
    config = RunConfig(experiment="quick", model="simple_cnn", image_size_px=32, epochs=2, batch_size=16, device="cpu")
    return replace(config, **changes)


def train_or_resume(
    config: RunConfig | None,
    data_folder: Path | None,
    folder: RunFolder,
    *,
    report: Callable[[RunStatus], None] = lambda status: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> bool:
    """Start a run, or resume the folder's where there is no config, without drawing anything."""

    def progress(what: str, done: int, total: int) -> None:
        assert 0 < done <= total

    watch = TrainingWatch(report=report, progress=progress, should_stop=should_stop)
    if config is None:
        return resume_run(folder, watch, data_folder=data_folder)
    assert data_folder is not None
    return start_run(config, data_folder, folder, watch)


def train_quietly(config: RunConfig | None, data_folder: Path | None, run_dir: Path) -> RunFolder:
    """Train or resume to the end."""
    folder = RunFolder(run_dir)
    assert train_or_resume(config, data_folder, folder)
    return folder


@pytest.fixture(scope="session")
def finished_run(drawn_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A finished run of the simple CNN on the drawn cells. Read it, never write to it."""
    return train_quietly(quick_config(epochs=6), drawn_dataset, tmp_path_factory.mktemp("runs") / "finished")
