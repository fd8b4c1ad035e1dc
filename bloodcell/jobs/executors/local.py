"""Jobs of a plan in this process, one after another: the images are decoded once for all of them."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from bloodcell.answers.classifier import Classifier
from bloodcell.answers.labelled_table import LabelledRow, write_labelled_table
from bloodcell.config import RunConfig
from bloodcell.devices.precision import pick_device, resolve_by_measurement, runs_bf16_natively
from bloodcell.errors import TrainingDiverged
from bloodcell.jobs.executors.executor import JobEnd, PlanWatch, TestImages, TrainingJob
from bloodcell.laboratories.evaluate import evaluate
from bloodcell.processes.device_lock import device_locked, device_name
from bloodcell.runs.run_folder import RunFolder
from bloodcell.training.run_data import Progress, RunImages
from bloodcell.training.train_run import resume_run, start_run
from bloodcell.weights.file import load_weights

logger = logging.getLogger(__name__)


class LocalExecutor:
    """See `Executor`."""

    def reserved(
        self, config: RunConfig, folder: Path, *, wait: bool, should_stop: Callable[[], bool]
    ) -> AbstractContextManager[None]:
        """Hold the device, so that nothing else trains between two jobs."""
        return device_locked(device_name(config.device), folder, wait=wait, should_stop=should_stop)

    def measured(self, config: RunConfig) -> RunConfig:
        """Measure on this machine."""
        return resolve_by_measurement(config)

    def run(self, jobs: Sequence[TrainingJob], watch: PlanWatch) -> Iterator[JobEnd]:
        """Train in the order of the plan."""
        images = RunImages()
        for number, job in enumerate(jobs, start=1):
            watch.announce(number, len(jobs), job.folder.name)
            try:
                if not _train(job, watch, images):
                    yield JobEnd(job=job, state="stopped")
                    return
                run = RunFolder(job.folder)
                if job.tests.folders and not run.test_predictions.exists():
                    answer_test_images(run, job.tests, watch.progress)
            except TrainingDiverged as error:
                logger.warning("%s: %s", job.folder.name, error)
                yield JobEnd(job=job, state="diverged")
            else:
                yield JobEnd(job=job, state="finished")


def _train(job: TrainingJob, watch: PlanWatch, images: RunImages) -> bool:
    """Start the run, go on with it, or leave it where it is finished; return whether it is."""
    run, data = RunFolder(job.folder), job.data_folder
    if run.config.exists():
        return resume_run(run, watch, data_folder=data, allow_unusable=job.allow_unusable, images=images)
    return start_run(job.config, data, run, watch, allow_unusable=job.allow_unusable, images=images)


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
