"""Suites: which one is shown, where its runs stand, what can be done with it; polled while it is active."""

from typing import Literal

import streamlit as st

from bloodcell.datasets.data_use import ALLOW_FLAG
from bloodcell.errors import BloodcellError
from bloodcell.jobs import Job, read_job, stop_job
from bloodcell.paths import SHIPPED_RECORDS, suites_folder
from bloodcell.suites.progress import RunProgress, RunState, SuiteProgress, read_progress
from bloodcell.suites.suite import ALL_SEEN, SuiteFolder
from bloodcell.suites.suite_jobs import delete_suite, is_shipped, known_suites, resume_suite
from bloodcell.wording import counted, percent
from webui.parts.polling import show_polled
from webui.parts.session_keys import ABLATION_CHOSEN, ABLATION_NOTICE
from webui.parts.words import device_words, error_words, name_as_markdown, plain_words, sentence_words

POLL_SECONDS = 3.0
_STATE_SIGNS: dict[RunState, str] = {
    "waiting": "·",
    "training": "▶",
    "interrupted": "‖",
    "finished": "✓",
    "failed": "✕",
}
_SHIPPED_SUFFIX = " (comes with the program)"


def known_suite_folders() -> dict[str, SuiteFolder]:
    """Return all suites by the name under which they are shown: the user's, the newest first, then those that ship."""
    found = {folder.path.name: folder for folder in known_suites(suites_folder())}
    return found | {f"{folder.path.name}{_SHIPPED_SUFFIX}": folder for folder in known_suites(SHIPPED_RECORDS)}


def choose_suite() -> SuiteFolder | None:
    """Show the choice of a suite and return it; None where there is none."""
    folders = known_suite_folders()
    if not folders:
        st.caption("No suite yet. The first one will show its progress here.")
        return None
    if st.session_state.get(ABLATION_CHOSEN) not in folders:
        st.session_state[ABLATION_CHOSEN] = next(iter(folders))
    return folders[st.selectbox("Suite to show", list(folders), key=ABLATION_CHOSEN)]


def show_progress(folder: SuiteFolder) -> None:
    """Show where a suite stands; the page is drawn anew once another run is finished or the state has changed."""
    if is_shipped(folder):
        return
    job = read_job(folder.path)
    drawn = _fingerprint(folder, job)
    show_polled(lambda: _poll(folder, drawn), every_seconds=POLL_SECONDS if job.is_active else None)


def _fingerprint(folder: SuiteFolder, job: Job) -> tuple[object, ...]:
    """Return what decides all that is drawn outside the polled part."""
    return (job.state, folder.table.stat().st_mtime_ns if folder.table.exists() else 0)


def _poll(folder: SuiteFolder, drawn: tuple[object, ...]) -> None:
    job = read_job(folder.path)
    if _fingerprint(folder, job) != drawn:
        st.rerun()
    try:
        progress = read_progress(folder)
    except BloodcellError as error:
        st.error(error_words(error), icon=":material/broken_image:")
        return
    _show_state(job, progress)
    _show_actions(folder, job, progress)
    _show_grid(progress)


def _show_state(job: Job, progress: SuiteProgress) -> None:
    runs = len(progress.runs)
    is_finished = progress.finished == runs and not job.is_active
    state = "finished" if is_finished else job.state
    st.progress(progress.share, text=f"{progress.finished} of {counted(runs, 'run', 'runs')} finished · {state}")
    # Runs that are all there need no word of a process that was killed behind the last.
    if job.reason and not is_finished:
        shown = st.error if job.state in ("failed", "lost") else st.info
        shown(sentence_words(job.reason))
    if job.state == "queued":
        st.caption(f"It starts when the {device_words(job.device)} is free.")
    for run in progress.runs:
        if run.reason:
            st.warning(f"{run.arm.title}, seed {run.seed}: {plain_words(run.reason)}", icon=":material/error:")


def _show_actions(folder: SuiteFolder, job: Job, progress: SuiteProgress) -> None:
    if job.is_active:
        st.button(
            "Take out of the queue" if job.state == "queued" else "Stop",
            key="ablation_stop",
            icon=":material/stop:",
            on_click=_act,
            args=("stop", folder),
            disabled=job.state == "stopping",
            help="It stops within seconds and can be resumed; finished runs are never trained again.",
        )
    elif progress.finished < len(progress.runs) and ALL_SEEN not in job.reason:
        st.button(
            "Resume",
            key="ablation_resume",
            icon=":material/resume:",
            on_click=_act,
            args=("resume", folder),
            help="Trains what is missing; an unfinished run goes on after its last finished epoch.",
        )
        if ALLOW_FLAG in job.reason:
            st.button(
                "Resume with what is left",
                key="ablation_resume_with_less",
                icon=":material/warning:",
                on_click=_act,
                args=("resume with less", folder),
                help="Trains on the images that are usable now, on purpose.",
            )
    if not job.is_active:
        _show_deletion(folder)


def _show_deletion(folder: SuiteFolder) -> None:
    # A dialog would be closed by the next poll.
    with st.popover("Delete", icon=":material/delete:", key="ablation_delete"):
        name = name_as_markdown(folder.path.name)
        st.markdown(f"{name} goes with all its runs, weights and its table. This cannot be undone.")
        st.button(
            "Delete for good", key="ablation_delete_for_good", type="primary", on_click=_act, args=("delete", folder)
        )


def _act(action: Literal["stop", "resume", "resume with less", "delete"], folder: SuiteFolder) -> None:
    st.session_state[ABLATION_NOTICE] = ""
    try:
        if action == "stop":
            stop_job(folder.path)
        elif action == "delete":
            delete_suite(folder)
        else:
            resume_suite(folder, allow_unusable=action == "resume with less")
    except BloodcellError as error:
        st.session_state[ABLATION_NOTICE] = error_words(error)


def _show_grid(progress: SuiteProgress) -> None:
    """Show arm × seed: the state of each run, and its best validation accuracy so far."""
    suite = progress.suite
    columns = {"Arm": [arm.title for arm in suite.arms]}
    for seed in suite.seeds:
        columns[f"Seed {seed}"] = [_cell(progress.run(arm.name, seed)) for arm in suite.arms]
    st.table(columns, border="horizontal", alt="State of each run, arms by seeds")
    st.caption("✓ finished · ▶ training · ‖ interrupted · ✕ failed · best validation accuracy so far")


def _cell(run: RunProgress) -> str:
    sign = _STATE_SIGNS[run.state]
    if run.best_validation_accuracy is None:
        return sign
    epochs = "" if run.state == "finished" else f" epoch {run.epochs_done} of {run.arm.config.epochs}"
    return f"{sign}{epochs} {percent(run.best_validation_accuracy)}"
