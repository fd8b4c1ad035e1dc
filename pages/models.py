"""Models: all weights with their figures; choose which answers, publish, add, download, export, delete."""

import streamlit as st

from bloodcell.weights.store import list_weights
from webui.models.actions import show_actions
from webui.models.card import show_card
from webui.models.list import choose_weights, show_list
from webui.models.sources import show_publishing, show_upload
from webui.parts.frame import require_frame
from webui.parts.notices import show_notice
from webui.parts.session_keys import MODELS_NOTICE

require_frame()

show_notice(MODELS_NOTICE, "done")
stored = list_weights()
if stored:
    show_list(stored)
    weights = choose_weights(stored)
    show_actions(weights)
    if weights.card is not None and not weights.problem:
        show_card(weights.card, measured_here=weights.measured_here)
else:
    st.warning(
        "There are no weights here, not even those that ship with the program. Put its folder `weights` back, or "
        "publish or add some below.",
        icon=":material/model_training:",
    )

st.divider()
publishing_side, upload_side = st.columns(2, gap="large")
with publishing_side:
    show_publishing()
with upload_side:
    show_upload()
