"""A suite's record: what it was asked, measured and answered, as small text, without weights and checkpoints."""

import json
from dataclasses import replace
from pathlib import Path, PurePath

from bloodcell.errors import RunFolderError
from bloodcell.json_objects import read_json_object
from bloodcell.packed_text import PACKED_SUFFIX, kept_file, write_packed
from bloodcell.paths import write_atomically
from bloodcell.runs.run_folder import RunFolder
from bloodcell.suites.columns import write_suite_table
from bloodcell.suites.suite import SuiteFolder

_KEPT = (
    "split.csv",
    "images.json",
    "metrics.csv",
    "outcome.json",
    "best.json",
    "predictions_validation.csv",
    "predictions_test.csv",
)
_PACKED = ("split.csv", "predictions_validation.csv", "predictions_test.csv")
"""Of these: hashes and probabilities of every image."""


def write_suite_record(folder: SuiteFolder, to: Path) -> SuiteFolder:
    """Write the record of a suite whose runs have all ended.

    Data folders keep their name alone, so that a record says nothing about the machine's other folders.

    Args:
        to: a folder that does not exist yet, or an older record of the same suite, which is overwritten.

    Returns:
        The record, itself a suite folder with suite.json, table.csv and runs/ARM-seedN/.

    Raises:
        RunFolderError: the suite is damaged or not finished, or something else lies at `to`.
    """
    suite, record = folder.read(), SuiteFolder(to)
    if record.path == folder.path:
        raise RunFolderError(f"{to} is the suite itself. Name another folder for its record.")
    if record.path.exists() and (not record.suite.exists() or record.read().name != suite.name):
        raise RunFolderError(f"{to} holds something else. Name another folder for the record.")
    runs = [RunFolder(folder.run_path(arm.name, seed)) for arm, seed in suite.planned_runs()]
    if open_runs := [run.path.name for run in runs if not _has_ended(run)]:
        raise RunFolderError(
            f"{len(open_runs)} of {len(runs)} runs have not ended, {open_runs[0]} for one. Go on with the suite first."
        )
    record.write(
        replace(
            suite,
            data_folder=PurePath(suite.data_folder).name,
            test_folders=tuple(PurePath(test_folder).name for test_folder in suite.test_folders),
        )
    )
    for run in runs:
        write_run_record(run, record.runs / run.path.name)
    keep_one_split(record)
    write_suite_table(record)
    return record


def keep_one_split(record: SuiteFolder) -> None:
    """Keep the split that all runs of a record share once, beside suite.json: it is the largest file of a run."""
    splits = sorted(record.runs.glob(f"*/split.csv{PACKED_SUFFIX}"))
    contents = {path.read_bytes() for path in splits}
    if len(contents) == 1:
        write_atomically(record.path / splits[0].name, contents.pop())
        for path in splits:
            path.unlink()


def record_split(run: Path) -> Path:
    """Return the file with the split of a record's run: its own, else the one that its suite's runs share."""
    own = RunFolder(run).split
    return own if kept_file(own) else run.parent.parent / own.name


def _has_ended(run: RunFolder) -> bool:
    """Tell whether a run reached its last epoch, or failed as one does whose loss stopped being a number."""
    outcome = run.read_outcome()
    return outcome is not None and outcome["state"] in ("finished", "failed")


def write_run_record(run: RunFolder, to: Path) -> None:
    """Write the record of a run: the files that hold no weights, with data folders' names alone, the long ones packed.

    Args:
        to: folder of the record; what an older record left there is overwritten.

    Raises:
        OSError: there is no run, or `to` cannot be written.
        ValueError: its config is damaged.
    """
    to.mkdir(parents=True, exist_ok=True)
    config = read_json_object(run.config)
    for name in ("data_folder", "more_training_folder"):
        if name in config:
            config[name] = PurePath(config[name]).name
    write_atomically(to / run.config.name, (json.dumps(config, indent=1) + "\n").encode())
    for name in _KEPT:
        source = run.path / name
        if source.exists():
            write = write_packed if name in _PACKED else write_atomically
            write(to / name, source.read_bytes())
