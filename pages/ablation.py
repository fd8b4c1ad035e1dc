"""Ablation: train suites of arms and seeds, watch them, and see what can be concluded and what cannot."""

import streamlit as st

from webui.parts.frame import require_frame
from webui.parts.notices import show_notice
from webui.parts.session_keys import ABLATION_NOTICE
from webui.suites.form import choose_new_suite, show_estimate, show_reach
from webui.suites.suites import choose_suite, show_progress
from webui.suites.table import show_suite_table

require_frame()

form_side, suite_side = st.columns([4, 7], gap="large")
with suite_side:
    st.subheader("Suites", anchor=False)
    show_notice(ABLATION_NOTICE)
    folder = choose_suite()
    if folder is not None:
        show_progress(folder)
with form_side:
    st.subheader("New suite", anchor=False)
    st.caption(
        "An ablation changes one thing and asks what it was worth. Each variant is an arm, trained several times."
    )
    new_suite = choose_new_suite()
    estimate_place = st.container()

if folder is not None:
    show_suite_table(folder)

# Last, because it may have to time a few steps first.
if new_suite is not None:
    with estimate_place:
        show_reach(new_suite)
        show_estimate(new_suite)
