"""Precision where classes are as common as a person says they are."""

import streamlit as st

from bloodcell.cell_classes import CELL_CLASSES
from bloodcell.measures.class_mix import NORMAL_ADULT_BLOOD
from bloodcell.report.class_mix_table import mix_table
from bloodcell.weights.card import WeightsCard
from webui.parts.figures_and_tables import show_table
from webui.parts.numbers import number_field
from webui.parts.session_keys import models_mix_key


def show_mix(card: WeightsCard) -> None:
    """Show how often answers are right in a mix of classes, normal adult blood at first."""
    st.caption("How common each class is among the cells that are handed in, in percent. It begins with normal blood.")
    places = st.columns(4)
    shares = [
        number_field(
            places[label % 4],
            cell_class.display_name,
            lowest=0,
            highest=100,
            value=NORMAL_ADULT_BLOOD[cell_class.key],
            step=0.1,
            format="%.1f",
            key=models_mix_key(cell_class.key),
        )
        for label, cell_class in enumerate(CELL_CLASSES)
    ]
    if None in shares:
        return
    total = sum(shares)
    if not total:
        st.error("All shares are 0: give at least one class a share.")
        return
    if abs(total - 100) > 0.05:
        st.caption(f"They add up to {total:.1f} %; the figures are for these proportions.")
    show_table(mix_table(card, shares), titled=False)
