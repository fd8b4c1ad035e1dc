"""What is done to jobs: hand in, stop, resume, delete."""

import contextlib
import errno
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bloodcell.config import RunConfig
from bloodcell.datasets.folder_scan import DataFolders
from bloodcell.errors import DatasetError, RunFolderError
from bloodcell.jobs.ending import ask, kill_unless_it_stops
from bloodcell.jobs.job import Job, read_job, refuse_signs_of_life
from bloodcell.jobs.queue import NO_DEVICE, add_entry, entry_of, queue_locked
from bloodcell.jobs.worker import ensure_worker
from bloodcell.paths import numbered_names, runs_folder
from bloodcell.processes.device_lock import device_name
from bloodcell.processes.process_folder import ProcessFolder
from bloodcell.runs.run_folder import RunFolder

LONGEST_NAME = 60
_NAME = re.compile(rf"[a-z0-9][a-z0-9_-]{{0,{LONGEST_NAME - 1}}}")


def enqueue_run(config: RunConfig, data_folder: Path, *, name: str, allow_unusable: bool = False) -> Path:
    """Write a new run's config and hand in its training; it starts when its device is free.

    Args:
        name: lower-case letters, digits, '_' and '-'; a number is added where there is such a run already.
        allow_unusable: begin although a class or more than a few images are unusable.

    Returns:
        The run's folder.

    Raises:
        BloodcellError: the name is not safe, there is no such data folder, no such device, or the disk is full.
    """
    if not _NAME.fullmatch(name):
        raise RunFolderError(
            f"'{name}' cannot be a run's name. Use up to {LONGEST_NAME} lower-case letters, digits, '_' and '-'."
        )
    data_folder = data_folder.resolve()
    if not data_folder.is_dir():
        raise DatasetError(f"The data folder {data_folder} does not exist. Give the folder that holds one per class.")
    device = device_name(config.device)
    folder: Path | None = None
    try:
        with queue_locked():
            folder = _new_folder(name)
            RunFolder(folder).create(config, DataFolders(dataset=data_folder, allow_unusable=allow_unusable))
            add_entry(_training_of(folder), folder, device)
    except OSError as error:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        raise _not_writable(error) from error
    ensure_worker()
    return folder


def enqueue_command(argv: Sequence[str], *, folder: Path, device: str) -> None:
    """Hand in any other command of `python -m bloodcell`.

    Its state is read from `folder` with `read_job`, as a run's is; what it prints goes to job.log there.

    Args:
        argv: the command and its arguments.
        folder: of this job alone; made where it is not there. A job that ended in it is forgotten.
        device: 'auto', 'cpu' or 'cuda': held while the command runs; 'none' for one that computes nothing.

    Raises:
        BloodcellError: a job waits or runs in the folder, there is no such device, or the disk is full.
    """
    lane = NO_DEVICE if device == NO_DEVICE else device_name(device)
    folder = folder.resolve()
    try:
        with queue_locked():
            _refuse_active(read_job(folder))
            with ProcessFolder(folder).locked(again=False):
                ProcessFolder(folder).begin()
            add_entry(argv, folder, lane)
    except OSError as error:
        raise _not_writable(error) from error
    ensure_worker()


def resume_run(folder: Path, *, allow_unusable: bool = False) -> None:
    """Hand in a run again that has stopped, failed or was lost; it goes on in its folder, with its settings.

    Args:
        allow_unusable: go on although images are unusable or have come; False: as the run began.

    Raises:
        BloodcellError: it waits, runs or is finished; there is no run; no such device; or the disk is full.
    """
    run = RunFolder(folder)
    config, folders = run.read_config()
    device = device_name(config.device)
    refuse_signs_of_life(run.path)
    try:
        with queue_locked():
            job = read_job(run.path)
            _refuse_active(job)
            if job.state == "finished":
                raise RunFolderError(f"The run {job.name} is finished: there is nothing to go on with.")
            with run.locked(again=False):
                if allow_unusable and not folders.allow_unusable:
                    run.write_config(config, replace(folders, allow_unusable=True))
                run.begin()
            add_entry(_training_of(run.path), run.path, device)
    except OSError as error:
        raise _not_writable(error) from error
    ensure_worker()


def stop_job(folder: Path) -> None:
    """Take a waiting job out of the queue, or ask a running one to stop; it then ends by itself, and can be resumed.

    One that does not end within a minute, and gives no sign of life, is killed by the worker; one that no worker
    started, once it is asked again. The process is found by the lock that it holds, not by what a file says of it.

    Raises:
        RunFolderError: it neither waits nor runs; or the disk is full.
    """
    files = ProcessFolder(folder)
    try:
        with queue_locked():
            job, entry = read_job(files.path), entry_of(files.path)
            if job.state == "stopping":
                kill_unless_it_stops(files, entry)
                return
            if job.state == "queued" and entry is not None:
                files.write_outcome("stopped", "it was taken out of the queue")
                entry.remove()
                return
            if job.state != "running":
                raise RunFolderError(f"{job.name} does not run: it is {job.state}.")
            ask(files, entry)
    except OSError as error:
        raise _not_writable(error) from error


def delete_run(folder: Path) -> None:
    """Delete a run with all its files.

    Raises:
        RunFolderError: it waits or runs, is not among the runs of this home, or cannot be deleted.
    """
    delete_job_folder(folder, among=runs_folder())


def delete_job_folder(folder: Path, *, among: Path) -> None:
    """Delete the folder of a job that has ended, with all its files.

    Args:
        among: the folder in which it must lie.

    Raises:
        RunFolderError: it waits or runs, lies elsewhere, or cannot be deleted.
    """
    folder = folder.absolute()
    if folder.parent.resolve() != among or folder.name in ("", ".", ".."):
        raise RunFolderError(f"{folder} is not in {among}. Delete it by hand.")
    refuse_signs_of_life(folder)
    try:
        with queue_locked():
            _refuse_active(read_job(folder))
            if folder.is_symlink() or not folder.exists():
                return folder.unlink()
            # Held, so that nothing begins to train in what goes; in one step, so that nobody meets half a run.
            doomed = among / f".deleted-{folder.name}-{os.getpid()}"
            with ProcessFolder(folder).locked(again=False):
                folder.rename(doomed)
        shutil.rmtree(doomed)
    except OSError as error:
        raise RunFolderError(f"{folder} cannot be deleted: {error.strerror}.") from error


def _training_of(folder: Path) -> tuple[str, ...]:
    return ("train", "--run-dir", str(folder), "--resume", "--wait")


def _new_folder(name: str) -> Path:
    for free in numbered_names(name):
        with contextlib.suppress(FileExistsError):
            (runs_folder() / free).mkdir(parents=True)
            return runs_folder() / free
    raise AssertionError("names do not end")


def _refuse_active(job: Job) -> None:
    """Refuse what waits or runs; an entry that the worker has not settled yet is forgotten."""
    if job.is_active:
        raise RunFolderError(f"{job.name} is {job.state}. Stop it first.")
    if (entry := entry_of(job.folder)) is not None:
        entry.remove()


def _not_writable(error: OSError) -> RunFolderError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return RunFolderError("disk full: the queue cannot be written. Free some space, then try again.")
    return RunFolderError(f"The queue cannot be written: {error.strerror} ({error.filename}).")
