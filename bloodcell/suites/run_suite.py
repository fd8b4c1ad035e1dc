"""Train a suite: every arm with every seed, one after another, so that it can be killed at any moment and go on."""

import contextlib
import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bloodcell.answers.classifier import Classifier
from bloodcell.answers.labelled_table import LabelledRow, write_labelled_table
from bloodcell.config import RunConfig
from bloodcell.datasets.folder_scan import LabelledFile, scan_dataset
from bloodcell.devices.precision import pick_device, resolve_by_measurement, runs_bf16_natively
from bloodcell.errors import DatasetError, LostFile, TrainingDiverged, UnreadableImage
from bloodcell.images.open_image import read_image_bytes
from bloodcell.laboratories.evaluate import evaluate
from bloodcell.paths import readable_path
from bloodcell.processes.device_lock import device_locked, device_name
from bloodcell.processes.heartbeat import HEARTBEAT_SECONDS, paced
from bloodcell.processes.process_folder import ProcessFolder
from bloodcell.runs.run_folder import RunFolder, RunStatus
from bloodcell.suites.columns import write_suite_table
from bloodcell.suites.suite import ALL_SEEN, Arm, Suite, SuiteFolder
from bloodcell.training.run_data import Progress, RunImages
from bloodcell.training.train_run import TrainingWatch, obedient, resume_run, start_run
from bloodcell.weights.file import load_weights

Announce = Callable[[int, int, str], None]
"""Called before each run with its number from 1, the number of runs, and its name."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class TestImages:
    """Images that choose nothing and only report."""

    __test__ = False  # no test of pytest's

    folders: tuple[Path, ...]
    seen: frozenset[str]
    """Hashes of those that are among the training and validation images; they are left out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SuiteEnd:
    """How the training of a suite ended."""

    is_finished: bool
    """False after a stop that was asked for."""
    diverged: tuple[str, ...]
    """Names of runs whose loss stopped being a number."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SuiteWatch(TrainingWatch):
    """What is told about a suite that trains, and what is asked."""

    announce: Announce


def run_suite(
    folder: SuiteFolder,
    watch: SuiteWatch,
    *,
    data_folder: Path | None = None,
    test_folders: Sequence[Path] = (),
    wait_for_device: bool = False,
) -> SuiteEnd:
    """Train what is missing of the suite in a folder; write test answers and the table after each run.

    A finished run is never trained again; one that was interrupted goes on from its last whole epoch.

    Args:
        data_folder: where the images are now; None: where they were when the suite began.
        test_folders: the same for the test images; none: where they were.
        wait_for_device: wait while something else trains on the device, instead of refusing.

    Raises:
        RunFolderError: there is no suite, or another process trains it.
        DeviceBusy: something else trains on the device.
        DatasetError: images are missing or have changed, or all test images are among the others.
    """
    suite = folder.read()
    data = data_folder or Path(suite.data_folder)
    tests = tuple(test_folders) or tuple(map(Path, suite.test_folders))
    device = device_name(suite.arms[0].config.device)
    with (
        RunFolder(folder.path).locked(),
        # Held around all runs, so that nothing else trains between two.
        device_locked(device, folder.path, wait=wait_for_device, should_stop=watch.should_stop),
        _recorded_end(folder) as ends,
    ):
        watch = _telling(watch, folder)
        suite = with_measured_precision(suite)
        folder.write(suite)
        seen = seen_test_images(data, tests) if tests else frozenset()
        folder.write(replace(suite, seen_test_images=len(seen)))
        end = _train_all(folder, suite, watch, data, TestImages(folders=tests, seen=seen))
        ends(end)
    return end


def _telling(watch: SuiteWatch, folder: SuiteFolder) -> SuiteWatch:
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


def _train_all(folder: SuiteFolder, suite: Suite, watch: SuiteWatch, data: Path, tests: TestImages) -> SuiteEnd:
    images, planned = RunImages(), suite.planned_runs()
    diverged: list[str] = []
    for number, (arm, seed) in enumerate(planned, start=1):
        run = RunFolder(folder.run_path(arm.name, seed))
        watch.announce(number, len(planned), run.path.name)
        try:
            if not _train(run, replace(arm.config, seed=seed), data, images, watch, suite.allow_unusable):
                return SuiteEnd(is_finished=False, diverged=tuple(diverged))
            if tests.folders and not run.test_predictions.exists():
                answer_test_images(run, tests, watch.progress)
        except TrainingDiverged as error:
            logger.warning("%s: %s", run.path.name, error)
            diverged.append(run.path.name)
        write_suite_table(folder)
    return SuiteEnd(is_finished=True, diverged=tuple(diverged))


def _train(
    run: RunFolder, config: RunConfig, data_folder: Path, images: RunImages, watch: SuiteWatch, allow_unusable: bool
) -> bool:
    """Start the run, go on with it, or leave it where it is finished; return whether it is."""
    if run.config.exists():
        return resume_run(run, watch, data_folder=data_folder, allow_unusable=allow_unusable, images=images)
    return start_run(config, data_folder, run, watch, allow_unusable=allow_unusable, images=images)


def with_measured_precision(suite: Suite) -> Suite:
    """Replace 'auto' in all arms by what is fastest here for the first arm: one choice for all.

    Arms that computed in different precisions would differ in two settings.
    """
    chosen = resolve_by_measurement(suite.arms[0].config)

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


def answer_test_images(run: RunFolder, tests: TestImages, progress: Progress) -> None:
    """Write predictions_test.csv: the answers of a run's best weights, computed in the run's precision if it can be.

    Of several folders, the name of each stands before its files.

    Raises:
        DatasetError: a folder holds no dataset.
        WeightsError: the run has no weights.
    """
    config, _ = run.read_config()
    has_bf16 = runs_bf16_natively(pick_device(config.device))
    precision = "fp32" if config.precision == "bf16" and not has_bf16 else config.precision
    classifier = Classifier(load_weights(run.best), device=config.device, precision=precision)
    rows: list[LabelledRow] = []
    for folder in tests.folders:
        answers = evaluate(
            classifier, folder, progress=lambda done, total: progress("answering for test images", done, total)
        )
        prefix = f"{folder.name}/" if len(tests.folders) > 1 else ""
        rows += [
            replace(row, prediction=replace(row.prediction, file=prefix + row.prediction.file))
            for row in answers.rows
            if row.sha256 not in tests.seen
        ]
    write_labelled_table(rows, run.test_predictions)
