"""Reliability diagram: confidence against the share that is right."""

from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from bloodcell.figures.style import GREY, SERIES_COLOURS, DrawnFigure, arranged
from bloodcell.measures.reliability import Reliability, ReliabilityBin
from bloodcell.measures.statistics import wilson_interval


def reliability_figure(measured: Reliability) -> DrawnFigure:
    """Draw the bins at their mean confidence, each with its 95 % interval, over the number of answers in them."""
    bins = measured.bins
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.75, 0.25], vertical_spacing=0.06)
    diagonal = go.Scatter(x=[0, 1], y=[0, 1], mode="lines", line={"color": GREY, "dash": "dot"}, hoverinfo="skip")
    figure.add_trace(diagonal, row=1, col=1)
    figure.add_trace(_points(bins), row=1, col=1)
    figure.add_trace(_bars(bins), row=2, col=1)
    arranged(figure, height_px=520)
    figure.update_layout(showlegend=False)
    figure.update_xaxes(range=[0, 1.02], tickformat=".0%")
    figure.update_xaxes(title="Confidence", row=2, col=1)
    figure.update_yaxes(title="Right", range=[0, 1.05], tickformat=".0%", row=1, col=1)
    figure.update_yaxes(title="Answers", row=2, col=1, range=[0, 1.3 * max((part.n for part in bins), default=1)])
    error = measured.expected_calibration_error
    alt = f"Confidence against the share that is right in {len(bins)} bins; expected calibration error {error:.1%}."
    title = f"Reliability: expected calibration error {error:.2%}".replace("%", " %")
    return DrawnFigure(name="reliability", title=title, alt=alt, figure=figure)


def _points(bins: Sequence[ReliabilityBin]) -> go.Scatter:
    intervals = [wilson_interval(round(part.accuracy * part.n), part.n) for part in bins]
    return go.Scatter(
        x=[part.confidence for part in bins],
        y=[part.accuracy for part in bins],
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [high - part.accuracy for part, (_, high) in zip(bins, intervals, strict=True)],
            "arrayminus": [part.accuracy - low for part, (low, _) in zip(bins, intervals, strict=True)],
            "color": GREY,
        },
        customdata=[part.n for part in bins],
        mode="lines+markers",
        marker={"size": 11, "color": SERIES_COLOURS[0]},
        line={"color": SERIES_COLOURS[0]},
        hovertemplate="confidence %{x:.1%}<br>right %{y:.1%} of %{customdata}<extra></extra>",
        name="bins",
    )


def _bars(bins: Sequence[ReliabilityBin]) -> go.Bar:
    return go.Bar(
        x=[(part.low + part.high) / 2 for part in bins],
        y=[part.n for part in bins],
        width=[(part.high - part.low) * 0.94 for part in bins],
        text=[str(part.n) for part in bins],
        textposition="outside",
        cliponaxis=False,
        marker={"color": SERIES_COLOURS[0]},
        hovertemplate="%{y} answers<extra></extra>",
        name="answers",
    )
