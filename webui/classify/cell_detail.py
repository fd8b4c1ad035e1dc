"""Everything about one cell: answer, image, heat map, probabilities."""

import io
from collections.abc import Sequence
from typing import Literal

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from PIL import Image

from bloodcell.answers.overlay import overlay
from bloodcell.answers.prediction_table import WITHOUT_CLASS
from bloodcell.cell_classes import CELL_CLASSES
from bloodcell.wording import percent
from webui.classify.cells import Cell, cell_by_id
from webui.parts.session_keys import CLASSIFY_STRENGTH, explained_class_key
from webui.parts.words import STATUS_ICONS, STATUS_WORDS, answer_words, class_name, name_as_markdown, plain_words

DEFAULT_STRENGTH_PERCENT = 55
_STATUS_COLOURS: dict[str, Literal["green", "orange", "red"]] = {
    "ok": "green",
    "review": "orange",
    "refused": "orange",
    "other_cell": "orange",
    "error": "red",
}


@st.fragment
def show_cell(cell_id: str, *, wide: bool = False) -> None:
    """Show one cell; the heat map's controls run this part alone, and nothing is shown of a cell that was removed.

    Args:
        wide: there is room for the probabilities beside the images.
    """
    cell = cell_by_id(cell_id)
    if cell is None:
        return
    row = cell.row
    with st.container(horizontal=True, vertical_alignment="center"):
        confidence = "" if row.confidence is None else f" · {percent(row.confidence)}"
        st.subheader(f"{answer_words(row)}{confidence}", anchor=False, width="content")
        if row.status != "error":
            st.badge(STATUS_WORDS[row.status], icon=STATUS_ICONS[row.status], color=_STATUS_COLOURS[row.status])
    st.caption(_origin_words(cell))
    if row.probabilities is None or cell.picture is None:
        st.error(plain_words(row.reason), icon=STATUS_ICONS["error"])
        return
    if row.status != "ok":
        st.markdown(f"Why {'no answer' if row.status in WITHOUT_CLASS else 'a second look'}: {row.reason}.")
    probabilities = row.probabilities
    by_probability = sorted(range(len(CELL_CLASSES)), key=lambda label: -probabilities[label])
    images_side, probabilities_side = st.columns([7, 4], gap="large") if wide else (st.container(), st.container())
    with images_side:
        _show_images(cell, cell.picture, probabilities, by_probability)
    with probabilities_side:
        _show_probabilities(probabilities, by_probability, has_class=row.predicted is not None)


def _origin_words(cell: Cell) -> str:
    words = name_as_markdown(cell.row.file)
    if cell.label is not None:
        words += f" · labelled as **{class_name(cell.label)}**"
    if cell.row.probabilities is not None:
        words += f" · answered by {name_as_markdown(cell.row.model)}"
    return words


def _show_images(cell: Cell, picture: bytes, probabilities: Sequence[float], by_probability: list[int]) -> None:
    if cell.heat_maps is None:
        st.image(picture, caption="Cell image", alt="The cell image", width="stretch")
        return
    image = np.asarray(Image.open(io.BytesIO(picture)))
    left, right = st.columns(2)
    explained = left.selectbox(
        "Explain the class",
        by_probability,
        format_func=lambda label: f"{class_name(label)} ({percent(probabilities[label])})",
        key=explained_class_key(cell.id, cell.answered_by),
    )
    strength = right.slider(
        "Strength of the heat map",
        0,
        100,
        value=DEFAULT_STRENGTH_PERCENT,
        step=5,
        format="%d %%",
        key=CLASSIFY_STRENGTH,
        persist_state="session",
    )
    name = class_name(explained)
    mixed = overlay(image, cell.heat_maps[explained], field_of_view=cell.field_of_view, strength=strength / 100)
    left, right = st.columns(2)
    left.image(picture, caption="Cell image", alt="The cell image", width="stretch")
    right.image(
        mixed,
        caption=f"Heat map: bright where the image speaks for {name.lower()}",
        alt=f"The cell image under a heat map that explains {name.lower()}",
        width="stretch",
    )
    if cell.field_of_view < 1:
        st.caption("The model reads what is inside the frame.")


def _show_probabilities(probabilities: Sequence[float], by_probability: list[int], *, has_class: bool) -> None:
    top = by_probability[:3]
    sentence = ", ".join(f"{class_name(label)} {percent(probabilities[label])}" for label in top)
    st.markdown("**Most probable classes**")
    if not has_class:
        st.caption("What the model would say if it were one of the eight: do not rely on it.")
    st.plotly_chart(
        probability_chart(probabilities, top),
        config={"staticPlot": True, "displayModeBar": False},
        alt=f"Probabilities: {sentence}",
    )
    with st.expander("All eight classes"):
        st.table(
            {class_name(label): percent(probabilities[label]) for label in by_probability},
            border="horizontal",
            alt="Probability of each class",
        )


def probability_chart(probabilities: Sequence[float], labels: Sequence[int]) -> go.Figure:
    """Return horizontal bars, the first label on top.

    Args:
        probabilities: (K,), 0 to 1.
        labels: class indices to show.
    """
    figure = go.Figure(
        go.Bar(
            x=[probabilities[label] for label in labels],
            y=[class_name(label) for label in labels],
            text=[percent(probabilities[label]) for label in labels],
            textposition="outside",
            cliponaxis=False,
            orientation="h",
            # The grey edge keeps the darkest class colours visible on a dark page.
            marker={
                "color": [CELL_CLASSES[label].colour for label in labels],
                "line": {"color": "#8a97a1", "width": 1},
            },
        )
    )
    figure.update_layout(height=40 * len(labels) + 20, margin={"l": 0, "r": 60, "t": 0, "b": 0}, showlegend=False)
    figure.update_xaxes(range=[0, 1], visible=False)
    figure.update_yaxes(autorange="reversed", ticksuffix="  ")
    return figure
