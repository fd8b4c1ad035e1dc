"""What all figures share: how they are handed on, colours of runs, text that strangers wrote, plain layouts."""

import html
from dataclasses import dataclass

import plotly.graph_objects as go

from bloodcell.images.safe_text import clean_file_name

SERIES_COLOURS: tuple[str, ...] = ("#4477AA", "#EE6677", "#228833", "#CCBB44", "#66CCEE", "#AA3377")
"""Safe for colour-blind readers. Source: P. Tol, "Colour schemes", SRON/EPS/TN/09-002, bright scheme without grey."""
DASHES: tuple[str, ...] = ("solid", "dash", "dot", "dashdot")
SYMBOLS: tuple[str, ...] = ("diamond", "circle", "square", "triangle-up", "cross", "star")
GREY = "#8a97a1"
"""Reads on white and on dark pages."""
RIGHT_COLOUR, WRONG_COLOUR = "29, 106, 150", "213, 94, 0"
"""Red, green, blue of answers that are right and wrong: a blue and an orange that colour-blind readers tell apart."""
LONGEST_NAME = 60


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class DrawnFigure:
    """A figure, and what belongs to it wherever it is shown."""

    name: str
    """Name of the file when it is saved, without a suffix."""
    title: str
    """Plain text."""
    alt: str
    """What there is to see, for those who do not see it."""
    figure: go.Figure


@dataclass(frozen=True, kw_only=True, slots=True)
class SeriesStyle:
    """How one of several lines is told from the others: colour, dash and marker, never the colour alone."""

    colour: str
    dash: str
    symbol: str


def series_style(index: int) -> SeriesStyle:
    """Return the style of the line with this number, from 0; it repeats after 24."""
    return SeriesStyle(
        colour=SERIES_COLOURS[index % len(SERIES_COLOURS)],
        dash=DASHES[index // len(SERIES_COLOURS) % len(DASHES)],
        symbol=SYMBOLS[index % len(SYMBOLS)],
    )


def rgba(hex_colour: str, opacity: float) -> str:
    """Return a hex colour with an opacity from 0 to 1, as Plotly reads it."""
    red, green, blue = (int(hex_colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {opacity})"


def plain_text(text: str) -> str:
    """Return text that Plotly shows as it is: control characters out, no tag that it would follow, not too long."""
    cleaned = clean_file_name(text)
    if len(cleaned) > LONGEST_NAME:
        cleaned = f"{cleaned[: LONGEST_NAME // 2 - 1]}…{cleaned[-LONGEST_NAME // 2 :]}"
    return html.escape(cleaned, quote=False)


def arranged(figure: go.Figure, *, height_px: int) -> go.Figure:
    """Give a figure the layout of all: small margins, a legend below that leaves width to the data and the top free."""
    legend = {"orientation": "h", "x": 0, "xanchor": "left", "y": -0.2, "yanchor": "top", "title": None}
    figure.update_layout(height=height_px, margin={"l": 10, "r": 10, "t": 30, "b": 10}, legend=legend)
    figure.update_xaxes(automargin=True, zeroline=False)
    figure.update_yaxes(automargin=True, zeroline=False)
    return figure
