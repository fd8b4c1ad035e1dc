"""Precision, recall and F1 of each class, with the number of images behind them."""

from collections.abc import Sequence

import plotly.graph_objects as go

from bloodcell.cell_classes import CELL_CLASSES
from bloodcell.figures.style import GREY, DrawnFigure, arranged
from bloodcell.measures.metrics import ClassFigures

_MEASURES = (("Precision", "precision", "triangle-right"), ("Recall", "recall", "square"), ("F1", "f1", "circle"))
"""Name, field, marker: the class has the colour, so the measure needs another sign."""


def per_class_figure(figures: Sequence[ClassFigures]) -> DrawnFigure:
    """Draw three markers per class on one line, in class order; a class that does not occur has a line without any.

    Markers need no axis from 0, as bars do, so that differences between good models can be seen.

    Args:
        figures: one per class.
    """
    names = [f"{CELL_CLASSES[of_class.label].display_name}, n = {of_class.support}" for of_class in figures]
    occurring = [of_class for of_class in figures if of_class.occurs]
    chart = go.Figure()
    for name, of_class in zip(names, figures, strict=True):
        if of_class.occurs:
            chart.add_trace(_span(name, of_class.precision, of_class.recall))
    for title, field, symbol in _MEASURES:
        values = [getattr(of_class, field) if of_class.occurs else None for of_class in figures]
        colours = [CELL_CLASSES[of_class.label].colour for of_class in figures]
        chart.add_trace(
            go.Scatter(
                x=values,
                y=names,
                mode="markers",
                name=title,
                marker={"symbol": symbol, "size": 13, "color": colours, "line": {"color": GREY, "width": 1}},
                hovertemplate=f"%{{y}}<br>{title} %{{x:.2%}}<extra></extra>",
                meta=field,
            )
        )
    arranged(chart, height_px=430)
    lowest = min((getattr(of_class, field) for of_class in occurring for _, field, _ in _MEASURES), default=0.0)
    chart.update_xaxes(tickformat=".0%", range=[max(-0.02, lowest - 0.05), 1.01])
    # Without marks a class would have no line of its own.
    chart.update_yaxes(ticksuffix="  ", categoryorder="array", categoryarray=names, range=[len(names) - 0.5, -0.5])
    worst = [CELL_CLASSES[of_class.label].display_name for of_class in sorted(occurring, key=lambda one: one.f1)[:2]]
    alt = f"Precision, recall and F1 per class, from {lowest:.1%} up. Lowest F1: {' and '.join(worst)}."
    return DrawnFigure(name="per_class", title="Precision, recall and F1 per class", alt=alt, figure=chart)


def _span(name: str, first: float, second: float) -> go.Scatter:
    """A line that holds the markers of a class together."""
    return go.Scatter(
        x=sorted((first, second)),
        y=[name, name],
        mode="lines",
        line={"color": GREY, "width": 3},
        opacity=0.5,
        showlegend=False,
        hoverinfo="skip",
    )
