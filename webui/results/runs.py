"""Curves of the chosen arms and the paper's tables and figures drawn from them."""

from collections.abc import Sequence

import streamlit as st

from bloodcell.errors import BloodcellError
from bloodcell.figures.curves import validation_curves
from bloodcell.report.arms import ArmRecords
from bloodcell.report.paper_figures import paper_figures
from bloodcell.report.paper_recipes import not_comparable_table
from bloodcell.report.paper_tables import NOTHING_COMPARABLE, architecture_tables, order_words, paper_tables
from bloodcell.report.run_tables import origin_table, runs_table, settings_table
from bloodcell.report.suite_report import suite_report
from bloodcell.report.table import Table
from webui.parts.figures_and_tables import show_figure, show_table, text_colour
from webui.parts.session_keys import RESULTS_ARCHITECTURE_SHOWN, RESULTS_ORIGIN_SHOWN
from webui.parts.words import error_words

_PAPER_ORDER = (
    *(("table_3", "figure_2"), ("", "figure_3"), ("table_4", "figure_4")),
    *(("table_5", "figure_5"), ("table_6", "figure_6")),
)
"""Table and figure that say the same thing, by name."""
CURVES_CAPTION = "Line: mean over seeds. Band: lowest to highest seed. Markers: each run's best epoch."


def show_curves(arms: Sequence[ArmRecords], comparisons: Sequence[Table]) -> None:
    """Show validation accuracy over epochs, what arms prove, every run, and where the figures come from.

    Args:
        comparisons: a table per suite.
    """
    title = "Validation accuracy over epochs"
    drawn = validation_curves([arm.curves() for arm in arms], name="validation_curves", title=title)
    show_figure(drawn, caption=CURVES_CAPTION)
    for comparison in comparisons:
        show_table(comparison)
    show_table(runs_table(arms))
    # Closed, the two tables are neither built nor sent.
    origin = st.expander(
        "Where these figures come from, and all settings",
        icon=":material/info:",
        key=RESULTS_ORIGIN_SHOWN,
        on_change="rerun",
    )
    if origin.open:
        with origin:
            show_table(origin_table(arms))
            show_table(settings_table(arms))


def show_paper(arms: Sequence[ArmRecords]) -> None:
    """Show Tables 1 to 6 and Figures 2 to 6 beside the paper's own values, and which arms are not comparable."""
    if words := order_words(arms):
        st.markdown(f"**{words}**")
    else:
        st.info(NOTHING_COMPARABLE, icon=":material/menu_book:")
    try:
        figures = {figure.name: figure for figure in paper_figures(arms)}
    except BloodcellError as error:
        st.error(error_words(error), icon=":material/broken_image:")
        return
    tables = {table.name: table for table in paper_tables(arms)}
    for table, figure in _PAPER_ORDER:
        st.divider()
        if table in tables:
            show_table(tables[table])
        if figure in figures:
            # A matrix as wide as the page would be no square.
            place = st.container() if figures[figure].matrix is None else st.columns([3, 2])[0]
            with place:
                show_figure(figures[figure].drawn(text_colour=text_colour()), caption=figures[figure].note)
    if (others := not_comparable_table(arms)).rows:
        st.divider()
        show_table(others)
    architecture = st.expander(
        "Tables 1 and 2: the architecture",
        icon=":material/account_tree:",
        key=RESULTS_ARCHITECTURE_SHOWN,
        on_change="rerun",
    )
    if architecture.open:
        with architecture:
            for table_of_models in _architecture():
                show_table(table_of_models)


def show_report_button(arms: Sequence[ArmRecords], comparisons: Sequence[Table], title: str) -> None:
    """Offer everything about the chosen runs as one HTML file."""
    st.download_button(
        "Report",
        lambda: suite_report(arms, title=title, comparison=comparisons),
        file_name="report.html",
        mime="text/html",
        key="results_report",
        icon=":material/article:",
        help="Tables, figures, settings and origin of the chosen runs as one file that opens offline",
        on_click="ignore",
    )


@st.cache_resource(max_entries=1, show_spinner=False)
def _architecture() -> tuple[Table, Table]:
    return architecture_tables()
