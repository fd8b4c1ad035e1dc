"""Confusion matrix whose cells can be clicked."""

from typing import Literal

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from bloodcell.cell_classes import CELL_CLASSES
from bloodcell.figures.style import GREY, RIGHT_COLOUR, WRONG_COLOUR, DrawnFigure, arranged

MatrixValues = Literal["counts", "row shares", "column shares"]
_NAMES = tuple(cell_class.display_name for cell_class in CELL_CLASSES)
CLICK_TRACE = "cells"
"""Name of the trace whose points carry (truth, answer) as custom data."""


def matrix_values(counts: NDArray[np.int64], values: MatrixValues) -> NDArray[np.float64]:
    """Return what a confusion matrix (K, K) shows: counts, or shares of each row or column, 0.0 where that is empty."""
    if values == "counts":
        return counts.astype(np.float64)
    whole = counts.sum(axis=1 if values == "row shares" else 0, keepdims=True)
    return np.divide(counts, whole, out=np.zeros(counts.shape, dtype=np.float64), where=whole != 0)


def confusion_figure(
    counts: NDArray[np.int64],
    *,
    values: MatrixValues = "counts",
    hide_diagonal: bool = False,
    name: str = "confusion",
    text_colour: str | None = None,
) -> DrawnFigure:
    """Draw a confusion matrix: rows are the truth, columns the answers.

    Args:
        counts: (K, K).
        hide_diagonal: leave out what is right, to see the mistakes alone.
        name: of the file when it is saved.
        text_colour: of numbers in weak cells; None: the figure's own.

    Square markers lie over the coloured cells, because Streamlit reports no clicks on Plotly's heat maps; each carries
    its (truth, answer).
    """
    shown = matrix_values(counts, values)
    is_right = np.eye(len(counts), dtype=bool)
    figure = go.Figure()
    if not hide_diagonal:
        figure.add_trace(_coloured(np.where(is_right, shown, np.nan), RIGHT_COLOUR))
    figure.add_trace(_coloured(np.where(is_right, np.nan, shown), WRONG_COLOUR))
    for trace in _texts(counts, shown, values, hide_diagonal=hide_diagonal, weak_colour=text_colour):
        figure.add_trace(trace)
    figure.add_trace(_cells(counts, hide_diagonal=hide_diagonal))
    arranged(figure, height_px=560)
    places = list(range(len(counts)))
    figure.update_xaxes(title="Answer", tickvals=places, ticktext=_NAMES, showgrid=False, tickangle=-45)
    figure.update_yaxes(title="Truth", tickvals=places, ticktext=_NAMES, showgrid=False)
    figure.update_xaxes(range=[-0.5, len(counts) - 0.5], fixedrange=True)
    figure.update_yaxes(range=[len(counts) - 0.5, -0.5], fixedrange=True)
    figure.update_layout(showlegend=False, hovermode="closest", dragmode=False, clickmode="event+select")
    return DrawnFigure(name=name, title="Confusion matrix", alt=_alt(counts), figure=figure)


def _coloured(shown: NDArray[np.float64], colour: str) -> go.Heatmap:
    """Cells from clear to full colour. A colour of its own scale keeps single mistakes visible beside 80 right."""
    highest = float(np.nanmax(shown, initial=0.0)) or 1.0
    return go.Heatmap(
        z=shown,
        zmin=0,
        zmax=highest,
        # A single image is tinted enough to be seen; 0 is clear.
        colorscale=[[0, f"rgba({colour}, 0)"], [1e-6, f"rgba({colour}, 0.2)"], [1, f"rgba({colour}, 0.95)"]],
        xgap=2,
        ygap=2,
        showscale=False,
        hoverinfo="skip",
    )


def _texts(
    counts: NDArray[np.int64],
    shown: NDArray[np.float64],
    values: MatrixValues,
    *,
    hide_diagonal: bool,
    weak_colour: str | None,
) -> list[go.Scatter]:
    """The numbers: white in strong cells, another colour in the others."""
    off_diagonal = shown[~np.eye(len(shown), dtype=bool)].max(initial=0.0)
    strong: list[tuple[int, int]] = []
    weak: list[tuple[int, int]] = []
    for truth, answer in _places(counts, hide_diagonal=hide_diagonal):
        if counts[truth, answer]:
            highest = shown.diagonal().max() if truth == answer else off_diagonal
            (strong if shown[truth, answer] > 0.55 * highest else weak).append((truth, answer))
    return [
        go.Scatter(
            x=[answer for _, answer in places],
            y=[truth for truth, _ in places],
            text=[_number(shown[place], values) for place in places],
            mode="text",
            textfont={"size": 14, "color": colour},
            # Plotly pales what was not clicked, and the numbers are to be read after a click too.
            unselected={"textfont": {"color": colour or GREY}},
            hoverinfo="skip",
        )
        for places, colour in ((strong, "#ffffff"), (weak, weak_colour))
    ]


def _cells(counts: NDArray[np.int64], *, hide_diagonal: bool) -> go.Scatter:
    places = _places(counts, hide_diagonal=hide_diagonal)
    rows, columns = counts.sum(axis=1), counts.sum(axis=0)
    words = [
        f"{_NAMES[truth]} answered as {_NAMES[answer].lower()}<br>"
        f"<b>{counts[truth, answer]}</b> {_noun(counts[truth, answer])} · "
        f"{_share(counts[truth, answer], rows[truth])} of the truth · "
        f"{_share(counts[truth, answer], columns[answer])} of the answers"
        for truth, answer in places
    ]
    return go.Scatter(
        x=[answer for _, answer in places],
        y=[truth for truth, _ in places],
        customdata=[[truth, answer] for truth, answer in places],
        text=words,
        name=CLICK_TRACE,
        mode="markers",
        marker={"symbol": "square", "size": 34, "color": "rgba(128, 128, 128, 0.01)", "line": {"width": 0}},
        # A chosen cell gets a frame-like veil; the others stay as they are.
        selected={"marker": {"color": "rgba(128, 128, 128, 0.45)", "opacity": 1}},
        unselected={"marker": {"opacity": 1}},
        hovertemplate="%{text}<extra></extra>",
    )


def _places(counts: NDArray[np.int64], *, hide_diagonal: bool) -> list[tuple[int, int]]:
    size = range(len(counts))
    return [(truth, answer) for truth in size for answer in size if not (hide_diagonal and truth == answer)]


def _number(value: float, values: MatrixValues) -> str:
    return f"{value:.0f}" if values == "counts" else f"{value:.1%}"


def _noun(count: int) -> str:
    return "image" if count == 1 else "images"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "–"


def _alt(counts: NDArray[np.int64]) -> str:
    total, right = int(counts.sum()), int(np.trace(counts))
    wrong = [(int(counts[place]), place) for place in _places(counts, hide_diagonal=True) if counts[place]]
    wrong.sort(key=lambda entry: (-entry[0], entry[1]))
    listed = "; ".join(f"{n} {_NAMES[truth]} answered as {_NAMES[answer]}" for n, (truth, answer) in wrong[:5])
    return f"Confusion matrix: {right} of {total} images right." + (
        f" Most frequent mistakes: {listed}." if wrong else ""
    )
