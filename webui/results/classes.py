"""Figures per class: precision, recall, F1, ROC, precision–recall, reliability, and the second level by subtype."""

import streamlit as st

from bloodcell.cell_classes import CELL_CLASSES
from bloodcell.figures.per_class import per_class_figure
from bloodcell.figures.ranking import precision_recall_figure, roc_figure
from bloodcell.figures.reliability import reliability_figure
from bloodcell.laboratories.evaluation_report import macro_f1_words
from bloodcell.measures.metrics import classification_figures
from bloodcell.measures.ranking import precision_recall_curve, roc_curve
from bloodcell.measures.reliability import reliability
from bloodcell.report.table import Table
from webui.parts.figures_and_tables import show_figure, show_table
from webui.parts.session_keys import RESULTS_ZOOM
from webui.results.answers import Answers


def show_classes(answers: Answers) -> None:
    """Show bars, curves, reliability and the table behind them."""
    labels, probabilities = answers.table.labels, answers.table.probabilities
    figures = classification_figures(labels, probabilities)
    show_figure(per_class_figure(figures.per_class))
    show_table(classes_table(answers))
    st.caption(
        "Each class against all others, while the probability from which a cell counts as of the class goes from "
        "high to low: how many cells of the class are found, and what that costs."
    )
    zoom = st.toggle(
        "Zoom into the corner", value=True, key=RESULTS_ZOOM, persist_state="session", help="Where good models differ."
    )
    left, right = st.columns(2, gap="large")
    with left:
        show_figure(roc_figure(labels, probabilities, zoom=zoom))
    with right:
        show_figure(precision_recall_figure(labels, probabilities, zoom=zoom))
    show_figure(
        reliability_figure(reliability(labels, probabilities)),
        caption="On the dotted line a confidence is kept: of answers with 90 % confidence, 90 % are right. Bars: 95 % "
        "intervals. The expected calibration error is the mean distance from the line.",
    )


def classes_table(answers: Answers) -> Table:
    """Return a row per class: precision, recall, F1, areas under the curves, number of images."""
    labels, probabilities = answers.table.labels, answers.table.probabilities
    figures = classification_figures(labels, probabilities)
    rows = []
    for index, (cell_class, of_class) in enumerate(zip(CELL_CLASSES, figures.per_class, strict=True)):
        roc = roc_curve(labels == index, probabilities[:, index])
        ranked = precision_recall_curve(labels == index, probabilities[:, index])
        rows.append(
            (
                cell_class.display_name,
                *(
                    f"{value:.4f}" if of_class.occurs else "–"
                    for value in (of_class.precision, of_class.recall, of_class.f1)
                ),
                "–" if roc is None else f"{roc.area:.4f}",
                "–" if ranked is None else f"{ranked.average_precision:.4f}",
                str(of_class.support),
            )
        )
    return Table(
        name="classes",
        title=f"Macro-F1 {figures.macro_f1:.4f}{macro_f1_words(figures)}",
        columns=("Class", "Precision", "Recall", "F1", "AUC", "Average precision", "Images"),
        rows=tuple(rows),
        note="Precision: of the answers with this class, the share that is right. Recall: of the cells of this "
        "class, the share that is found. F1: their harmonic mean; macro-F1: the mean of F1 over the classes that "
        "occur. AUC (area under the ROC curve): how often a cell of the class gets a higher probability of it than "
        "another cell; 0.5 is guessing. Average precision: the mean precision on the way to finding every cell. All "
        "are best at 1.",
    )
