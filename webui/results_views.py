"""The views of the Results page: only the chosen one is computed."""

import streamlit as st

from webui.session_keys import RESULTS_VIEW

CURVES, PAPER, MISTAKES = "Curves", "Paper", "Mistakes"
CLASSES, SUBTYPES, COMPARE, EVALUATE = "Classes", "Subtypes", "Compare two", "Evaluate"
_ICONS = {
    CURVES: ":material/show_chart:",
    PAPER: ":material/menu_book:",
    MISTAKES: ":material/grid_on:",
    CLASSES: ":material/bar_chart:",
    SUBTYPES: ":material/account_tree:",
    COMPARE: ":material/compare_arrows:",
    EVALUATE: ":material/fact_check:",
}


def choose_view(*, has_arms: bool, has_answers: bool) -> str:
    """Show the views for which there is something to see, and return the chosen one."""
    views = [CURVES, PAPER] if has_arms else []
    views += [MISTAKES, CLASSES, SUBTYPES, COMPARE] if has_answers else []
    views.append(EVALUATE)
    if not has_arms and not has_answers:
        st.markdown(
            "Nothing has been trained or evaluated yet. Train a model or a suite of models, or evaluate a model on a "
            "labelled folder here: curves, tables and mistakes then stand on this page."
        )
    chosen = st.segmented_control(
        "View",
        views,
        default=views[0],
        required=True,
        format_func=lambda view: f"{_ICONS[view]} {view}",
        key=RESULTS_VIEW,
        label_visibility="collapsed",
    )
    return str(chosen)
