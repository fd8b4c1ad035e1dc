"""Validation accuracy over epochs: a line per arm, a band over its seeds, each run's best epoch marked."""

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from bloodcell.figures.style import DrawnFigure, SeriesStyle, arranged, plain_text, rgba, series_style


@dataclass(frozen=True, kw_only=True, slots=True)
class RunCurve:
    """Validation accuracy of one run."""

    name: str
    accuracies: tuple[float, ...]
    """One per epoch from the first, 0 to 1."""
    best_epoch: int | None
    """The epoch whose weights were kept, counted from 1; None before there is one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ArmCurves:
    """The runs of one arm: the same settings, other seeds."""

    name: str
    runs: tuple[RunCurve, ...]
    paper_accuracy: float | None = None
    """What the paper reports as the best, 0 to 1; None where it says nothing."""

    def common_epochs(self) -> int:
        """Return how many epochs every run of the arm has done."""
        return min((len(run.accuracies) for run in self.runs), default=0)

    def at_epoch(self, epoch: int) -> list[float]:
        """Return the accuracy of every run at an epoch, counted from 1."""
        return [run.accuracies[epoch - 1] for run in self.runs]


def validation_curves(arms: Sequence[ArmCurves], *, name: str, title: str) -> DrawnFigure:
    """Draw arms over epochs, up to the epoch that all runs of an arm have done.

    Args:
        name: of the file when it is saved.
    """
    figure = go.Figure()
    for index, arm in enumerate(arms):
        style = series_style(index)
        epochs = list(range(1, arm.common_epochs() + 1))
        values = [arm.at_epoch(epoch) for epoch in epochs]
        label = plain_text(arm.name) + (f" ({len(arm.runs)} seeds)" if len(arm.runs) > 1 else "")
        if len(arm.runs) > 1:
            figure.add_trace(_band(epochs, values, style, group=arm.name))
        figure.add_trace(_line(epochs, values, style, label=label, group=arm.name))
        figure.add_trace(_best_epochs(arm, style))
        if arm.paper_accuracy is not None:
            _add_paper_line(figure, arm, style, above=index % 2 == 0)
    arranged(figure, height_px=480)
    figure.update_xaxes(title="Epoch", rangemode="tozero")
    figure.update_yaxes(title="Validation accuracy", tickformat=".0%", range=[0, 1.06])
    figure.update_layout(hovermode="closest")
    return DrawnFigure(name=name, title=title, alt=_alt(arms, title), figure=figure)


def _band(epochs: list[int], values: list[list[float]], style: SeriesStyle, *, group: str) -> go.Scatter:
    """The area from the lowest to the highest run."""
    return go.Scatter(
        x=epochs + epochs[::-1],
        y=[max(of_epoch) for of_epoch in values] + [min(of_epoch) for of_epoch in values[::-1]],
        fill="toself",
        fillcolor=rgba(style.colour, 0.2),
        line={"width": 0},
        mode="lines",
        legendgroup=group,
        showlegend=False,
        hoverinfo="skip",
        meta="band",
    )


def _line(epochs: list[int], values: list[list[float]], style: SeriesStyle, *, label: str, group: str) -> go.Scatter:
    return go.Scatter(
        x=epochs,
        y=[sum(of_epoch) / len(of_epoch) for of_epoch in values],
        mode="lines",
        line={"color": style.colour, "dash": style.dash, "width": 2.5},
        name=label,
        legendgroup=group,
        hovertemplate=f"{label}<br>epoch %{{x}}: %{{y:.2%}}<extra></extra>",
        meta="mean",
    )


def _best_epochs(arm: ArmCurves, style: SeriesStyle) -> go.Scatter:
    marked = [run for run in arm.runs if run.best_epoch is not None and run.best_epoch <= len(run.accuracies)]
    return go.Scatter(
        x=[run.best_epoch for run in marked],
        y=[run.accuracies[(run.best_epoch or 1) - 1] for run in marked],
        text=[plain_text(run.name) for run in marked],
        mode="markers",
        marker={"symbol": style.symbol, "size": 11, "color": style.colour, "line": {"color": "#ffffff", "width": 1.5}},
        legendgroup=arm.name,
        showlegend=False,
        hovertemplate="%{text}<br>best epoch %{x}: %{y:.2%}<extra></extra>",
        meta="best epoch",
    )


def _add_paper_line(figure: go.Figure, arm: ArmCurves, style: SeriesStyle, *, above: bool) -> None:
    """Add what the paper reports; labels above and below their lines in turn, because two lines may lie close."""
    figure.add_hline(
        y=arm.paper_accuracy,
        line={"color": style.colour, "width": 1, "dash": "dot"},
        annotation={"text": f"paper {arm.paper_accuracy:.2%}", "font": {"color": style.colour, "size": 12}},
        annotation_position="top left" if above else "bottom left",
    )


def _alt(arms: Sequence[ArmCurves], title: str) -> str:
    parts = []
    for arm in arms:
        best = [run.accuracies[run.best_epoch - 1] for run in arm.runs if run.best_epoch and run.accuracies]
        runs = f"{len(arm.runs)} run{'' if len(arm.runs) == 1 else 's'}"
        parts.append(f"{arm.name}, {runs}" + (f", best {min(best):.1%} to {max(best):.1%}" if best else ""))
    return f"{title}. Accuracy over epochs: {'; '.join(parts) or 'no run'}."
