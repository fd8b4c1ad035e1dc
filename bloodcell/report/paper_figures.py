"""What the paper's Figures 2 to 6 show, taken from chosen runs: curves over epochs, and a confusion matrix."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bloodcell.cell_classes import CLASS_COUNT
from bloodcell.figures.confusion import confusion_figure
from bloodcell.figures.curves import ArmCurves, validation_curves
from bloodcell.figures.style import DrawnFigure
from bloodcell.measures.metrics import confusion_matrix
from bloodcell.model_settings import ModelSettings
from bloodcell.report.arms import ArmRecords
from bloodcell.report.paper_recipes import comparable_arms
from bloodcell.report.paper_tables import ablation_pair, main_arm, model_arm
from bloodcell.report.paper_values import NO_BATCH_NORM, NO_DROPOUT, PAPER_MODELS, PAPER_RUNS, SHALLOW

_ABLATION_FIGURES = (
    (NO_BATCH_NORM, "Figure 4. With and without batch norm"),
    (SHALLOW, "Figure 5. Full and shallow encoder"),
    (NO_DROPOUT, "Figure 6. With and without dropout"),
)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PaperFigure:
    """One of Figures 2 to 6: curves, or a confusion matrix."""

    name: str
    """figure_2 to figure_6."""
    title: str
    note: str
    curves: tuple[ArmCurves, ...] = ()
    matrix: NDArray[np.int64] | None = None
    """(K, K), rows are the truth."""

    def drawn(self, *, text_colour: str | None = None) -> DrawnFigure:
        """Return the figure for a browser.

        Args:
            text_colour: of numbers in a matrix's weak cells; None: the figure's own.
        """
        if self.matrix is not None:
            drawn = confusion_figure(self.matrix, name=self.name, text_colour=text_colour)
            return DrawnFigure(name=self.name, title=self.title, alt=drawn.alt, figure=drawn.figure)
        return validation_curves(self.curves, name=self.name, title=self.title)


def paper_figures(arms: Sequence[ArmRecords]) -> tuple[PaperFigure, ...]:
    """Return those of Figures 2 to 6 for which there are runs of the paper's recipes.

    Raises:
        RunFolderError: the predictions of the main model are damaged.
    """
    arms, figures = comparable_arms(arms), []
    if found := [(model, arm) for model in PAPER_MODELS if (arm := model_arm(arms, model)) is not None]:
        curves = tuple(_titled(arm, model) for model, arm in found)
        note = (
            "Dotted: what the paper reports as the best. Band: lowest to highest seed. Markers: each run's best epoch."
        )
        figures.append(PaperFigure(name="figure_2", title="Figure 2. The three models", note=note, curves=curves))
    if (third := _confusion(arms)) is not None:
        figures.append(third)
    for number, (model, title) in enumerate(_ABLATION_FIGURES, start=4):
        if (pair := ablation_pair(arms, model)) is not None:
            figures.append(_ablation_figure(f"figure_{number}", title, pair, model))
    return tuple(figures)


def _titled(arm: ArmRecords, model: ModelSettings, *, up_to: int | None = None) -> ArmCurves:
    paper = PAPER_RUNS[model]
    curves = arm.curves(up_to=up_to, paper_accuracy=paper.validation_accuracy)
    return ArmCurves(name=paper.title, runs=curves.runs, paper_accuracy=curves.paper_accuracy)


def _ablation_figure(name: str, title: str, pair: tuple[ArmRecords, ArmRecords], model: ModelSettings) -> PaperFigure:
    main, ablated = pair
    up_to = min(main.config.epochs, ablated.config.epochs)
    return PaperFigure(
        name=name,
        title=title,
        note=f"Both up to epoch {up_to}. Dotted: what the paper reports as the best.",
        curves=(_titled(main, main.config.model, up_to=up_to), _titled(ablated, model, up_to=up_to)),
    )


def _confusion(arms: Sequence[ArmRecords]) -> PaperFigure | None:
    """The main model's validation answers, of the first run that has some: a matrix of one model, as in the paper."""
    main = main_arm(arms)
    for run in main.runs if main is not None else ():
        table = run.validation
        if table is not None and len(table.labels):
            matrix = confusion_matrix(table.labels, table.probabilities.argmax(axis=1), CLASS_COUNT)
            return PaperFigure(
                name="figure_3",
                title=f"Figure 3. Confusion matrix of the main model, seed {run.config.seed}",
                note=f"Here {int(np.trace(matrix))} of {int(matrix.sum())} validation images are right; in the paper "
                "632 of 640, with all 8 errors among erythroblasts, immature granulocytes, monocytes and neutrophils.",
                matrix=matrix,
            )
    return None
