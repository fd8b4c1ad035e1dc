"""The table of a suite: a row per arm with its figures, its difference from the base, and the verdict."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

from bloodcell.measures.significance import SeedFigures, seed_figures
from bloodcell.measures.statistics import wilson_interval
from bloodcell.suites.arm_runs import (
    ArmRuns,
    ImageSet,
    SamplePair,
    finished_runs,
    right_answers,
    sample_pair,
    validation_images,
)
from bloodcell.suites.comparison import compare_arms, smallest_found
from bloodcell.suites.suite import Arm, SuiteFolder
from bloodcell.suites.verdict import Comparison


@dataclass(frozen=True, kw_only=True, slots=True)
class AccuracyFigures:
    """The accuracy of an arm on one set of images."""

    seeds: SeedFigures
    """Over its runs."""
    n: int
    """Images."""
    wilson: tuple[float, float]
    """95 % interval over images, of as many right as the mean run had."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ArmRow:
    """One row of the table. What is None is not measured yet."""

    arm: Arm
    runs: int
    """Finished runs, one per seed."""
    training_accuracy: float | None
    """Of the last epoch, with augmentation and dropout on and weights that still moved: it lies below validation."""
    best_validation: AccuracyFigures | None
    """Of the best epoch of each run, which these images chose: optimistic."""
    last_validation_accuracy: float | None
    """Of the last epoch."""
    test: AccuracyFigures | None
    """Of the best epoch's weights on images that chose nothing; None without such images."""
    comparison: Comparison | None
    """With the arm's base; None for the base of all and where a side has no finished run."""
    compared_on: ImageSet | None
    compared_epochs: int | None
    base_epochs: int | None
    """Epochs that count of the arm and of its base."""
    images_per_second: float | None
    """Training images, mean over runs and epochs."""
    seconds: float | None
    """Mean time of a run."""
    hardware: tuple[str, ...]
    """What trained the runs."""

    @property
    def verdict(self) -> str:
        """The verdict in words; empty for the base and where nothing is compared yet."""
        if self.comparison is None:
            return ""
        words = self.comparison.sentence
        if self.compared_epochs != self.base_epochs and self.comparison.verdict in ("better", "worse", "alike"):
            words += f"; it was trained for {self.compared_epochs} epochs, its base for {self.base_epochs}"
        return words


def suite_rows(folder: SuiteFolder) -> list[ArmRow]:
    """Return a row per arm, in the suite's order.

    Raises:
        RunFolderError, WeightsError: the suite or a record is damaged.
    """
    runs = {found.arm.name: found for found in finished_runs(folder)}
    pairs = _pairs(runs)
    compared = dict(zip(pairs, compare_arms([(pair.arm, pair.base) for pair in pairs.values()]), strict=True))
    return [_row(found, pairs.get(name), compared.get(name)) for name, found in runs.items()]


def smallest_difference_found(finished: SuiteFolder, *, seeds: int, images: int, arms: int) -> float | None:
    """Return about which difference from the base, 0 to 1, a planned suite finds in four of five cases.

    Args:
        finished: a suite whose spreads between seeds and between images stand for those of the planned one.
        seeds: per arm of the planned suite.
        images: that its arms are compared on.
        arms: that it compares with a base.

    Returns:
        The median over the finished suite's arms; None with one seed, which ranks nothing, or where nothing is known.

    Raises:
        RunFolderError, WeightsError: the finished suite or a record is damaged.
    """
    if seeds < 2 or images < 2 or arms < 1:
        return None
    pairs = _pairs({found.arm.name: found for found in finished_runs(finished)})
    samples = [(pair.arm, pair.base) for pair in pairs.values()]
    found = smallest_found(samples, seeds=seeds, images=images, arms=arms)
    return median(found) if found else None


def _pairs(runs: dict[str, ArmRuns]) -> dict[str, SamplePair]:
    return {
        name: sample_pair(found, runs[found.arm.base])
        for name, found in runs.items()
        if found.arm.base is not None and found.records and runs[found.arm.base].records
    }


def suite_warning(rows: Sequence[ArmRow]) -> str:
    """Return a sentence where the arm that all others are compared with never learned; '' otherwise."""
    fruitless = {row.arm.base for row in rows if row.comparison and row.comparison.verdict == "base never learned"}
    for row in rows:
        if row.arm.base is None and row.arm.name in fruitless:
            return (
                f"This suite concludes nothing: {row.arm.title}, which the other arms are compared with, never learned "
                f"in any of its {row.runs} finished runs."
            )
    return ""


def _row(runs: ArmRuns, pair: SamplePair | None, comparison: Comparison | None) -> ArmRow:
    records = runs.records
    epochs = [row for record in records for row in record.metrics]
    return ArmRow(
        arm=runs.arm,
        runs=len(records),
        training_accuracy=_mean([record.metrics[-1].training_accuracy for record in records]),
        best_validation=(_accuracy_figures(runs.best_validation(), validation_images(records[0])) if records else None),
        last_validation_accuracy=_mean([record.metrics[-1].validation_accuracy for record in records]),
        test=_test_figures(runs),
        comparison=comparison,
        compared_on=None if pair is None else pair.images,
        compared_epochs=None if pair is None else pair.epochs,
        base_epochs=None if pair is None else pair.base_epochs,
        images_per_second=_mean([row.images_per_second for row in epochs]),
        seconds=_mean([sum(row.seconds for row in record.metrics) for record in records]),
        hardware=tuple(dict.fromkeys(record.best_card.hardware for record in records if record.best_card)),
    )


def _test_figures(runs: ArmRuns) -> AccuracyFigures | None:
    tables = [table for record in runs.records if (table := record.test) is not None]
    if not tables:
        return None
    answers = [right_answers(table) for table in tables]
    return _accuracy_figures([float(right.mean()) for right in answers], len(answers[0]))


def _accuracy_figures(accuracies: Sequence[float], n: int) -> AccuracyFigures:
    seeds = seed_figures(accuracies)
    return AccuracyFigures(seeds=seeds, n=n, wilson=wilson_interval(round(seeds.mean * n), n))


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None
