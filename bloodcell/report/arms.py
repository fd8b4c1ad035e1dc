"""Runs put together into arms: the same settings, other seeds."""

import re
from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from bloodcell.config import RunConfig, differing_settings
from bloodcell.figures import run_curves
from bloodcell.figures.curves import ArmCurves, RunCurve
from bloodcell.model_settings import ModelSettings
from bloodcell.runs.run_folder import EpochMetrics
from bloodcell.suites.run_record import RunRecord

_RUN_OF_SUITE = re.compile(r"(?P<arm>.+)-seed(?P<seed>\d+)")
_NOT_OF_AN_ARM = frozenset({"experiment", "seed", "split_seed", "device", "precision", "memory_format"})
"""Settings that do not make another arm: names, chance, and what was chosen by measurement on the machine."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ArmRecords:
    """Runs of the same settings. At least one."""

    name: str
    runs: tuple[RunRecord, ...]

    @property
    def config(self) -> RunConfig:
        """The settings of its first run."""
        return self.runs[0].config

    def epochs_done(self) -> int:
        """Return how many epochs all its runs have done."""
        return min(len(run.metrics) for run in self.runs)

    def accuracies(self, *, up_to: int | None = None) -> tuple[float, ...]:
        """Return the best validation accuracy of each run that has done an epoch, 0 to 1.

        Args:
            up_to: last epoch that counts; None: all.
        """
        return tuple(row.validation_accuracy for run in self.runs if (row := best_row(run, up_to=up_to)) is not None)

    def curves(self, *, up_to: int | None = None, paper_accuracy: float | None = None) -> ArmCurves:
        """Return its validation accuracies over epochs."""
        runs = []
        for run in self.runs:
            best = best_row(run, up_to=up_to)
            accuracies = tuple(row.validation_accuracy for row in run.metrics[:up_to])
            runs.append(RunCurve(name=run.name, accuracies=accuracies, best_epoch=None if best is None else best.epoch))
        return ArmCurves(name=self.name, runs=tuple(runs), paper_accuracy=paper_accuracy)


def best_row(run: RunRecord, *, up_to: int | None = None) -> EpochMetrics | None:
    """Return the epoch with the highest validation accuracy, of equal ones that with the lower loss; None before one.

    Args:
        up_to: last epoch that counts; None: all.
    """
    rows = run.metrics[:up_to]
    return run_curves.best_row(rows) if rows else None


def group_arms(records: Sequence[RunRecord]) -> list[ArmRecords]:
    """Put runs into arms, in the order of their first runs.

    Runs named ARM-seedN in one folder are an arm, as a suite names them; others are where all their settings but seeds
    and the machine's choices agree. Copies of a run count once.
    """
    groups: dict[object, list[RunRecord]] = {}
    names: dict[object, str] = {}
    for record in records:
        named = _RUN_OF_SUITE.fullmatch(record.name)
        settings = {key: value for key, value in record.config.settings().items() if key not in _NOT_OF_AN_ARM}
        key: object = (record.path.parent, named["arm"]) if named else tuple(sorted(settings.items(), key=str))
        groups.setdefault(key, []).append(record)
        names.setdefault(key, named["arm"] if named else record.config.experiment)
    arms: dict[str, ArmRecords] = {}
    for key, runs in groups.items():
        name = _unused_name(names[key], list(names.values()), runs[0].path, taken=arms)
        arms[name] = ArmRecords(name=name, runs=_one_per_seed(runs))
    return list(arms.values())


def _one_per_seed(runs: Sequence[RunRecord]) -> tuple[RunRecord, ...]:
    """Return the run with most epochs of each seed and set of images: a copy, or the same seed again, is no other."""
    chosen: dict[object, RunRecord] = {}
    for run in runs:
        images = None if run.best_card is None else run.best_card.training_data.get("fingerprint")
        key = (run.config.seed, run.config.split_seed, images)
        if key not in chosen or len(run.metrics) > len(chosen[key].metrics):
            chosen[key] = run
    return tuple(chosen.values())


def _unused_name(name: str, names: Sequence[str], first_run: Path, *, taken: Container[str]) -> str:
    """Return a name that no other arm has: of several that are called the same, folders tell them apart."""
    if names.count(name) > 1:
        name = f"{first_run.parent.parent.name} / {name}" if _RUN_OF_SUITE.fullmatch(first_run.name) else first_run.name
    unused, number = name, 1
    while unused in taken:
        number += 1
        unused = f"{name} ({number})"
    return unused


def other_settings(first: RunConfig, second: RunConfig) -> set[str]:
    """Return the settings in which two arms differ, names, chance and the machine's choices aside."""
    return differing_settings(first, second) - _NOT_OF_AN_ARM


def settings_beside_model(first: RunConfig, second: RunConfig) -> set[str]:
    """Return the settings in which two arms differ beside the network and the epochs."""
    names = other_settings(first, second) - {"epochs"}
    return {name for name in names if name.partition(".")[0] != "model"}


def closest_arm(arms: Sequence[ArmRecords], model: ModelSettings, to: RunConfig) -> ArmRecords | None:
    """Return the arm of a model that differs least from other settings, of equal ones that with most epochs."""
    candidates = [arm for arm in arms if arm.config.model == model]
    return min(
        candidates,
        key=lambda arm: (len(settings_beside_model(arm.config, to)), -arm.config.epochs),
        default=None,
    )


def spread_words(values: Sequence[float]) -> str:
    """Write accuracies of several seeds: their mean, and the range where there are several."""
    if not values:
        return "–"
    if len(values) == 1:
        return f"{values[0]:.2%}".replace("%", " %")
    return f"{mean(values):.2%} ({min(values):.2%} to {max(values):.2%})".replace("%", " %")
