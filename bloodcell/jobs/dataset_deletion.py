"""Datasets that were added from pages can be deleted, unless a job that waits or runs reads them."""

import json
import os
import re
import shutil
from pathlib import Path

from bloodcell.errors import DatasetError
from bloodcell.jobs.job import Job, list_jobs
from bloodcell.jobs.queue import entry_of
from bloodcell.paths import own_data_folder, readable_path

_SETTINGS = ("config.json", "suite.json")
"""Files in which a job's folder names the datasets that it reads."""


def delete_dataset(folder: Path) -> None:
    """Delete a dataset that was downloaded or uploaded, with all its images.

    Raises:
        DatasetError: it lies elsewhere, a job that waits or runs reads it, or it cannot be deleted.
    """
    folder = folder.absolute()
    if folder.parent.resolve() != own_data_folder():
        raise DatasetError(f"{readable_path(folder)} was not added here. Delete it by hand.")
    if readers := [job.name for job in list_jobs() if job.is_active and _reads(job, folder)]:
        raise DatasetError(f"{', '.join(readers)} still reads {readable_path(folder.name)}. Stop it first.")
    try:
        if folder.is_symlink():
            return folder.unlink()
        # In one step, so that nobody meets half a dataset.
        doomed = folder.with_name(f".deleted-{folder.name}-{os.getpid()}")
        folder.rename(doomed)
        shutil.rmtree(doomed)
    except OSError as error:
        raise DatasetError(f"{readable_path(folder)} cannot be deleted: {error.strerror}.") from error


def _reads(job: Job, folder: Path) -> bool:
    """Tell whether a job's arguments or settings name a folder, or one in it."""
    entry = entry_of(job.folder)
    texts = [] if entry is None else [json.dumps(entry.argv)]
    texts += [path.read_text(errors="replace") for name in _SETTINGS if (path := job.folder / name).is_file()]
    spellings = {json.dumps(str(folder), ensure_ascii=is_ascii)[1:-1] for is_ascii in (True, False)}
    named = re.compile(f'({"|".join(map(re.escape, spellings))})["/]')
    return any(named.search(text) for text in texts)
