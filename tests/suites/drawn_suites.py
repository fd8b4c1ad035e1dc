"""Suites whose runs were drawn, not trained: as good as trained ones for what reads them."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bloodcell.runs.run_folder import RunFolder
from bloodcell.suites.suite import SuiteFolder, build_suite
from tests.builders.drawn_records import write_drawn_record


def write_drawn_suite(
    path: Path,
    *,
    arms: Sequence[str] = (),
    seeds: Sequence[int] = (0, 1, 2),
    epochs: int = 4,
    images: int = 640,
    finished: int | None = None,
    tested: bool = False,
) -> SuiteFolder:
    """Write a suite and draw its runs.

    Args:
        finished: how many of the runs, in their order, are there; None: all.
        tested: the validation answers stand in for test answers as well.
    """
    folder = SuiteFolder(path)
    suite = build_suite("quick", data_folder=Path("/data/pbc3200"), arms=arms, seeds=seeds, epochs=epochs, device="cpu")
    folder.create(suite)
    for arm, seed in suite.planned_runs()[:finished]:
        run = RunFolder(folder.run_path(arm.name, seed))
        write_drawn_record(run.path, replace(arm.config, seed=seed), images=images)
        if tested:
            shutil.copy(run.predictions, run.test_predictions)
    return folder
