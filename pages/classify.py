"""Classify: drop images of blood cells; get class, confidence, heat map, what needs a second look, and a CSV."""

import streamlit as st

from bloodcell.cell_classes import CELL_CLASSES
from webui.classify.answered_by import show_answered_by
from webui.classify.cell_detail import show_cell
from webui.classify.cell_inputs import show_inputs
from webui.classify.cell_table import choose_cell, show_summary
from webui.classify.cells import read_waiting, session_tray, waiting_images
from webui.classify.laboratory import show_laboratory
from webui.parts.frame import require_frame
from webui.parts.model import model_words, ready_classifier
from webui.parts.notices import show_notice
from webui.parts.session_keys import CLASSIFY_NOTICE

require_frame()

classifier = ready_classifier()
show_inputs(disabled=classifier is None)
if classifier is not None:
    st.caption(model_words(classifier.card))
show_notice(CLASSIFY_NOTICE, "note")
reading = st.container()

cells, verdict = session_tray()
if cells:
    show_laboratory(cells, verdict)
    show_summary(cells)
    show_answered_by(cells, classifier)
    if len(cells) == 1:
        show_cell(cells[0].id, wide=True)
    else:
        list_side, detail_side = st.columns([6, 5], gap="large")
        with list_side:
            chosen = choose_cell(cells)
        if chosen is not None:
            with detail_side:
                show_cell(chosen.id)
else:
    names = ", ".join(cell_class.display_name.lower() for cell_class in CELL_CLASSES)
    st.markdown(
        "For each cell you get its class, the confidence, a heat map of what the answer rests on, and a line in a CSV."
    )
    st.caption(f"Eight classes: {names}.")

if classifier is not None and waiting_images():
    with reading:
        read_waiting(classifier)
