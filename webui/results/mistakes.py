"""The confusion matrix, and the images of a clicked cell."""

from collections.abc import Sequence
from typing import get_args

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from bloodcell.cell_classes import CLASS_COUNT
from bloodcell.datasets.subtype import is_near_miss, subtype_of_file
from bloodcell.figures.confusion import MatrixValues, confusion_figure
from bloodcell.measures.metrics import confusion_matrix
from bloodcell.report.table import Table
from bloodcell.wording import counted
from webui.parts.figures_and_tables import figure_options, show_csv_button, show_table, text_colour
from webui.parts.session_keys import (
    RESULTS_ANSWERED_AS,
    RESULTS_GALLERY_PAGE,
    RESULTS_HIDE_DIAGONAL,
    RESULTS_MATRIX_VALUES,
    RESULTS_TRUTH,
)
from webui.parts.words import class_name
from webui.results.answers import Answers
from webui.results.images import show_gallery

MATRIX_KEY = "results_matrix"
_ANY = -1
"""Stands for all classes. None would leave a list empty that a click sets."""
_CHOICES = [_ANY, *range(CLASS_COUNT)]


@st.fragment
def show_mistakes(answers: Answers) -> None:
    """Show the matrix beside the images of the chosen cell; before a choice, all mistakes, the worst first."""
    matrix_side, images_side = st.columns([6, 5], gap="large")
    with matrix_side:
        _show_matrix(answers)
    with images_side:
        chosen = _choose_cell(answers)
        places = answers.worst_first(chosen)
        if not places:
            st.info("No image is in this cell.")
            return
        listed = images_table(answers, places, name="images")
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown(f"**{counted(len(places), 'image', 'images')}**, the least expected first", width="content")
            show_csv_button(listed)
        show_gallery(answers, places)
    with st.expander("As a list", icon=":material/list:"):
        show_table(images_table(answers, places, name="images_list"))


def images_table(answers: Answers, places: Sequence[int], *, name: str) -> Table:
    """Return a row per image: truth, answer, how sure, subtype."""
    table, rows = answers.table, []
    for place in places:
        truth, predicted, file = int(table.labels[place]), int(answers.predicted[place]), table.files[place]
        subtype = subtype_of_file(file)
        rows.append(
            (
                file,
                class_name(truth),
                class_name(predicted),
                f"{table.probabilities[place, predicted]:.6f}",
                f"{table.probabilities[place, truth]:.6f}",
                "" if subtype is None else subtype.display_name,
                "yes" if is_near_miss(file, predicted) else "",
                table.sha256[place],
            )
        )
    return Table(
        name=name,
        title="Images",
        columns=("file", "truth", "answer", "confidence", "probability of truth", "subtype", "near miss", "sha256"),
        rows=tuple(rows),
    )


def _show_matrix(answers: Answers) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        values = st.segmented_control(
            "Show",
            get_args(MatrixValues),
            default="counts",
            required=True,
            key=RESULTS_MATRIX_VALUES,
            format_func=str.capitalize,
            persist_state="session",
        )
        hide = st.toggle("Mistakes only", key=RESULTS_HIDE_DIAGONAL, persist_state="session")
    counts = confusion_matrix(answers.table.labels, answers.predicted, CLASS_COUNT)
    drawn = confusion_figure(counts, values=values, hide_diagonal=hide, text_colour=text_colour())
    st.plotly_chart(
        drawn.figure,
        key=MATRIX_KEY,
        on_select=_take_click,
        selection_mode="points",
        # Two clicks that follow fast are a double click to Plotly, which takes the choice back.
        config={**figure_options(drawn.name), "doubleClickDelay": 1},
        alt=drawn.alt,
    )
    st.caption("Rows are the truth, columns the answers. Click a cell to see its images.")


def _take_click() -> None:
    """Take the clicked cell over; a second click on it shows all mistakes again."""
    points = st.session_state[MATRIX_KEY]["selection"]["points"]
    place = points[0].get("customdata") if points else None
    truth, answered_as = (_ANY, _ANY) if place is None else (int(place[0]), int(place[1]))
    st.session_state[RESULTS_TRUTH] = truth
    st.session_state[RESULTS_ANSWERED_AS] = answered_as
    st.session_state[RESULTS_GALLERY_PAGE] = 0


def _choose_cell(answers: Answers) -> NDArray[np.bool_]:
    """Show the same choice as two lists, for those who cannot click; return which images are chosen, (N,)."""
    left, right = st.columns(2)
    truth = left.selectbox("Truth", _CHOICES, format_func=_choice_words, key=RESULTS_TRUTH, on_change=_first_page)
    answered_as = right.selectbox(
        "Answered as", _CHOICES, format_func=_choice_words, key=RESULTS_ANSWERED_AS, on_change=_first_page
    )
    chosen = np.ones(len(answers.predicted), dtype=bool)
    if truth != _ANY:
        chosen &= answers.table.labels == truth
    if answered_as != _ANY:
        chosen &= answers.predicted == answered_as
    is_a_cell = _ANY not in (truth, answered_as)
    return chosen if is_a_cell else chosen & ~answers.is_right


def _first_page() -> None:
    st.session_state[RESULTS_GALLERY_PAGE] = 0


def _choice_words(label: int) -> str:
    return "Any (mistakes)" if label == _ANY else class_name(label)
