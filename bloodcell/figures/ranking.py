"""One-versus-rest ROC and precision–recall curves, a line per class."""

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from bloodcell.cell_classes import CELL_CLASSES
from bloodcell.figures.style import DASHES, GREY, DrawnFigure, arranged
from bloodcell.measures.ranking import precision_recall_curve, roc_curve

_SHARE_AXIS = {"tickformat": ".0%"}


def roc_figure(labels: NDArray[np.int64], probabilities: NDArray[np.float64], *, zoom: bool = False) -> DrawnFigure:
    """Draw share found against share of false alarms.

    Args:
        labels: (N,) class indices.
        probabilities: (N, K).
        zoom: show the upper left corner alone, where good models lie.
    """
    figure, areas = go.Figure(), {}
    for index, cell_class in enumerate(CELL_CLASSES):
        curve = roc_curve(labels == index, probabilities[:, index])
        if curve is not None:
            areas[cell_class.display_name] = curve.area
            words = f"{cell_class.display_name} · AUC {curve.area:.4f}"
            _add_line(figure, curve.false_positive_rate, curve.true_positive_rate, index=index, words=words, step="hv")
    arranged(figure, height_px=560)
    figure.update_xaxes(title="False alarms among all other cells", range=[-0.002, 0.1] if zoom else [-0.02, 1.02])
    figure.update_yaxes(title="Found among the class", range=[0.8, 1.005] if zoom else [-0.02, 1.02])
    _share_axes(figure)
    alt = "ROC, one class against all others. Area under the curve: " + _listed(areas)
    return DrawnFigure(name="roc", title="ROC, one against the rest", alt=alt, figure=figure)


def precision_recall_figure(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], *, zoom: bool = False
) -> DrawnFigure:
    """Draw precision against recall.

    Args:
        labels: (N,) class indices.
        probabilities: (N, K).
        zoom: show the upper right corner alone, where good models lie.
    """
    figure, averages = go.Figure(), {}
    for index, cell_class in enumerate(CELL_CLASSES):
        curve = precision_recall_curve(labels == index, probabilities[:, index])
        if curve is not None:
            averages[cell_class.display_name] = curve.average_precision
            words = f"{cell_class.display_name} · AP {curve.average_precision:.4f}"
            _add_line(figure, curve.recall, curve.precision, index=index, words=words, step="vh")
    arranged(figure, height_px=560)
    figure.update_xaxes(title="Recall", range=[0.8, 1.005] if zoom else [-0.02, 1.02])
    figure.update_yaxes(title="Precision", range=[0.8, 1.005] if zoom else [-0.02, 1.02])
    _share_axes(figure)
    alt = "Precision and recall, one class against all others. Average precision: " + _listed(averages)
    return DrawnFigure(name="precision_recall", title="Precision–recall, one against the rest", alt=alt, figure=figure)


def _add_line(
    figure: go.Figure, x: NDArray[np.float64], y: NDArray[np.float64], *, index: int, words: str, step: str
) -> None:
    """Add a class's curve over a grey seam that keeps its colour visible on light and on dark pages."""
    cell_class = CELL_CLASSES[index]
    figure.add_trace(
        go.Scatter(
            x=x,
            y=y,
            mode="lines",
            line={"color": GREY, "width": 4.5, "shape": step},
            opacity=0.35,
            legendgroup=cell_class.key,
            showlegend=False,
            hoverinfo="skip",
            meta="seam",
        )
    )
    figure.add_trace(
        go.Scatter(
            x=x,
            y=y,
            mode="lines",
            line={"color": cell_class.colour, "width": 2.5, "dash": DASHES[index % 2], "shape": step},
            name=words,
            legendgroup=cell_class.key,
            hovertemplate=f"{cell_class.display_name}<br>%{{x:.2%}}, %{{y:.2%}}<extra></extra>",
            meta=cell_class.key,
        )
    )


def _share_axes(figure: go.Figure) -> None:
    figure.update_xaxes(**_SHARE_AXIS)
    figure.update_yaxes(**_SHARE_AXIS)


def _listed(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in values.items()) + "."
