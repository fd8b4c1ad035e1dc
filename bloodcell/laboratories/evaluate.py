"""Weights on a labelled folder: figures, answers and a report that a person can read."""

import contextlib
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bloodcell.answers.classifier import Answer, Classifier
from bloodcell.answers.labelled_table import LabelledRow
from bloodcell.answers.reading_ahead import ImageSource
from bloodcell.cell_classes import CLASS_COUNT, CLASS_KEYS
from bloodcell.datasets.folder_scan import LabelledFile, scan_dataset
from bloodcell.devices.hardware import hardware_name
from bloodcell.errors import DatasetError, LostFile, UnreadableImage
from bloodcell.images.fingerprint import fingerprint
from bloodcell.images.open_image import open_image, read_image_bytes
from bloodcell.laboratories.groups import Groups, groups_of
from bloodcell.laboratories.seen_before import count_seen_before
from bloodcell.laboratories.tray import answer_tray
from bloodcell.laboratories.verdict import TrayVerdict
from bloodcell.measures.by_subtype import answers_by_subtype
from bloodcell.measures.clustered import clustered_interval
from bloodcell.measures.confidence import confidence_entries
from bloodcell.measures.metrics import ClassificationFigures, classification_figures
from bloodcell.paths import readable_path


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """What an evaluation measured."""

    figures: ClassificationFigures
    """Over the images that could be read."""
    rows: tuple[LabelledRow, ...]
    """One per file, in the order of their paths."""
    unreadable: tuple[tuple[str, str], ...]
    """Files that could not be read, each with the reason; they are not in the figures."""
    verdict: TrayVerdict
    """Whether all of them together come from a laboratory that the weights know."""
    dataset_fingerprint: str
    """Hash over the hashes and labels of all readable files, hexadecimal."""
    seen_before: int | None
    """How many files, or copies of them, trained the weights or chose among them; None: not recorded. Weights of
    version 0.1 know their images byte for byte alone."""
    groups: Groups | None = None
    """Which slide or patient each image is of; None where that is not known."""

    @property
    def refused(self) -> int:
        """How many images have no class, because they show no single cell or several pictures."""
        return self._count("refused")

    @property
    def other_cells(self) -> int:
        """How many have none, because they may show a cell that is none of the eight."""
        return self._count("other_cell")

    def _count(self, status: str) -> int:
        return sum(row.prediction.status == status for row in self.rows)

    @property
    def is_right(self) -> np.ndarray:
        """(N,) booleans: whether the most probable class of each readable image, shown or not, is its label."""
        judged = [row for row in self.rows if row.prediction.probabilities is not None]
        return np.array([int(np.argmax(row.prediction.probabilities or ())) == row.label for row in judged])

    @property
    def over_groups(self) -> dict[str, Any]:
        """How many slides or patients the images are of, and the interval of accuracy over them; empty if not known."""
        if self.groups is None:
            return {}
        judged = [row.prediction.file for row in self.rows if row.prediction.probabilities is not None]
        names, numbers = np.unique([self.groups.of_file[file] for file in judged], return_inverse=True)
        if len(names) < 2:
            return {}
        interval = clustered_interval(self.is_right, numbers)
        return {"groups": len(names), "groups_are": self.groups.unit, "interval_over_groups": list(interval)}

    def summary(self, classifier: Classifier) -> dict[str, Any]:
        """Return what metrics.json and a weights card hold, plain JSON values."""
        sure = [row.prediction for row in self.rows if row.prediction.status == "ok"]
        right_and_sure = sum(
            row.prediction.predicted == row.label for row in self.rows if row.prediction.status == "ok"
        )
        judged = [row for row in self.rows if row.prediction.probabilities is not None]
        labels = np.array([row.label for row in judged], dtype=np.int64)
        probabilities = np.array([row.prediction.probabilities for row in judged])
        return {
            **self.figures.to_dict(),
            "row_shares": self.figures.row_shares.tolist(),
            "class_keys": list(CLASS_KEYS),
            "unreadable": len(self.unreadable),
            "refused": self.refused,
            "other_cells": self.other_cells,
            **self.over_groups,
            "laboratory": self.verdict.laboratory,
            "unlike": self.verdict.unlike,
            "shown_as_sure": len(sure),
            "right_of_sure": right_and_sure,
            "confidence": confidence_entries(
                labels,
                probabilities,
                temperature=np.array([classifier.temperature_of(row.prediction.model_sha256) for row in judged]),
                is_sure=np.array([row.prediction.status == "ok" for row in judged]),
            ),
            "subtypes": _subtype_entries([row.prediction.file for row in judged], labels, probabilities.argmax(axis=1)),
            "dataset_fingerprint": self.dataset_fingerprint,
            "seen_before": self.seen_before,
            "model": classifier.card.name,
            "model_sha256": classifier.card.tensors_sha256,
            **asdict(classifier.answered_by),
            "hardware": hardware_name(classifier.device.type),
        }


def evaluate(
    classifier: Classifier,
    data_folder: Path,
    *,
    known_sha256: frozenset[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Answer for every image of a labelled folder and compare.

    Args:
        known_sha256: hashes of the images that trained the weights or chose among them; None: those that the weights
            themselves record, if any. What the weights for other laboratories answered is looked up among their own.

    Raises:
        DatasetError: the folder holds no dataset, none of its images can be read, or the disk does not give one.
    """
    files = scan_dataset(data_folder).files
    groups = groups_of(data_folder, files)
    hashes: dict[str, str] = {}
    prints: dict[str, NDArray[np.float32]] = {}
    kept = prints if classifier.knows_pictures else None
    sources = [ImageSource(name=file.relative_path, read=partial(_read_and_hash, file, hashes, kept)) for file in files]
    counted: set[int] = set()

    def count(place: int, answer: Answer) -> None:
        counted.add(place)
        if progress is not None:
            progress(len(counted), len(files))

    answered, verdict = answer_tray(classifier, sources, on_answer=count)
    rows = [
        LabelledRow(prediction=row, label=file.label, sha256=hashes.get(file.relative_path, ""))
        for file, row in zip(files, answered, strict=True)
    ]
    judged = [row for row in rows if row.prediction.probabilities is not None]
    if not judged:
        raise DatasetError(f"None of the {len(rows)} images in {data_folder} can be read: {rows[0].prediction.reason}")
    labels = np.array([row.label for row in judged], dtype=np.int64)
    probabilities = np.array([row.prediction.probabilities for row in judged])
    return Evaluation(
        figures=classification_figures(labels, probabilities),
        rows=tuple(rows),
        verdict=verdict,
        unreadable=tuple(
            (row.prediction.file, row.prediction.reason) for row in rows if row.prediction.status == "error"
        ),
        dataset_fingerprint=_fingerprint(judged),
        seen_before=count_seen_before(rows, classifier, known_sha256, prints),
        groups=groups,
    )


def _subtype_entries(files: Sequence[str], labels: np.ndarray, predicted: np.ndarray) -> list[dict[str, Any]]:
    return [
        {
            "subtype": None if counted.subtype is None else counted.subtype.code,
            "n": counted.n,
            "right": counted.right,
            "near": counted.near_misses,
            "other": counted.other_mistakes,
        }
        for counted in answers_by_subtype(files, labels, predicted, CLASS_COUNT)
    ]


def _read_and_hash(file: LabelledFile, hashes: dict[str, str], prints: dict[str, NDArray[np.float32]] | None) -> bytes:
    try:
        data = read_image_bytes(file.path)
    except LostFile as error:
        # Figures of the rest would pass for figures of the whole set.
        raise DatasetError(
            f"Reading the images stopped at {readable_path(file.path)}: {error} See that the disk or share is there."
        ) from error
    hashes[file.relative_path] = hashlib.sha256(data).hexdigest()
    if prints is None:
        return data
    with contextlib.suppress(UnreadableImage):  # its row says why it cannot be read
        prints[file.relative_path] = fingerprint(open_image(data))
    return data


def _fingerprint(rows: Sequence[LabelledRow]) -> str:
    return hashlib.sha256("\n".join(sorted(f"{row.label} {row.sha256}" for row in rows)).encode()).hexdigest()
