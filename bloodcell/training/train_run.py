"""Start or resume a run: from a config and two folders to an outcome."""

import contextlib
import logging
import os
from collections.abc import Callable
from pathlib import Path

from bloodcell.config import RunConfig
from bloodcell.data.split import read_split, write_split
from bloodcell.errors import BloodcellError, RunFolderError
from bloodcell.training.precision import resolve_by_measurement
from bloodcell.training.run_data import Progress, load_run_data, split_dataset
from bloodcell.training.run_folder import RunFolder, RunStatus
from bloodcell.training.trainer import Trainer

logger = logging.getLogger(__name__)


def train_run(
    config: RunConfig | None,
    data_folder: Path | None,
    folder: RunFolder,
    *,
    report: Callable[[RunStatus], None],
    progress: Progress,
    should_stop: Callable[[], bool],
) -> bool:
    """Train a new run, or go on with the one in the folder where config is None.

    Args:
        data_folder: the dataset; None on resume: where it was.

    Returns:
        Whether the last epoch was reached; False after a stop that was asked for.

    Raises:
        BloodcellError: data, folder or settings do not allow it, or the loss diverged; outcome.json says why.
    """
    resuming = config is None
    if config is None:
        config, recorded_folder = folder.read_config()
        data_folder = data_folder or recorded_folder
    elif data_folder is None:
        raise RunFolderError("A new run needs a data folder (--data).")
    else:
        data_folder = data_folder.expanduser().resolve()
        config = resolve_by_measurement(config)
        folder.create(config, data_folder)
    folder.outcome.unlink(missing_ok=True)
    with _logged(folder):
        try:
            finished = _train(config, data_folder, folder, resuming, report, progress, should_stop)
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
    config: RunConfig,
    data_folder: Path,
    folder: RunFolder,
    resuming: bool,
    report: Callable[[RunStatus], None],
    progress: Progress,
    should_stop: Callable[[], bool],
) -> bool:
    folder.write_status(
        RunStatus(epoch=0, epochs=config.epochs, step=0, steps=0, images_per_second=0, eta_seconds=None)
    )
    if not folder.split.exists():
        write_split(split_dataset(config, data_folder, progress), folder.split)
    data = load_run_data(config, data_folder, read_split(folder.split), progress)
    trainer = Trainer(config, data, folder, report=report, should_stop=should_stop)
    if resuming:
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
