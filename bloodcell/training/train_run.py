"""Start or resume a run: from a config and two folders to an outcome."""

import contextlib
import errno
import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from bloodcell.config import RunConfig
from bloodcell.datasets.folder_scan import DataFolders, scan_dataset
from bloodcell.devices.precision import resolve_by_measurement
from bloodcell.errors import BloodcellError, DeviceBusy, RunFolderError
from bloodcell.processes.device_lock import device_locked, device_name
from bloodcell.processes.heartbeat import HEARTBEAT_SECONDS, paced
from bloodcell.processes.process_folder import ProcessFolder
from bloodcell.runs.run_folder import RunFolder, RunStatus
from bloodcell.training.run_data import Progress, RunData, RunImages, refuse_changed_dataset
from bloodcell.training.trainer import Trainer


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingWatch:
    """What is told about a training, and what is asked."""

    report: Callable[[RunStatus], None]
    """Called about every two seconds of training."""
    progress: Progress
    """Called while images are read."""
    should_stop: Callable[[], bool]
    """Asked often; the training then ends so that it can be resumed."""


logger = logging.getLogger(__name__)


class _StopAsked(Exception):
    """A stop was asked for while images were read."""


def start_run(
    config: RunConfig,
    data_folder: Path,
    folder: RunFolder,
    watch: TrainingWatch,
    *,
    more_data: Path | None = None,
    allow_unusable: bool = False,
    wait_for_device: bool = False,
    images: RunImages | None = None,
) -> bool:
    """Train a new run to its last epoch.

    Args:
        more_data: a second folder of class folders; all its images are trained on, none validates.
        allow_unusable: begin although a class or more than a few images are unusable; resuming keeps it.
        wait_for_device: wait while another run trains on the device, instead of refusing.
        images: what earlier runs of this process have read; None: everything is read anew.

    Returns:
        Whether the last epoch was reached; False after a stop that was asked for.

    Raises:
        BloodcellError: data, folder, device or settings do not allow it, the disk is full, or the loss diverged;
            once the run has begun, outcome.json says why.
    """
    folders = DataFolders(dataset=data_folder, more_training=more_data, allow_unusable=allow_unusable).resolved()
    scan_dataset(folders.dataset)
    if folders.more_training is not None:
        scan_dataset(folders.more_training)
    device = device_name(config.device)
    with device_locked(device, folder.path, wait=wait_for_device, should_stop=watch.should_stop), folder.locked():
        folder.create(config, folders)
        return _recorded(config, folders, folder, watch, images or RunImages())


def resume_run(
    folder: RunFolder,
    watch: TrainingWatch,
    *,
    data_folder: Path | None = None,
    more_data: Path | None = None,
    device: str | None = None,
    allow_unusable: bool = False,
    wait_for_device: bool = False,
    images: RunImages | None = None,
) -> bool:
    """Go on with the run in a folder, with its own settings; a run that is finished is left as it is.

    Args:
        data_folder: the dataset; None: where it was.
        more_data: the second folder of training images; None: where it was, if the run has one.
        device: 'auto', 'cpu' or 'cuda'; None: the run's own.
        allow_unusable: go on although images are unusable or have come; False: as the run began.

    Returns, Raises:
        As `start_run`.
    """
    config, recorded = folder.read_config()
    config = config.changed(device=device)
    folders = DataFolders(
        dataset=data_folder or recorded.dataset,
        more_training=more_data or recorded.more_training,
        allow_unusable=allow_unusable or recorded.allow_unusable,
    ).resolved()
    with folder.locked():
        if (outcome := folder.read_outcome()) is not None and outcome["state"] == "finished":
            return True
        if folders.allow_unusable and not recorded.allow_unusable:
            folder.write_config(folder.read_config()[0], replace(recorded, allow_unusable=True))
        # Who only tries must not overwrite how the run ended; who waits has begun.
        refused_at_once = (
            contextlib.nullcontext() if wait_for_device else device_locked(device_name(config.device), folder.path)
        )
        with refused_at_once:
            return _recorded(config, folders, folder, watch, images or RunImages())


def _recorded(
    config: RunConfig, folders: DataFolders, folder: RunFolder, watch: TrainingWatch, images: RunImages
) -> bool:
    """Train, and write down how it ended."""
    try:
        with _logged(folder):
            folder.begin()
            folder.write_status(_not_yet_training(config, "starting", 0, 0))
            finished = _train(config, folders, folder, obedient(watch, folder), images)
    except BaseException as error:
        told = _as_disk_full(error, folder)
        try:
            folder.write_outcome("failed", str(told) if isinstance(told, BloodcellError) else repr(told))
        except OSError:
            logger.exception("outcome.json cannot be written")
        if told is error:
            raise
        raise told from error
    if finished:
        folder.write_outcome("finished", "")
    else:
        folder.write_outcome("stopped", "it was asked to stop")
    return finished


def _as_disk_full(error: BaseException, folder: RunFolder) -> BaseException:
    """Return an error that says what to do where the disk was full, and any other as it is."""
    if not isinstance(error, OSError) or error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return error
    kept = "The last finished epoch is kept" if folder.checkpoint.exists() else "No epoch was finished"
    return RunFolderError(f"disk full: {folder.path} cannot be written. {kept}. Free some space, then resume the run.")


def obedient(watch: TrainingWatch, folder: ProcessFolder) -> TrainingWatch:
    """Return a watch that also stops at the folder's stop.json: who asks may be unable to signal this process."""
    look, asked = paced(folder.stop.exists, seconds=1.0, otherwise=False), threading.Event()

    def should_stop() -> bool:
        # Remembered: an answer that held for one question alone would end an epoch and not the run.
        if look():
            asked.set()
        return watch.should_stop() or asked.is_set()

    return replace(watch, should_stop=should_stop)


def _train(config: RunConfig, folders: DataFolders, folder: RunFolder, watch: TrainingWatch, images: RunImages) -> bool:
    state: list[tuple[str, int, int]] = [("waiting for the device", 0, 0)]
    tell = paced(
        lambda: folder.write_status(_not_yet_training(config, *state[0])), seconds=HEARTBEAT_SECONDS, otherwise=None
    )

    def progress_or_stop(what: str, done: int, total: int) -> None:
        state[0] = (what, done, total)
        tell()
        if watch.should_stop():
            raise _StopAsked
        watch.progress(what, done, total)

    def stopped_while_waiting() -> bool:
        tell()
        return watch.should_stop()

    try:
        with device_locked(device_name(config.device), folder.path, wait=True, should_stop=stopped_while_waiting):
            config = _measured(config, folders, folder)
            data = _read_images(config, folders, folder, images, progress_or_stop)
            trainer = Trainer(config, data, folder, report=watch.report, should_stop=watch.should_stop)
            trainer.resume()
            return trainer.run()
    except _StopAsked:
        return False
    except DeviceBusy:
        # Who waits is refused only by a stop.
        return False


def _read_images(
    config: RunConfig, folders: DataFolders, folder: RunFolder, images: RunImages, progress: Progress
) -> RunData:
    """Return the run's images; of a new run the split is written once all of them are read, and not before."""
    if folder.split.exists():
        split = folder.read_split()
        refuse_changed_dataset(config, folders, split)
        return images.load(config, folders, split, progress)
    data = images.load(config, folders, images.split(config, folders, progress), progress)
    folder.write_split(data.split)
    return data


def _measured(config: RunConfig, folders: DataFolders, folder: RunFolder) -> RunConfig:
    """Decide what is left to measurement; what a run once began with stays in its config."""
    resolved = resolve_by_measurement(config)
    recorded = folder.read_config()[0]
    if "auto" in (recorded.device, recorded.precision, recorded.memory_format):
        folder.write_config(resolved, folders)
    return resolved


def _not_yet_training(config: RunConfig, activity: str, done: int, total: int) -> RunStatus:
    return RunStatus(
        epoch=0,
        epochs=config.epochs,
        step=done,
        steps=total,
        images_per_second=0,
        eta_seconds=None,
        activity=activity,
    )


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
    except BaseException:
        logger.exception("failed")
        raise
    finally:
        package_logger.removeHandler(handler)
        handler.close()
