"""Curves and confusion matrices as picture files, without a browser."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from bloodcell.cell_classes import CELL_CLASSES
from bloodcell.figures.curves import ArmCurves
from bloodcell.figures.style import RIGHT_COLOUR, WRONG_COLOUR, series_style
from bloodcell.images.safe_text import clean_file_name
from bloodcell.paths import write_atomically

PIXELS_PER_INCH = 200
_LINE_STYLES = {"solid": "-", "dash": "--", "dot": ":", "dashdot": "-."}
_MARKERS = {"diamond": "D", "circle": "o", "square": "s", "triangle-up": "^", "cross": "P", "star": "*"}


def curves_picture(arms: Sequence[ArmCurves], *, title: str) -> Figure:
    """Draw arms over epochs as `figures.curves.validation_curves` does."""
    picture = Figure(figsize=(7.2, 4.2), layout="constrained")
    axes = picture.subplots()
    for index, arm in enumerate(arms):
        style = series_style(index)
        epochs = np.arange(1, arm.common_epochs() + 1)
        values = np.array([arm.at_epoch(int(epoch)) for epoch in epochs]).reshape(len(epochs), len(arm.runs))
        label = _plain(arm.name) + (f" ({len(arm.runs)} seeds)" if len(arm.runs) > 1 else "")
        if len(epochs):
            line = _LINE_STYLES[style.dash]
            axes.plot(epochs, values.mean(axis=1), color=style.colour, linestyle=line, linewidth=1.8, label=label)
            if len(arm.runs) > 1:
                axes.fill_between(epochs, values.min(axis=1), values.max(axis=1), color=style.colour, alpha=0.2, lw=0)
        for run in arm.runs:
            if run.best_epoch is not None:
                accuracy = run.accuracies[run.best_epoch - 1]
                marker = _MARKERS[style.symbol]
                axes.plot(run.best_epoch, accuracy, marker, color=style.colour, markeredgecolor="white", markersize=7)
        if arm.paper_accuracy is not None:
            axes.axhline(arm.paper_accuracy, color=style.colour, linestyle=":", linewidth=0.9)
    axes.set(title=_plain(title), xlabel="Epoch", ylabel="Validation accuracy", ylim=(0, 1.02))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.grid(color="#d5dde3", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(frameon=False, loc="lower right")
    return picture


def confusion_picture(counts: NDArray[np.int64], *, title: str) -> Figure:
    """Draw a confusion matrix (K, K): rows are the truth; mistakes have a colour scale of their own."""
    picture = Figure(figsize=(6.4, 6), layout="constrained")
    axes = picture.subplots()
    is_right = np.eye(len(counts), dtype=bool)
    for kept, colour in ((is_right, RIGHT_COLOUR), (~is_right, WRONG_COLOUR)):
        shown = np.where(kept, counts, 0)
        full = tuple(int(part) / 255 for part in colour.split(","))
        scale = LinearSegmentedColormap.from_list("", [(*full, 0.0), (*full, 1.0)])
        axes.imshow(shown, cmap=scale, vmin=0, vmax=max(1, int(shown.max())))
        for truth, answer in zip(*np.nonzero(shown), strict=True):
            colour_of_text = "white" if shown[truth, answer] > 0.55 * shown.max() else "#1c2b36"
            number = str(counts[truth, answer])
            axes.text(answer, truth, number, ha="center", va="center", color=colour_of_text, fontsize=9)
    names = [cell_class.display_name for cell_class in CELL_CLASSES]
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.set(title=_plain(title), xlabel="Answer", ylabel="Truth")
    return picture


def write_picture(picture: Figure, stem: Path) -> tuple[Path, Path]:
    """Write STEM.png and STEM.svg; return their paths.

    Raises:
        OSError: the folder does not exist or cannot be written.
    """
    paths = (stem.with_suffix(".png"), stem.with_suffix(".svg"))
    for path, canvas in zip(paths, (FigureCanvasAgg, FigureCanvasSVG), strict=True):
        stream = io.BytesIO()
        # Without the date the same runs give the same file.
        metadata = {"Date": None} if path.suffix == ".svg" else {}
        canvas(picture).print_figure(stream, format=path.suffix[1:], dpi=PIXELS_PER_INCH, metadata=metadata)
        write_atomically(path, stream.getvalue())
    return paths


def _plain(text: str) -> str:
    """Return text without control characters, and with dollar signs that start no formula."""
    return clean_file_name(text).replace("$", r"\$")
