"""The card of weights as a person reads it: figures with their n, data, recipe, limits."""

import streamlit as st

from bloodcell.report.model_card import INTENDED_USE, LIMITS, card_markdown, card_tables
from bloodcell.report.other_laboratories import laboratory_words
from bloodcell.weights.card import WeightsCard
from webui.models.mix import show_mix
from webui.parts.figures_and_tables import show_table
from webui.parts.words import plain_words

_OPEN_AT_FIRST = "accuracy"
_MIX = "class-mix"
"""Shown for the mix that a person sets."""


def show_card(card: WeightsCard, *, measured_here: bool) -> None:
    """Show what a card states; figures that it does not state are left out.

    Args:
        measured_here: whether its figures ship with the program or were measured by it.
    """
    if not measured_here:
        st.warning(
            "These figures are stated by whoever made the weights; nothing of them was measured here. Under Results, "
            "*Evaluate* measures them on labelled images of your own.",
            icon=":material/contract:",
        )
    tables = {table.name: table for table in card_tables(card)}
    if accuracy := tables.pop(_OPEN_AT_FIRST, None):
        show_table(accuracy)
    else:
        st.caption("Its card states no accuracy.")
    for table in tables.values():
        with st.expander("Precision in blood: a mix of classes that you set" if table.name == _MIX else table.title):
            if table.name == _MIX:
                show_mix(card)
            else:
                show_table(table, titled=False)
    st.warning(plain_words(laboratory_words(card)), icon=":material/travel_explore:")
    st.caption(f"For: {INTENDED_USE} Limits: {LIMITS}")
    st.download_button(
        "Download the model card (.md)",
        card_markdown(card),
        file_name=f"{card.name}.md",
        mime="text/markdown",
        key="models_download_md",
        icon=":material/description:",
        on_click="ignore",
    )
