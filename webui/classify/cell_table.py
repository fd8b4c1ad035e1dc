"""The cells of a session as a figure row and as a table to choose from."""

import time
from collections.abc import Sequence
from functools import partial

import pandas as pd
import streamlit as st

from bloodcell.answers.prediction_table import WITHOUT_CLASS, table_bytes
from bloodcell.wording import counted
from webui.classify.cells import Cell, remove_all
from webui.parts.session_keys import CLASSIFY_CHOSEN, CLASSIFY_ORDER, CLASSIFY_SHOWN, CLASSIFY_STEPPED, cell_table_key
from webui.parts.words import (
    STATUS_HELP,
    STATUS_SIGNS,
    STATUS_WORDS,
    class_name,
    name_as_markdown,
    plain_words,
    shown_name,
)

LEAST_SURE_FIRST, AS_ADDED = "Least sure first", "As added"
ALL_CELLS, SECOND_LOOK, UNREADABLE = "All", "Second look", "Unreadable"
_STATUSES_OF_CHOICE = {SECOND_LOOK: ("review", *WITHOUT_CLASS), UNREADABLE: ("error",)}
_ROW_HEIGHT_PX = 56
_VISIBLE_ROWS = 9
_LISTED_REASONS = 20
_ECHO_SECONDS = 2.0
"""How long after a step the table may still report the row that was chosen before it."""


def show_summary(cells: Sequence[Cell]) -> None:
    """Show how many cells were read, how many need a look, how many could not be read; CSV and removal beside it."""
    unreadable = [cell for cell in cells if cell.row.status == "error"]
    second_look = sum(cell.row.status in _STATUSES_OF_CHOICE[SECOND_LOOK] for cell in cells)
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.metric("Cells read", f"{len(cells) - len(unreadable):,}", width="content")
        st.metric("Need a second look", f"{second_look:,}", width="content")
        st.metric("Unreadable", f"{len(unreadable):,}", width="content")
        st.space("stretch")
        st.download_button(
            "Download CSV",
            table_bytes(cell.row for cell in cells),
            file_name="predictions.csv",
            mime="text/csv",
            key="classify_download_csv",
            icon=":material/download:",
            type="primary",
            on_click="ignore",
        )
        st.button("Remove all", key="classify_remove_all", icon=":material/delete:", on_click=remove_all)
    if unreadable:
        _show_reasons(unreadable)


def choose_cell(cells: Sequence[Cell]) -> Cell | None:
    """Show the table of cells and return the chosen one; None where the choice of cells to show leaves none."""
    with st.container(horizontal=True):
        order = st.segmented_control(
            "Order", (LEAST_SURE_FIRST, AS_ADDED), default=LEAST_SURE_FIRST, required=True, key=CLASSIFY_ORDER
        )
        choice = st.segmented_control(
            "Show", (ALL_CELLS, SECOND_LOOK, UNREADABLE), default=ALL_CELLS, required=True, key=CLASSIFY_SHOWN
        )
    shown = [cell for cell in cells if cell.row.status in _STATUSES_OF_CHOICE.get(choice, STATUS_WORDS)]
    if not shown:
        st.caption("No cell of this kind.")
        return None
    if order == LEAST_SURE_FIRST:
        shown.sort(key=_sureness)
    ids = [cell.id for cell in shown]
    chosen = _chosen_id(ids)
    position = ids.index(chosen)
    _select_row(cell_table_key(ids), position)
    _show_table(shown, ids, position)
    with st.container(horizontal=True, vertical_alignment="center"):
        _step_button("Previous", ":material/arrow_back:", ids, position, -1)
        _step_button("Next", ":material/arrow_forward:", ids, position, +1)
        st.caption(f"Cell {position + 1:,} of {len(shown):,}. Choose a row to see its details.", width="content")
    return shown[position]


def _show_reasons(unreadable: Sequence[Cell]) -> None:
    title = f"{counted(len(unreadable), 'file', 'files')} could not be read; all others were"
    with st.expander(title, icon=":material/broken_image:", expanded=len(unreadable) <= 3):
        for cell in unreadable[:_LISTED_REASONS]:
            st.markdown(f"{name_as_markdown(cell.row.file)} {plain_words(cell.row.reason)}")
        if len(unreadable) > _LISTED_REASONS:
            st.caption(f"And {len(unreadable) - _LISTED_REASONS:,} more: choose “{UNREADABLE}” below or read the CSV.")


def _sureness(cell: Cell) -> tuple[bool, float]:
    """Sort key: refused cells, then by confidence, unreadable files last."""
    return cell.row.status == "error", -1.0 if cell.row.confidence is None else cell.row.confidence


def _chosen_id(ids: Sequence[str]) -> str:
    chosen: str = st.session_state.get(CLASSIFY_CHOSEN, ids[0])
    if chosen not in ids:
        chosen = ids[0]
    st.session_state[CLASSIFY_CHOSEN] = chosen
    return chosen


def _select_row(table_key: str, position: int) -> None:
    """Mark the chosen cell's row."""
    selected = st.session_state.get(table_key, {}).get("selection", {}).get("rows", [])
    if list(selected) != [position]:
        st.session_state[table_key] = {"selection": {"rows": [position]}}


def _show_table(shown: Sequence[Cell], ids: list[str], position: int) -> None:
    columns: dict[str, list[object]] = {
        "Cell": [cell.thumbnail for cell in shown],
        "Answer": ["–" if cell.row.predicted is None else class_name(cell.row.predicted) for cell in shown],
        "Confidence": [_shown_percent(cell.row.confidence) for cell in shown],
        "Status": [f"{STATUS_SIGNS[cell.row.status]} {STATUS_WORDS[cell.row.status]}" for cell in shown],
    }
    if any(cell.label is not None for cell in shown):
        columns["Labelled as"] = [_label_words(cell) for cell in shown]
    columns["File"] = [shown_name(cell.row.file) for cell in shown]
    st.dataframe(
        pd.DataFrame(columns),
        key=cell_table_key(ids),
        height=_ROW_HEIGHT_PX * min(len(shown), _VISIBLE_ROWS) + 40,
        row_height=_ROW_HEIGHT_PX,
        placeholder="–",
        hide_index=True,
        column_config={
            "Cell": st.column_config.ImageColumn(width=64),
            "Answer": st.column_config.TextColumn(width=145),
            "Confidence": st.column_config.ProgressColumn(format="%.1f %%", min_value=0, max_value=100, width=125),
            "Status": st.column_config.TextColumn(width=110, help=STATUS_HELP),
            "Labelled as": st.column_config.TextColumn(width=145),
        },
        on_select=partial(_remember_choice, ids, position),
        selection_mode="single-row-required",
        alt="Cells with answer, confidence and status",
    )


def _shown_percent(confidence: float | None) -> float | None:
    """Keep the column, which rounds to one decimal, from writing 100.0 % where the model leaves some doubt."""
    if confidence is None or confidence == 1:
        return None if confidence is None else 100.0
    return min(100 * confidence, 99.94)


def _label_words(cell: Cell) -> str | None:
    return None if cell.label is None else class_name(cell.label)


def _remember_choice(ids: Sequence[str], position: int) -> None:
    """Take a chosen row over, unless it is the one that is shown or was shown before a step.

    The table reports the row that was chosen for it: seen in the same instant as a click on Next (Streamlit 1.67,
    Chromium, November 2026). Were such a report taken over after the click, it would undo the click.
    """
    rows = st.session_state[cell_table_key(ids)]["selection"]["rows"]
    stepped_from, stepped_at = st.session_state.get(CLASSIFY_STEPPED, (None, 0.0))
    is_echo = rows and rows[0] == stepped_from and time.monotonic() - stepped_at < _ECHO_SECONDS
    if rows and rows[0] < len(ids) and rows[0] != position and not is_echo:
        st.session_state[CLASSIFY_CHOSEN] = ids[rows[0]]


def _step_button(label: str, icon: str, ids: Sequence[str], position: int, step: int) -> None:
    target = position + step

    def take_step() -> None:
        st.session_state[CLASSIFY_CHOSEN] = ids[target]
        st.session_state[CLASSIFY_STEPPED] = (position, time.monotonic())

    outside = not 0 <= target < len(ids)
    st.button(label, key=f"classify_{label.lower()}", icon=icon, disabled=outside, on_click=take_step)
