"""The report of a suite: the paper's tables and figures from its runs, what they rest on, every run and setting."""

from collections.abc import Sequence
from datetime import UTC, datetime

from bloodcell import __version__
from bloodcell.figures.curves import validation_curves
from bloodcell.figures.per_class import per_class_figure
from bloodcell.figures.ranking import precision_recall_figure, roc_figure
from bloodcell.figures.reliability import reliability_figure
from bloodcell.figures.style import DrawnFigure
from bloodcell.measures.metrics import classification_figures
from bloodcell.measures.reliability import reliability
from bloodcell.report.arms import ArmRecords
from bloodcell.report.html_report import Section, html_page
from bloodcell.report.paper_figures import paper_figures
from bloodcell.report.paper_recipes import not_comparable_table
from bloodcell.report.paper_tables import NOTHING_COMPARABLE, architecture_tables, main_arm, order_words, paper_tables
from bloodcell.report.run_tables import origin_table, runs_table, settings_table
from bloodcell.report.table import Table


def suite_report(
    arms: Sequence[ArmRecords], *, title: str, comparison: Sequence[Table] = (), damaged: Sequence[str] = ()
) -> bytes:
    """Return the report as one HTML file.

    Args:
        arms: at least one.
        comparison: tables of the arms' statistics and verdicts.
        damaged: a sentence for each run that could not be read.

    Raises:
        RunFolderError: predictions of the main model are damaged.
    """
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    curves = validation_curves([arm.curves() for arm in arms], name="validation_curves", title="All arms")
    sections = [
        Section(title="Origin", words=" ".join(damaged), parts=[origin_table(arms)]),
        Section(title="Comparison", parts=comparison),
        Section(
            title="Beside the paper",
            words=order_words(arms) or NOTHING_COMPARABLE,
            parts=[*paper_tables(arms), *([others] if (others := not_comparable_table(arms)).rows else [])],
        ),
        Section(
            title="Curves",
            parts=[
                (curves, "Line: mean over seeds. Band: lowest to highest seed. Markers: each run's best epoch."),
                *((figure.drawn(), figure.note) for figure in paper_figures(arms)),
            ],
        ),
        Section(title="Main model", words=_main_words(arms), parts=[(drawn, "") for drawn in _main_figures(arms)]),
        Section(title="Architecture", parts=architecture_tables()),
        Section(title="Runs and settings", parts=[runs_table(arms), settings_table(arms)]),
    ]
    return html_page(title, f"Made {made} with Bloodcell {__version__}.", [part for part in sections if part.parts])


def _main_words(arms: Sequence[ArmRecords]) -> str:
    main = main_arm(arms)
    return (
        ""
        if main is None
        else f"Validation images of {main.runs[0].name}; the best epoch was picked on them (optimistic)."
    )


def _main_figures(arms: Sequence[ArmRecords]) -> list[DrawnFigure]:
    main = main_arm(arms)
    table = None if main is None else main.runs[0].validation
    if table is None or not len(table.labels):
        return []
    return [
        per_class_figure(classification_figures(table.labels, table.probabilities).per_class),
        roc_figure(table.labels, table.probabilities),
        precision_recall_figure(table.labels, table.probabilities),
        reliability_figure(reliability(table.labels, table.probabilities)),
    ]
