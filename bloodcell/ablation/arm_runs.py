"""What the finished runs of an arm measured, and the samples that two arms are compared on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bloodcell.ablation.comparison import ArmSample
from bloodcell.ablation.run_record import RunRecord, read_record
from bloodcell.ablation.suite import Arm, SuiteFolder
from bloodcell.data.prediction_table import LabelledTable
from bloodcell.training.run_folder import RunFolder

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
    """Two arms on the same images over the same epochs."""

    arm: ArmSample
    base: ArmSample
    images: ImageSet
    """What they are compared on. Validation images also chose the epoch, so their accuracies are optimistic."""
    epochs: int
    """Epochs of the shorter runs; what longer ones did later does not count."""


def sample_pair(arm: ArmRuns, base: ArmRuns) -> SamplePair:
    """Return what two arms are compared on: test answers where all runs have them, else validation.

    Answers are those of the best epoch. Where a longer run's best epoch lies behind the end of the shorter ones, its
    best accuracy up to there is taken from its metrics, and which images were right is not known.

    Args:
        arm, base: with at least one record each.
    """
    records = (*arm.records, *base.records)
    epochs = min(len(record.metrics) for record in records)
    same_epochs = all(_best_epoch(record) <= epochs for record in records)
    choices: tuple[tuple[ImageSet, Callable[[RunRecord], LabelledTable | None]], ...] = (
        ("test", lambda record: record.test),
        ("validation", lambda record: record.validation),
    )
    for images, table_of in choices:
        tables = [table for record in records if (table := table_of(record)) is not None]
        if same_epochs and len(tables) == len(records) and len({table.sha256 for table in tables}) == 1:
            split_at = len(arm.records)
            return SamplePair(
                arm=_answered(arm.arm.name, tables[:split_at]),
                base=_answered(base.arm.name, tables[split_at:]),
                images=images,
                epochs=epochs,
            )
    return SamplePair(arm=_counted(arm, epochs), base=_counted(base, epochs), images="validation", epochs=epochs)


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
