"""Sets of labelled answers: of a run's validation or test images, or of an evaluation."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from bloodcell.answers.labelled_table import LabelledTable, read_labelled_table
from bloodcell.errors import BloodcellError
from bloodcell.json_objects import read_json_object
from bloodcell.laboratories.evaluation_report import no_class_words, over_groups_words, seen_words
from bloodcell.measures.statistics import wilson_interval
from bloodcell.packed_text import kept_file
from bloodcell.paths import home_folder
from bloodcell.report.arms import ArmRecords
from bloodcell.suites.run_record import RunRecord
from bloodcell.wording import counted, percent
from webui.parts.session_keys import RESULTS_ANSWERS
from webui.parts.words import error_words

VALIDATION, TEST, EVALUATION = "validation images", "test images", "evaluated images"
EVALUATION_TABLE = "predictions_evaluation.csv"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class AnswerSource:
    """Where a set of labelled answers lies; read when it is chosen."""

    title: str
    images: str
    """VALIDATION, TEST or EVALUATION."""
    record: RunRecord | None
    """The run that answered; None for an evaluation."""
    folder: Path
    """The run's or the evaluation's folder."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Answers:
    """A set of labelled answers, read."""

    source: AnswerSource
    table: LabelledTable
    predicted: NDArray[np.int64]
    """(N,), the most probable class of each image."""
    model_sha256: str
    """Hash of the weights that answered, hexadecimal; empty where it is not known."""

    @property
    def is_right(self) -> NDArray[np.bool_]:
        """(N,), whether the answer is the label."""
        return self.predicted == self.table.labels

    def worst_first(self, chosen: NDArray[np.bool_]) -> list[int]:
        """Return the places of chosen images (N,), those first that the truth was least expected of."""
        of_truth = self.table.probabilities[np.arange(len(self.predicted)), self.table.labels]
        order = np.argsort(of_truth, kind="stable")
        return [int(place) for place in order if chosen[place]]


def evaluations_folder() -> Path:
    """Return the folder that holds evaluations which pages have started."""
    return home_folder() / "evaluations"


def answer_sources(arms: Sequence[ArmRecords]) -> dict[str, AnswerSource]:
    """Return all sets of answers of the chosen runs, then all finished evaluations, by title."""
    sources = []
    for run in (run for arm in arms for run in arm.runs):
        for images, name in ((VALIDATION, "predictions_validation.csv"), (TEST, "predictions_test.csv")):
            if kept_file(run.path / name):
                title = f"{run.name} · {images}"
                sources.append(AnswerSource(title=title, images=images, record=run, folder=run.path))
    for table in sorted(evaluations_folder().glob(f"*/{EVALUATION_TABLE}")):
        title = f"{table.parent.name} · {EVALUATION}"
        sources.append(AnswerSource(title=title, images=EVALUATION, record=None, folder=table.parent))
    titles = [source.title for source in sources]
    named: dict[str, AnswerSource] = {}
    for source in sources:
        suite = "" if titles.count(source.title) == 1 else f"{source.folder.parent.parent.name} · "
        named[suite + source.title] = source
    return named


def choose_answers(sources: dict[str, AnswerSource]) -> Answers | None:
    """Show the choice of a set of answers and what it is worth; None where there is none or it cannot be read."""
    if not sources:
        st.info("None of the chosen runs has answers yet. They are written after the first epoch.")
        return None
    chosen = st.selectbox("Answers of", list(sources), key=RESULTS_ANSWERS, persist_state="session")
    answers = read_answers(sources[chosen])
    if answers is not None:
        st.caption(accuracy_words(answers))
    return answers


def read_answers(source: AnswerSource) -> Answers | None:
    """Return a set of answers; where it cannot be read or holds none, say so and return None."""
    try:
        table, sha256 = _table_of(source)
    except BloodcellError as error:
        st.error(error_words(error), icon=":material/broken_image:")
        return None
    if table is None or not len(table.labels):
        st.info("There are no answers in this file.")
        return None
    return Answers(source=source, table=table, predicted=table.probabilities.argmax(axis=1), model_sha256=sha256)


def accuracy_words(answers: Answers) -> str:
    """Return accuracy with n and interval, and what these images may have chosen."""
    right, n = int(answers.is_right.sum()), len(answers.predicted)
    low, high = wilson_interval(right, n)
    words = f"**{percent(right / n)}** right: {right:,} of {n:,} {answers.source.images}"
    words += f" (95 % interval {percent(low)} to {percent(high)})."
    if answers.source.images == VALIDATION:
        words += " The best epoch and the calibration were picked on these images, so the figure is optimistic."
    if answers.source.images == EVALUATION:
        figures = _evaluation_figures(answers.source.folder)
        words += over_groups_words(figures)
        seen = figures.get("seen_before")
        words += f" {seen_words(seen if isinstance(seen, int) else None)}"
    if without := no_class_words(int(answers.table.has_no_class.sum()), n):
        words += f" {without}"
    if unreadable := len(answers.table.unreadable_files):
        words += f" {counted(unreadable, 'file', 'files')} could not be read and are not counted."
    return words


def _table_of(source: AnswerSource) -> tuple[LabelledTable | None, str]:
    record = source.record
    if record is not None:
        sha256 = "" if record.best_card is None else record.best_card.tensors_sha256
        return (record.validation if source.images == VALIDATION else record.test), sha256
    path = source.folder / EVALUATION_TABLE
    return _evaluation_table(str(path), path.stat().st_mtime_ns), str(
        _evaluation_figures(source.folder).get("model_sha256", "")
    )


@st.cache_resource(max_entries=16, show_spinner="Reading answers …")
def _evaluation_table(path: str, changed_ns: int) -> LabelledTable:
    return read_labelled_table(Path(path))


def evaluation_words(folder: Path) -> str:
    """Return how many images an evaluation has right; empty where its figures cannot be read."""
    values = _evaluation_figures(folder)
    try:
        return f"{percent(values['accuracy'])} of {values['n']:,} images right"
    except (KeyError, TypeError, ValueError):
        return ""


def _evaluation_figures(folder: Path) -> dict[str, Any]:
    try:
        return read_json_object(folder / "metrics.json")
    except (OSError, ValueError) as error:
        logger.warning("the figures of %s cannot be read: %s", folder, error)
        return {}
