"""Suites as jobs: handed in to the queue, stopped, handed in again; and those that there are."""

from pathlib import Path

from bloodcell.datasets.data_use import ALLOW_FLAG
from bloodcell.errors import RunFolderError
from bloodcell.jobs import delete_job_folder, enqueue_command, read_job
from bloodcell.paths import SHIPPED_RECORDS, numbered_names, suites_folder
from bloodcell.suites.suite import Suite, SuiteFolder


def enqueue_suite(suite: Suite) -> SuiteFolder:
    """Write a new suite under the user's suites and hand in its training; it starts when its device is free.

    Returns:
        Its folder: the suite's name, with a number where there is such a folder already.

    Raises:
        BloodcellError: no such device, or the disk is full.
    """
    paths = (suites_folder() / name for name in numbered_names(suite.name))
    folder = SuiteFolder(next(path for path in paths if not path.exists()))
    folder.create(suite)
    resume_suite(folder)
    return folder


def resume_suite(folder: SuiteFolder, *, allow_unusable: bool = False) -> None:
    """Hand in the training of what is missing of a suite.

    Args:
        allow_unusable: go on although images are unusable or have come; False: as the suite began.

    Raises:
        BloodcellError: it waits or runs, it is finished, there is none, no such device, or the disk is full.
    """
    suite = folder.read()
    if read_job(folder.path).state == "finished":
        raise RunFolderError(f"The suite {folder.path.name} is finished: there is nothing to go on with.")
    argv = ("ablate", "--out", str(folder.path), "--resume", "--wait", *([ALLOW_FLAG] if allow_unusable else []))
    enqueue_command(argv, folder=folder.path, device=suite.arms[0].config.device)


def delete_suite(folder: SuiteFolder) -> None:
    """Delete a suite of this home with all its runs.

    Raises:
        RunFolderError: it waits or runs, is not among the suites of this home, or cannot be deleted.
    """
    delete_job_folder(folder.path, among=suites_folder().resolve())


def is_shipped(folder: SuiteFolder) -> bool:
    """Tell whether a suite came with the program; it is then read-only."""
    return folder.path.is_relative_to(SHIPPED_RECORDS)


def known_suites(*roots: Path) -> list[SuiteFolder]:
    """Return the suites in the given folders, those of each folder with the newest first."""
    found = []
    for root in roots:
        files = sorted(root.glob("*/suite.json"), key=lambda path: -path.stat().st_mtime)
        found += [SuiteFolder(path.parent) for path in files if not path.parent.name.startswith(".")]
    return found
