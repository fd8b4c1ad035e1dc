"""Train a suite: a plan of jobs, every arm with every seed, that can be killed at any moment and goes on."""

import contextlib
import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bloodcell.datasets.folder_scan import LabelledFile, scan_dataset
from bloodcell.errors import DatasetError, LostFile, RunFolderError, UnreadableImage
from bloodcell.images.open_image import read_image_bytes
from bloodcell.jobs.executors.executor import Executor, PlanWatch, TestImages, TrainingJob
from bloodcell.jobs.executors.local import LocalExecutor
from bloodcell.paths import readable_path
from bloodcell.processes.heartbeat import HEARTBEAT_SECONDS, paced
from bloodcell.processes.process_folder import ProcessFolder
from bloodcell.runs.run_folder import RunFolder, RunStatus
from bloodcell.suites.columns import write_suite_table
from bloodcell.suites.suite import ALL_SEEN, Arm, Suite, SuiteFolder
from bloodcell.training.train_run import obedient

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class SuiteEnd:
    """How the training of a suite ended."""

    is_finished: bool
    """False after a stop that was asked for."""
    diverged: tuple[str, ...]
    """Names of runs whose loss stopped being a number."""


def run_suite(
    folder: SuiteFolder,
    watch: PlanWatch,
    *,
    data_folder: Path | None = None,
    test_folders: Sequence[Path] = (),
    wait_for_device: bool = False,
    executor: Executor | None = None,
) -> SuiteEnd:
    """Train what is missing of the suite in a folder; write test answers and the table after each run.

    A finished run is never trained again; one that was interrupted goes on from its last whole epoch.

    Args:
        data_folder: where the images are now; None: where they were when the suite began.
        test_folders: the same for the test images; none: where they were.
        wait_for_device: wait while something else trains on the device, instead of refusing.
        executor: what trains the runs; None: this process.

    Raises:
        RunFolderError: there is no suite, or another process trains it.
        DeviceBusy: something else trains on the device.
        DatasetError: images are missing or have changed, or all test images are among the others.
    """
    suite = folder.read()
    data = data_folder or Path(suite.data_folder)
    tests = tuple(test_folders) or tuple(map(Path, suite.test_folders))
    executor, first = executor or LocalExecutor(), suite.arms[0].config
    with (
        RunFolder(folder.path).locked(),
        executor.reserved(first, folder.path, wait=wait_for_device, should_stop=watch.should_stop),
        _recorded_end(folder) as ends,
    ):
        watch = _telling(watch, folder)
        suite = with_measured_precision(suite, executor)
        folder.write(suite)
        seen = seen_test_images(data, tests) if tests else frozenset()
        folder.write(replace(suite, seen_test_images=len(seen)))
        end = _train_all(folder, suite, watch, data, TestImages(folders=tests, seen=seen), executor)
        ends(end)
    return end


def _telling(watch: PlanWatch, folder: SuiteFolder) -> PlanWatch:
    """Return a watch that also gives the suite's sign of life, and stops at its stop.json."""
    process = ProcessFolder(folder.path)
    tell = paced(lambda: process.write_process({}), seconds=HEARTBEAT_SECONDS, otherwise=None)

    def report(status: RunStatus) -> None:
        tell()
        watch.report(status)

    def progress(what: str, done: int, total: int) -> None:
        tell()
        watch.progress(what, done, total)

    told = obedient(watch, process)
    return replace(watch, report=report, progress=progress, should_stop=told.should_stop)


@contextlib.contextmanager
def _recorded_end(folder: SuiteFolder) -> Iterator[Callable[[SuiteEnd], None]]:
    """Write down that this process trains the suite, and how that ended."""
    process = ProcessFolder(folder.path)
    process.begin()
    process.write_process({})

    def ends(end: SuiteEnd) -> None:
        if end.is_finished:
            process.write_outcome("finished", "")
        else:
            process.write_outcome("stopped", "it was asked to stop")

    try:
        yield ends
    except BaseException as error:
        process.write_outcome("failed", str(error) or repr(error))
        raise


def _train_all(
    folder: SuiteFolder, suite: Suite, watch: PlanWatch, data: Path, tests: TestImages, executor: Executor
) -> SuiteEnd:
    jobs = [
        TrainingJob(
            folder=folder.run_path(arm.name, seed),
            config=replace(arm.config, seed=seed),
            data_folder=data,
            tests=tests,
            allow_unusable=suite.allow_unusable,
        )
        for arm, seed in suite.planned_runs()
    ]
    ends = []
    for end in executor.run(jobs, watch):
        ends.append(end)
        if end.state != "stopped":
            write_suite_table(folder)
    is_stopped = any(end.state == "stopped" for end in ends)
    if not is_stopped and len(ends) < len(jobs):
        raise RunFolderError(f"{len(jobs) - len(ends)} of {len(jobs)} runs came to no end. Resume the suite.")
    return SuiteEnd(
        is_finished=not is_stopped,
        diverged=tuple(end.job.folder.name for end in ends if end.state == "diverged"),
    )


def with_measured_precision(suite: Suite, executor: Executor) -> Suite:
    """Replace 'auto' in all arms by what is fastest there for the first arm: one choice for all.

    Arms that computed in different precisions would differ in two settings.
    """
    chosen = executor.measured(suite.arms[0].config)

    def as_chosen(arm: Arm) -> Arm:
        same = arm.config.changed(device=chosen.device, precision=chosen.precision, memory_format=chosen.memory_format)
        return replace(arm, config=same)

    return replace(suite, arms=tuple(map(as_chosen, suite.arms)))


def seen_test_images(data_folder: Path, test_folders: Sequence[Path]) -> frozenset[str]:
    """Return the hashes of test images that are, byte for byte, among the training and validation images.

    Raises:
        DatasetError: all are, a folder holds no dataset, or the disk does not give an image.
    """
    known, tested = _hashes(data_folder), {sha256 for folder in test_folders for sha256 in _hashes(folder)}
    seen = frozenset(known & tested)
    if seen == tested:
        raise DatasetError(f"All {len(tested)} test images {ALL_SEEN} Start a new suite with others.")
    return seen


def _hashes(folder: Path) -> set[str]:
    return {hashlib.sha256(_read(file)).hexdigest() for file in scan_dataset(folder).files}


def _read(file: LabelledFile) -> bytes:
    """Return a file's bytes; of what is no image file at all, none."""
    try:
        return read_image_bytes(file.path)
    except LostFile as error:
        raise DatasetError(f"{readable_path(file.path)}: {error}") from error
    except UnreadableImage:
        return b""
