"""What a run measured, epoch by epoch, as Plotly figures."""

from collections.abc import Callable, Sequence

import plotly.graph_objects as go

from bloodcell.runs.run_folder import EpochMetrics

_HEIGHT_PX = 240
# Both are told apart on light and on dark ground, and by the dashes without any colour.
_TRAINING = {"color": "#b5651d", "dash": "dot", "width": 2}
_VALIDATION = {"color": "#2e82b4", "dash": "solid", "width": 2}


def loss_figure(rows: Sequence[EpochMetrics], epochs: int) -> go.Figure:
    """Return the losses of training and validation over the epochs.

    Args:
        rows: an entry per finished epoch, in order.
        epochs: of the whole run; the axis reaches so far once a tenth of them is done, so that few points are seen too.
    """
    figure = _figure("Loss", rows, epochs)
    _add_line(figure, rows, "Training", lambda row: row.training_loss, _TRAINING, "%{y:.4f}")
    _add_line(figure, rows, "Validation", lambda row: row.validation_loss, _VALIDATION, "%{y:.4f}")
    return figure


def accuracy_figure(rows: Sequence[EpochMetrics], epochs: int) -> go.Figure:
    """Return the accuracies of training and validation, percent, with a star at the best epoch; as `loss_figure`."""
    figure = _figure("Accuracy, %", rows, epochs)
    _add_line(figure, rows, "Training", lambda row: 100 * row.training_accuracy, _TRAINING, "%{y:.2f} %")
    _add_line(figure, rows, "Validation", lambda row: 100 * row.validation_accuracy, _VALIDATION, "%{y:.2f} %")
    if rows:
        best = best_row(rows)
        figure.add_scatter(
            x=[best.epoch],
            y=[100 * best.validation_accuracy],
            name="Best",
            mode="markers",
            marker={"symbol": "star", "size": 14, "color": _VALIDATION["color"]},
            hovertemplate="best: epoch %{x}, %{y:.2f} %<extra></extra>",
        )
    return figure


def learning_rate_figure(rows: Sequence[EpochMetrics], epochs: int) -> go.Figure:
    """Return the learning rate at the end of each epoch; as `loss_figure`."""
    figure = _figure("Learning rate", rows, epochs)
    _add_line(figure, rows, "Learning rate", lambda row: row.learning_rate, _VALIDATION, "%{y:.2e}")
    figure.update_layout(showlegend=False)
    figure.update_yaxes(tickformat=".1e")
    return figure


def best_row(rows: Sequence[EpochMetrics]) -> EpochMetrics:
    """Return the epoch whose weights are kept: the highest validation accuracy, of equal ones the lowest loss."""
    return max(rows, key=lambda row: (row.validation_accuracy, -row.validation_loss))


def _figure(title: str, rows: Sequence[EpochMetrics], epochs: int) -> go.Figure:
    figure = go.Figure()
    last = min(epochs, max(10, 10 * len(rows)))
    figure.update_layout(
        height=_HEIGHT_PX,
        margin={"l": 0, "r": 8, "t": 8, "b": 0},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        hovermode="x unified",
    )
    # Half an epoch of room at both ends, so that no point is cut.
    figure.update_xaxes(title="Epoch", range=[0.5, last + 0.5], tickformat="d")
    figure.update_yaxes(title=title)
    return figure


def _add_line(
    figure: go.Figure,
    rows: Sequence[EpochMetrics],
    name: str,
    value: Callable[[EpochMetrics], float],
    line: dict[str, object],
    hover: str,
) -> None:
    figure.add_scatter(
        x=[row.epoch for row in rows],
        y=[value(row) for row in rows],
        name=name,
        mode="lines+markers",
        line=line,
        marker={"size": 5},
        hovertemplate=hover,
    )
