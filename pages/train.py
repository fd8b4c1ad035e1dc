"""Train: start a run, watch it, stop it, go on with it; runs on one device wait in order."""

import streamlit as st

from bloodcell.jobs import list_runs
from webui.parts.frame import require_frame
from webui.parts.notices import show_notice
from webui.parts.session_keys import TRAIN_NOTICE
from webui.train.form import choose_new_run
from webui.train.results import show_curves, show_mistakes
from webui.train.runs import choose_run, show_progress

require_frame()

jobs = list_runs()
form_side, run_side = st.columns([5, 6], gap="large")
with run_side:
    st.subheader("Runs", anchor=False)
    show_notice(TRAIN_NOTICE)
    job = choose_run(jobs)
    if job is not None:
        show_progress(job, jobs)
        show_curves(job.folder)
with form_side:
    st.subheader("New run", anchor=False)
    new_run = choose_new_run()
    estimate_place = st.container()

if job is not None:
    show_mistakes(job.folder)

# Last, because torch takes seconds to import on a fresh server, and a few steps may have to be timed.
if new_run is not None:
    from webui.train.estimate import show_estimate

    with estimate_place:
        show_estimate(*new_run)
