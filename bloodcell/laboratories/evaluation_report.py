"""An evaluation as files and as a page of text that a person can read."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bloodcell.answers.classifier import Classifier
from bloodcell.answers.labelled_table import write_labelled_table
from bloodcell.cell_classes import CELL_CLASSES, CLASS_COUNT
from bloodcell.laboratories.evaluate import Evaluation
from bloodcell.measures.metrics import ClassFigures, ClassificationFigures
from bloodcell.paths import readable_path, write_atomically


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
        f"95 % interval {low:.2%} to {high:.2%}.{over_groups_words(evaluation.over_groups)}",
        *filter(
            None,
            [
                no_class_words(evaluation.refused + evaluation.other_cells, figures.n),
                seen_words(evaluation.seen_before),
            ],
        ),
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


def over_groups_words(figures: Mapping[str, Any]) -> str:
    """Return the interval over slides or patients, to stand behind that over images; empty where none is known."""
    try:
        low, high = map(float, figures["interval_over_groups"])
        return f" Over {int(figures['groups']):,} {figures['groups_are']}s: {low:.1%} to {high:.1%}.".replace("%", " %")
    except (KeyError, TypeError, ValueError):
        return ""


def no_class_words(without: int, n: int) -> str:
    """Return what stands beside an accuracy that counts images without a class too; empty where all have one."""
    if not without:
        return ""
    return (
        f"{without:,} of the {n:,} images got no answer: no class is shown for them. The figures count the most "
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
