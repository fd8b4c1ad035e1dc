"""A suite is a plan of jobs: who trains them, where and in which order, changes nothing in its table."""

import contextlib
import csv
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from bloodcell.config import RunConfig
from bloodcell.datasets.drawn_cells import write_synthetic_dataset
from bloodcell.datasets.folder_scan import DataFolders
from bloodcell.devices.precision import resolve_by_measurement
from bloodcell.jobs.executors.executor import JobEnd, PlanWatch, TrainingJob
from bloodcell.jobs.executors.local import answer_test_images
from bloodcell.runs.run_folder import RunFolder
from bloodcell.suites.run_suite import run_suite
from bloodcell.suites.suite import SuiteFolder, build_suite
from tests.conftest import REPOSITORY
from tests.jobs.conftest import wait_for

TIMES = ("images_per_second", "seconds_per_run")


class ScatteredExecutor:
    """Each job by a process with a home of its own, as on its own machine; the last first, the first killed once."""

    def __init__(self, homes: Path) -> None:
        self.homes = homes
        self.kills = 0

    def reserved(
        self, config: RunConfig, folder: Path, *, wait: bool, should_stop: Callable[[], bool]
    ) -> AbstractContextManager[None]:
        return contextlib.nullcontext()

    def measured(self, config: RunConfig) -> RunConfig:
        return resolve_by_measurement(config)

    def run(self, jobs: Sequence[TrainingJob], watch: PlanWatch) -> Iterator[JobEnd]:
        started = [self.started(job) for job in reversed(jobs)]
        first = RunFolder(jobs[-1].folder)
        wait_for(first.metrics.exists)
        started[0].kill()
        started[0].wait()
        self.kills += first.read_outcome() is None
        started[0] = self.started(jobs[-1])
        for job, process in zip(reversed(jobs), started, strict=True):
            assert process.wait(timeout=300) == 0
            answer_test_images(RunFolder(job.folder), job.tests, watch.progress)
            yield JobEnd(job=job, state="finished")

    def started(self, job: TrainingJob) -> "subprocess.Popen[bytes]":
        run = RunFolder(job.folder)
        if not run.config.exists():
            run.create(job.config, DataFolders(dataset=job.data_folder, allow_unusable=job.allow_unusable))
        environment = {**os.environ, "BLOODCELL_HOME": str(self.homes / job.folder.name)}
        command = [sys.executable, "-m", "bloodcell", "train", "--run-dir", str(job.folder), "--resume"]
        return subprocess.Popen(command, cwd=REPOSITORY, env=environment, stderr=subprocess.DEVNULL)


def silent() -> PlanWatch:
    return PlanWatch(
        announce=lambda number, runs, name: None,
        report=lambda status: None,
        progress=lambda what, done, total: None,
        should_stop=lambda: False,
    )


def table_without_times(folder: SuiteFolder) -> list[dict[str, str]]:
    with folder.table.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    return [{name: value for name, value in row.items() if name not in TIMES} for row in rows]


def test_jobs_on_machines_of_their_own_give_the_table_of_one_process(drawn_dataset: Path, tmp_path: Path) -> None:
    suite = build_suite(
        "smoke",
        data_folder=drawn_dataset,
        test_folders=[drawn_dataset_of_tests(tmp_path)],
        arms=["simple_cnn"],
        seeds=(0,),
        epochs=6,
        device="cpu",
    )
    folders = [SuiteFolder(tmp_path / name) for name in ("here", "scattered")]
    for folder in folders:
        folder.create(suite)
    here, scattered = folders
    executor = ScatteredExecutor(tmp_path / "homes")
    assert run_suite(here, silent()).is_finished
    assert run_suite(scattered, silent(), executor=executor).is_finished
    assert executor.kills == 1
    assert table_without_times(scattered) == table_without_times(here)


def drawn_dataset_of_tests(tmp_path: Path) -> Path:
    write_synthetic_dataset(tmp_path / "tests", per_class=2, size_px=64, seed=9)
    return tmp_path / "tests"
