"""The views of the Results page: only the chosen one is computed."""

import streamlit as st

from webui.parts.session_keys import RESULTS_HIDDEN_VIEW, RESULTS_VIEW

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


def choose_view(*, has_sources: bool, has_arms: bool, has_answers: bool) -> str:
    """Show the views for which there is something to see, and return the chosen one.

    A chosen view that has nothing to show for a while, because all runs were taken out of the choice, comes back.
    """
    views = [CURVES, PAPER] if has_arms else []
    views += [MISTAKES, CLASSES, SUBTYPES, COMPARE] if has_answers else []
    views.append(EVALUATE)
    if has_sources and not has_arms:
        st.markdown("Choose runs and arms above: their curves, tables and mistakes then stand here.")
    elif not has_arms and not has_answers:
        st.markdown(
            "Nothing has been trained or evaluated yet. Train a model or a suite of models, or evaluate a model on a "
            "labelled folder here: curves, tables and mistakes then stand on this page."
        )
    chosen, hidden = st.session_state.get(RESULTS_VIEW), st.session_state.get(RESULTS_HIDDEN_VIEW)
    if hidden in views:
        st.session_state[RESULTS_VIEW] = hidden
        st.session_state[RESULTS_HIDDEN_VIEW] = None
    elif chosen not in views:
        st.session_state[RESULTS_VIEW] = views[0]
        st.session_state[RESULTS_HIDDEN_VIEW] = chosen
    chosen = st.segmented_control(
        "View",
        views,
        required=True,
        format_func=lambda view: f"{_ICONS[view]} {view}",
        key=RESULTS_VIEW,
        label_visibility="collapsed",
        on_change=_forget_hidden_view,
    )
    return str(chosen)


def _forget_hidden_view() -> None:
    st.session_state[RESULTS_HIDDEN_VIEW] = None
