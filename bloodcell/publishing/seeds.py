"""Runs of one recipe that differ in their seed: which of them is published, and what they say together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bloodcell.errors import WeightsError
from bloodcell.measures.crossed import crossed_accuracy
from bloodcell.measures.significance import seed_figures
from bloodcell.measures.statistics import SEEDS_AND_IMAGES
from bloodcell.runs.run_folder import RunFolder
from bloodcell.weights.card import WeightsCard, read_card


@dataclass(frozen=True, kw_only=True, slots=True)
class SeedRun:
    """A run and what its best weights state."""

    folder: RunFolder
    card: WeightsCard

    @property
    def seed(self) -> int:
        """Seed of the run."""
        return int(self.card.recipe["seed"])


def runs_of_one_recipe(folders: Sequence[RunFolder]) -> list[SeedRun]:
    """Return runs in the order of their seeds.

    Raises:
        WeightsError: a run has no weights; of several, one has not finished, two share a seed, or they differ in more
            than the seed.
        RunFolderError: a run's outcome cannot be read.
    """
    if len(folders) > 1:
        for folder in folders:
            outcome = folder.read_outcome()
            if outcome is None or outcome["state"] != "finished":
                raise WeightsError(
                    f"The run {folder.path.name} has not finished, so its seed cannot count beside the others. Resume "
                    "it, or leave it out."
                )
    runs = sorted(
        (SeedRun(folder=folder, card=read_card(folder.best.with_suffix(".json"))) for folder in folders),
        key=lambda run: run.seed,
    )
    if len({run.seed for run in runs}) < len(runs):
        raise WeightsError("Two of these runs have the same seed. Name each seed once.")
    first = runs[0]
    for run in runs[1:]:
        if differences := _differences(first.card, run.card):
            raise WeightsError(
                f"The runs {first.folder.path.name} and {run.folder.path.name} differ in more than their seed "
                f"({', '.join(differences)}), so they say nothing together. Publish runs of one recipe."
            )
    return runs


def _differences(first: WeightsCard, second: WeightsCard) -> list[str]:
    free = {"seed", "best_epoch", "epochs_done"}
    keys = sorted((set(first.recipe) | set(second.recipe)) - free)
    found = [key.replace("_", " ") for key in keys if first.recipe.get(key) != second.recipe.get(key)]
    if first.training_data.get("fingerprint") != second.training_data.get("fingerprint"):
        found.append("training images")
    return found


def median_run(runs: Sequence[SeedRun], correct: Sequence[int]) -> SeedRun:
    """Return the run with the median validation accuracy; of an even number the lower of the two in the middle.

    Runs that are equally good stand in the order of their seeds, so where the median is a tie its seed's number
    decides; the card says so.

    Args:
        correct: validation images that each run's weights answer right, measured alike for all.
    """
    ordered = sorted(zip(correct, runs, strict=True), key=lambda pair: (pair[0], pair[1].seed))
    return ordered[(len(ordered) - 1) // 2][1]


def seeds_entries(
    runs: Sequence[SeedRun],
    shipped: SeedRun,
    *,
    validation: NDArray[np.bool_],
    test: NDArray[np.bool_] | None = None,
) -> dict[str, Any]:
    """Return what a card states about all seeds, plain JSON values.

    Args:
        runs: at least two, R of them.
        validation: (R, N), whether each run has each validation image right.
        test: (R, M), the same for a test set; None: not measured.

    Returns:
        runs: seed, validation and test with correct and n, ships · validation, test: mean accuracy, standard deviation
        over seeds, and the mean's 95 % interval, which counts seeds and images, 0 to 1; test is None where it was not
        measured.
    """
    rows = [
        {
            "seed": run.seed,
            "validation": _counts(validation[index]),
            "test": None if test is None else _counts(test[index]),
            "ships": run is shipped,
        }
        for index, run in enumerate(runs)
    ]
    return {
        "runs": rows,
        "validation": over_seeds_and_images(validation),
        "test": None if test is None else over_seeds_and_images(test),
    }


def over_seeds_and_images(right: NDArray[np.bool_]) -> dict[str, Any]:
    """Return what a card states of (R, N) right answers: mean, standard deviation over seeds, interval over both."""
    measured = crossed_accuracy(right)
    return {
        "mean": measured.mean,
        "standard_deviation": seed_figures(right.mean(axis=1).tolist()).standard_deviation,
        "interval": list(measured.interval),
        "interval_counts": SEEDS_AND_IMAGES,
    }


def _counts(right: NDArray[np.bool_]) -> dict[str, int]:
    return {"correct": int(right.sum()), "n": len(right)}
