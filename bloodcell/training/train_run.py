"""Start or resume a run: from a config and two folders to an outcome."""

import contextlib
import logging
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bloodcell.config import RunConfig
from bloodcell.data.folder_scan import scan_dataset
from bloodcell.data.split import read_split, write_split
from bloodcell.errors import BloodcellError
from bloodcell.training.precision import pick_device, resolve_by_measurement
from bloodcell.training.run_data import Progress, load_run_data, split_dataset
from bloodcell.training.run_folder import RunFolder, RunStatus
from bloodcell.training.trainer import Trainer

Report = Callable[[RunStatus], None]
Stop = Callable[[], bool]

logger = logging.getLogger(__name__)


class _StopAsked(Exception):
    """A stop was asked for while images were read."""


def start_run(
    config: RunConfig, data_folder: Path, folder: RunFolder, *, report: Report, progress: Progress, should_stop: Stop
) -> bool:
    """Train a new run to its last epoch.

    Args:
        report: called about every two seconds of training.
        progress: called while images are read.
        should_stop: asked often; the run then ends so that it can be resumed.

    Returns:
        Whether the last epoch was reached; False after a stop that was asked for.

    Raises:
        BloodcellError: data, folder or settings do not allow it, or the loss diverged; outcome.json says why.
    """
    data_folder = data_folder.resolve()
    scan_dataset(data_folder)
    config = resolve_by_measurement(config)
    with folder.locked():
        folder.create(config, data_folder)
        return _recorded(config, data_folder, folder, report, progress, should_stop)


def resume_run(
    folder: RunFolder,
    *,
    data_folder: Path | None = None,
    device: str | None = None,
    report: Report,
    progress: Progress,
    should_stop: Stop,
) -> bool:
    """Go on with the run in a folder, with its own settings; a run that is finished is left as it is.

    Args:
        data_folder: the dataset; None: where it was.
        device: 'auto', 'cpu' or 'cuda'; None: the run's own.

    Returns, Raises:
        As `start_run`.
    """
    config, recorded_folder = folder.read_config()
    on_device = pick_device(device or config.device).type
    config = replace(config, device="cuda" if on_device == "cuda" else "cpu")
    with folder.locked():
        if (outcome := folder.read_outcome()) is not None and outcome["state"] == "finished":
            return True
        return _recorded(config, (data_folder or recorded_folder).resolve(), folder, report, progress, should_stop)


def _recorded(
    config: RunConfig, data_folder: Path, folder: RunFolder, report: Report, progress: Progress, should_stop: Stop
) -> bool:
    """Train, and write down how it ended."""
    folder.outcome.unlink(missing_ok=True)
    with _logged(folder):
        try:
            finished = _train(config, data_folder, folder, report, progress, should_stop)
        except BaseException as error:
            folder.write_outcome("failed", str(error) if isinstance(error, BloodcellError) else repr(error))
            logger.exception("failed")
            raise
        if finished:
            folder.write_outcome("finished", "")
        else:
            folder.write_outcome("stopped", "it was asked to stop")
    return finished


def _train(
    config: RunConfig, data_folder: Path, folder: RunFolder, report: Report, progress: Progress, should_stop: Stop
) -> bool:
    reading = RunStatus(epoch=0, epochs=config.epochs, step=0, steps=0, images_per_second=0, eta_seconds=None)

    def progress_or_stop(what: str, done: int, total: int) -> None:
        if done % 50 == 1:
            folder.write_status(reading)
        if should_stop():
            raise _StopAsked
        progress(what, done, total)

    try:
        if not folder.split.exists():
            write_split(split_dataset(config, data_folder, progress_or_stop), folder.split)
        data = load_run_data(config, data_folder, read_split(folder.split), progress_or_stop)
    except _StopAsked:
        return False
    trainer = Trainer(config, data, folder, report=report, should_stop=should_stop)
    trainer.resume()
    return trainer.run()


@contextlib.contextmanager
def _logged(folder: RunFolder):  # type: ignore[no-untyped-def]
    """Write what `bloodcell` logs to train.log."""
    handler = folder.log_handler()
    package_logger = logging.getLogger("bloodcell")
    package_logger.addHandler(handler)
    package_logger.setLevel(logging.INFO)
    try:
        logger.info("process %d starts", os.getpid())
        yield
    finally:
        package_logger.removeHandler(handler)
        handler.close()
