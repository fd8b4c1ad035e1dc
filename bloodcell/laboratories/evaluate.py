"""Weights on a labelled folder: figures, answers and a report that a person can read."""

import contextlib
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bloodcell.answers.classifier import Answer, Classifier
from bloodcell.answers.labelled_table import LabelledRow, write_labelled_table
from bloodcell.answers.reading_ahead import ImageSource
from bloodcell.cell_classes import CELL_CLASSES, CLASS_COUNT, CLASS_KEYS
from bloodcell.datasets.folder_scan import LabelledFile, scan_dataset
from bloodcell.devices.hardware import hardware_name
from bloodcell.errors import DatasetError, LostFile, UnreadableImage
from bloodcell.images.fingerprint import fingerprint, show_the_same
from bloodcell.images.open_image import open_image, read_image_bytes
from bloodcell.laboratories.tray import answer_tray
from bloodcell.laboratories.verdict import TrayVerdict
from bloodcell.measures.by_subtype import answers_by_subtype
from bloodcell.measures.confidence import confidence_entries
from bloodcell.measures.metrics import ClassFigures, ClassificationFigures, classification_figures
from bloodcell.paths import readable_path, write_atomically
from bloodcell.weights.file import short_hash


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

    @property
    def refused(self) -> int:
        """How many images have no class, because they show no single cell or several pictures."""
        return sum(row.prediction.status == "refused" for row in self.rows)

    @property
    def is_right(self) -> np.ndarray:
        """(N,) booleans: whether the most probable class of each readable image, shown or not, is its label."""
        judged = [row for row in self.rows if row.prediction.probabilities is not None]
        return np.array([int(np.argmax(row.prediction.probabilities or ())) == row.label for row in judged])

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
    hashes: dict[str, str] = {}
    prints: dict[str, NDArray[np.float32]] = {}
    sources = [
        ImageSource(
            name=file.relative_path,
            read=partial(_read_and_hash, file, hashes, prints if classifier.knows_pictures else None),
        )
        for file in files
    ]
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
        seen_before=_seen_before(rows, classifier, known_sha256, prints),
    )


def _seen_before(
    rows: Sequence[LabelledRow],
    classifier: Classifier,
    known_sha256: frozenset[str] | None,
    prints: Mapping[str, NDArray[np.float32]],
) -> int | None:
    """Count the images that trained the weights, or those for other laboratories where these answered; None: not
    recorded."""
    own = classifier.known.beginnings if known_sha256 is None else frozenset(map(short_hash, known_sha256))
    if own is None:
        return None
    seen = _known_files(rows, own, classifier.known.pictures, prints)
    for model_sha256 in {row.prediction.model_sha256 for row in rows} - {classifier.card.tensors_sha256}:
        answered = [row for row in rows if row.prediction.model_sha256 == model_sha256]
        known = classifier.known_to(model_sha256)
        seen |= _known_files(answered, known.beginnings or frozenset(), known.pictures, prints)
    return len(seen)


def _known_files(
    rows: Sequence[LabelledRow],
    beginnings: frozenset[str],
    pictures: NDArray[np.float32] | None,
    prints: Mapping[str, NDArray[np.float32]],
) -> set[str]:
    """Return the names of files whose bytes or whose picture weights know."""
    names = {row.prediction.file for row in rows}
    same_bytes = {row.prediction.file for row in rows if short_hash(row.sha256) in beginnings}
    return same_bytes | _copies(names, prints, pictures)


def _copies(names: Set[str], prints: Mapping[str, NDArray[np.float32]], known: NDArray[np.float32] | None) -> set[str]:
    """Return those names of files that show the same as an image that the weights know."""
    of_these = {name: one for name, one in prints.items() if name in names}
    if not of_these or known is None:
        return set()
    shown = show_the_same(np.stack(list(of_these.values())), known)
    return {name for name, is_copy in zip(of_these, shown, strict=True) if is_copy}


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


def write_evaluation(evaluation: Evaluation, classifier: Classifier, folder: Path) -> None:
    """Write metrics.json, report.txt and predictions_evaluation.csv.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    summary = evaluation.summary(classifier)
    write_atomically(folder / "metrics.json", (json.dumps(summary, indent=1) + "\n").encode())
    write_atomically(folder / "report.txt", report_text(evaluation, classifier).encode())
    write_labelled_table(evaluation.rows, folder / "predictions_evaluation.csv")


def report_text(evaluation: Evaluation, classifier: Classifier) -> str:
    """Return the evaluation as a page of text: figures with n and interval, per class, and the confusion matrix."""
    figures, card, answered_by = evaluation.figures, classifier.card, classifier.answered_by
    low, high = figures.accuracy_interval
    lines = [
        f"Weights {card.name} ({card.model}, {card.image_size_px} px), file {card.tensors_sha256[:12]}",
        f"Answered in {answered_by.precision} by {answered_by.engine}, answer_sha256 {answered_by.answer_sha256}",
        f"Accuracy {figures.accuracy:.2%}: {figures.correct} of {figures.n} right, "
        f"95 % interval {low:.2%} to {high:.2%}",
        *filter(None, [refused_words(evaluation.refused, figures.n), seen_words(evaluation.seen_before)]),
        f"Laboratory: {evaluation.verdict.laboratory}. {evaluation.verdict.reason}",
        f"Macro-F1 {figures.macro_f1:.4f}{macro_f1_words(figures)}",
        "",
        f"{'class':22}{'n':>6}{'precision':>11}{'recall':>9}{'F1':>9}",
    ]
    lines += [_class_line(of_class) for of_class in figures.per_class]
    lines += ["", "Confusion matrix, counts: rows are the truth, columns the answers, numbered as the rows", ""]
    lines += _matrix_lines(figures.confusion_matrix, "9d")
    lines += ["", "Confusion matrix, shares of each row", ""]
    lines += _matrix_lines(figures.row_shares, "9.1%", absent=[not one.occurs for one in figures.per_class])
    if evaluation.unreadable:
        lines += ["", f"{len(evaluation.unreadable)} files could not be read and are not in these figures:"]
        lines += [f"  {readable_path(name)}: {reason}" for name, reason in evaluation.unreadable]
    return "\n".join(lines) + "\n"


def refused_words(refused: int, n: int) -> str:
    """Return what stands beside an accuracy that counts refused images too; empty where none was refused."""
    if not refused:
        return ""
    return (
        f"{refused:,} of the {n:,} images were refused: no class is shown for them. The figures count the most "
        "probable class of every image, shown or not."
    )


def seen_words(seen_before: int | None) -> str:
    """Return what stands beside an accuracy on images that the weights may know; empty where they know none."""
    if seen_before is None:
        return "Whether the weights were trained on some of these images is not recorded."
    if seen_before == 0:
        return ""
    return (
        f"{seen_before:,} of these images, or copies of them, trained the weights or chose among them: expect less on "
        "new images."
    )


def macro_f1_words(figures: ClassificationFigures) -> str:
    """Return what stands behind a macro-F1 that does not cover all classes; empty where it does."""
    occurring = sum(of_class.occurs for of_class in figures.per_class)
    return "" if occurring == CLASS_COUNT else f", mean of the {occurring} classes that occur"


def _class_line(of_class: ClassFigures) -> str:
    name = f"{CELL_CLASSES[of_class.label].display_name:22}{of_class.support:6d}"
    if not of_class.occurs:
        return f"{name}{'–':>11}{'–':>9}{'–':>9}"
    return f"{name}{of_class.precision:11.2%}{of_class.recall:9.2%}{of_class.f1:9.4f}"


def _matrix_lines(
    matrix: np.ndarray, number_format: str, *, absent: Sequence[bool] = (False,) * CLASS_COUNT
) -> list[str]:
    lines = [" " * 25 + "".join(f"{number:>9}" for number in range(1, CLASS_COUNT + 1))]
    for number, (cell_class, row, is_absent) in enumerate(zip(CELL_CLASSES, matrix, absent, strict=True), start=1):
        cells = (f"{'–':>9}" if is_absent else format(value, number_format) for value in row)
        lines.append(f"{number} {cell_class.display_name:23}" + "".join(cells))
    return lines
