"""What the finished runs of an arm measured, and the samples that two arms are compared on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bloodcell.answers.labelled_table import LabelledTable
from bloodcell.runs.run_folder import RunFolder
from bloodcell.suites.arm_sample import ArmSample
from bloodcell.suites.run_record import RunRecord, read_record
from bloodcell.suites.suite import Arm, SuiteFolder

ImageSet = Literal["test", "validation"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ArmRuns:
    """An arm and its finished runs."""

    arm: Arm
    records: tuple[RunRecord, ...]
    """In the order of the suite's seeds."""

    def best_validation(self, epochs: int | None = None) -> list[float]:
        """Return each run's best validation accuracy, up to an epoch where one is given; 0 to 1."""
        return [max(row.validation_accuracy for row in record.metrics[:epochs]) for record in self.records]


def finished_runs(folder: SuiteFolder) -> list[ArmRuns]:
    """Return the finished runs of every arm of a suite, in the suite's order.

    Raises:
        RunFolderError, WeightsError: the suite or a record is damaged.
    """
    suite = folder.read()
    found = []
    for arm in suite.arms:
        paths = [folder.run_path(arm.name, seed) for seed in suite.seeds]
        records = [read_record(path) for path in paths if RunFolder(path).config.exists()]
        found.append(ArmRuns(arm=arm, records=tuple(record for record in records if record.is_finished)))
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class SamplePair:
    """Two arms on the same images."""

    arm: ArmSample
    base: ArmSample
    images: ImageSet
    """What they are compared on. Validation images also chose the epoch, so their accuracies are optimistic."""
    epochs: int
    base_epochs: int
    """Epochs that count of either side."""


def sample_pair(arm: ArmRuns, base: ArmRuns) -> SamplePair:
    """Return what two arms are compared on: test answers where all runs have them, else validation.

    Test answers are those of the best epoch of each run as it was trained, so arms may differ in their epochs too.
    Validation images chose that epoch, and out of more epochs a better one is chosen: there, both sides are cut to the
    epochs of the shorter runs. Where a longer run's best epoch lies behind them, its best accuracy up to there is taken
    from its metrics, and which images were right is not known.

    Args:
        arm, base: with at least one record each.
    """
    sides = (arm, base)
    epochs = [min(len(record.metrics) for record in side.records) for side in sides]
    test = [record.test for side in sides for record in side.records]
    if (samples := _answered_alike(sides, test)) is not None:
        return SamplePair(arm=samples[0], base=samples[1], images="test", epochs=epochs[0], base_epochs=epochs[1])
    shorter = min(epochs)
    samples = None
    if all(_best_epoch(record) <= shorter for side in sides for record in side.records):
        samples = _answered_alike(sides, [record.validation for side in sides for record in side.records])
    if samples is None:
        samples = (_counted(arm, shorter), _counted(base, shorter))
    return SamplePair(arm=samples[0], base=samples[1], images="validation", epochs=shorter, base_epochs=shorter)


def _answered_alike(
    sides: tuple[ArmRuns, ArmRuns], tables: Sequence[LabelledTable | None]
) -> tuple[ArmSample, ArmSample] | None:
    """Return the samples of both sides; None where a run has no answers, or not all answered the same images.

    Args:
        tables: of all runs of the arm, then of its base.
    """
    known = [table for table in tables if table is not None]
    if len(known) < len(tables) or len({table.sha256 for table in known}) > 1:
        return None
    arm, base = sides
    split_at = len(arm.records)
    return _answered(arm.arm.name, known[:split_at]), _answered(base.arm.name, known[split_at:])


def right_answers(table: LabelledTable) -> np.ndarray:
    """Return whether each image was answered right, (N,) bool."""
    return np.asarray(table.probabilities.argmax(axis=1) == table.labels)


def _answered(name: str, tables: Sequence[LabelledTable]) -> ArmSample:
    answers = np.stack([right_answers(table) for table in tables])
    return ArmSample(
        name=name,
        right=tuple(int(count) for count in answers.sum(axis=1)),
        n=answers.shape[1],
        answers=answers,
        guessing_share=float(np.bincount(tables[0].labels).max() / answers.shape[1]),
    )


def _counted(runs: ArmRuns, epochs: int) -> ArmSample:
    n = validation_images(runs.records[0])
    return ArmSample(
        name=runs.arm.name, right=tuple(round(accuracy * n) for accuracy in runs.best_validation(epochs)), n=n
    )


def validation_images(record: RunRecord) -> int:
    """Return the number of validation images of a finished run."""
    assert record.best_card is not None
    return int(record.best_card.metrics["validation"]["n"])


def _best_epoch(record: RunRecord) -> int:
    assert record.best_card is not None
    return int(record.best_card.recipe["best_epoch"])
