"""Measuring a model on a labelled folder, in the background; what was measured is shown by the other views."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from bloodcell.errors import BloodcellError
from bloodcell.jobs import ACTIVE, Job, enqueue_command, read_job, stop_job
from bloodcell.laboratories.named import add_laboratory
from bloodcell.paths import numbered_names, runs_folder, suites_folder
from bloodcell.weights.card import weights_names
from webui.parts.data_choice import chosen_data_folder, named_laboratories
from webui.parts.polling import show_polled
from webui.parts.session_keys import (
    RESULTS_ANSWERS,
    RESULTS_EVALUATED,
    RESULTS_EVALUATION_DATA,
    RESULTS_EVALUATION_MODEL,
    RESULTS_LABORATORY_DATA,
    RESULTS_LABORATORY_NAME,
    RESULTS_VIEW,
)
from webui.parts.session_model import answering_weights
from webui.parts.words import error_words, name_as_markdown, sentence_words, shown_name
from webui.results.answers import EVALUATION, EVALUATION_TABLE, evaluation_words, evaluations_folder
from webui.results.views import MISTAKES

_STATE_ICONS = {
    "queued": ":material/hourglass_empty:",
    "running": ":material/autorenew:",
    "stopping": ":material/stop_circle:",
    "finished": ":material/check:",
    "stopped": ":material/block:",
    "failed": ":material/error:",
    "lost": ":material/error:",
}
_REFRESH_SECONDS = 2
_LONGEST_NAME = 80


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluatedModel:
    """What can be measured: weights with a name, or the best weights of a run."""

    title: str
    arguments: tuple[str, str]
    """Of the command `evaluate`."""
    name: str
    """Part of the evaluation's name."""


def measurable_models() -> dict[str, EvaluatedModel]:
    """Return all weights with a name, then all runs that have weights, by title."""
    models = [
        EvaluatedModel(title=f"Model {name}", arguments=("--weights", name), name=name) for name in weights_names()
    ]
    for pattern, parent in (("*", runs_folder()), ("*/runs/*", suites_folder())):
        for weights in sorted(parent.glob(f"{pattern}/best.safetensors")):
            run = weights.parent
            title = f"Run {run.relative_to(parent).as_posix().replace('/runs/', ' / ')}"
            models.append(EvaluatedModel(title=title, arguments=("--run-dir", str(run)), name=run.name))
    return {model.title: model for model in models}


def show_evaluations() -> None:
    """Show the form that starts an evaluation, and all evaluations there are."""
    models = measurable_models()
    st.markdown("Measure a model on a labelled folder: a folder with one folder per class. It runs in the background.")
    with st.form("results_evaluate_form"):
        left, right = st.columns(2)
        with left:
            title = st.selectbox(
                "Model",
                list(models),
                index=_place_of_answering(models),
                format_func=shown_name,
                key=RESULTS_EVALUATION_MODEL,
            )
        with right:
            data = chosen_data_folder(RESULTS_EVALUATION_DATA, label="Images", more=named_laboratories())
        disabled = title is None or data is None
        if st.form_submit_button("Evaluate", icon=":material/fact_check:", type="primary", disabled=disabled):
            assert title is not None
            assert data is not None
            _start(models[title], data)
    _show_adding()
    if notice := st.session_state.pop(RESULTS_EVALUATED, ""):
        st.success(notice, icon=":material/check:")
    jobs = _evaluation_jobs()
    if any(job.is_active for job in jobs):
        show_polled(_show_active_jobs, every_seconds=_REFRESH_SECONDS)
    else:
        _show_jobs(jobs)


def _show_adding() -> None:
    """Show the form that names a dataset as a laboratory."""
    with st.expander("Add a laboratory", icon=":material/add_home_work:"), st.form("results_laboratory_form"):
        st.caption("A folder of labelled cells of one stain, microscope and camera gets a name, and is offered above.")
        left, right = st.columns(2)
        with left:
            folder = chosen_data_folder(RESULTS_LABORATORY_DATA)
        name = right.text_input("Its name", key=RESULTS_LABORATORY_NAME, placeholder="north_hospital_2026")
        if st.form_submit_button("Add", icon=":material/add:", disabled=folder is None):
            assert folder is not None
            try:
                added = add_laboratory(folder, name.strip())
            except (BloodcellError, OSError) as error:
                st.error(error_words(error))
                return
            st.session_state[RESULTS_EVALUATED] = f"Laboratory {name_as_markdown(added.name)} was added."
            st.rerun()


def _place_of_answering(models: dict[str, EvaluatedModel]) -> int:
    """Return the place of the model that answers on Classify; the first where it is not among them."""
    names = [model.name for model in models.values()]
    answering = answering_weights()
    return names.index(answering) if answering in names else 0


def _start(model: EvaluatedModel, data: Path) -> None:
    folder = _new_folder(f"{model.name}_on_{data.name}")
    argv = ["evaluate", *model.arguments, "--data", str(data), "--out", str(folder)]
    try:
        enqueue_command(argv, folder=folder, device="auto")
    except BloodcellError as error:
        st.error(error_words(error))
        return
    st.session_state[RESULTS_EVALUATED] = f"{name_as_markdown(folder.name)} waits for its turn."
    st.rerun()


def _new_folder(name: str) -> Path:
    """Return a folder of evaluations that is not there yet; its name holds nothing but plain characters."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_")[:_LONGEST_NAME] or "evaluation"
    folders = (evaluations_folder() / free for free in numbered_names(plain, "_"))
    return next(folder for folder in folders if not folder.exists())


def _evaluation_jobs() -> list[Job]:
    """Return all evaluations, the newest first."""
    folders = sorted(
        (path for path in evaluations_folder().glob("*") if path.is_dir()), key=lambda path: -path.stat().st_mtime
    )
    return [read_job(folder) for folder in folders]


def _show_active_jobs() -> None:
    jobs = _evaluation_jobs()
    _show_jobs(jobs)
    if not any(job.is_active for job in jobs):
        # The whole page: other views have answers more to offer, and nothing is left to wait for.
        st.rerun()


def _show_jobs(jobs: Sequence[Job]) -> None:
    if jobs:
        st.markdown("**Evaluations**")
    for job in jobs:
        with st.container(horizontal=True, vertical_alignment="center", border=True):
            has_answers = (job.folder / EVALUATION_TABLE).exists()
            state = "finished" if has_answers and job.state not in ACTIVE else job.state
            words = f" · {evaluation_words(job.folder)}" if has_answers else ""
            st.markdown(f"{_STATE_ICONS[state]} {name_as_markdown(job.name)} · {state}{words}", width="stretch")
            if job.is_active:
                st.button("Stop", key=f"results_stop_{job.name}", on_click=_stop, args=(job.folder,))
            if has_answers:
                st.button("Show", key=f"results_open_{job.name}", on_click=_open, args=(job.name,), type="primary")
            elif job.reason and not job.is_active:
                st.caption(sentence_words(job.reason))


def _stop(folder: Path) -> None:
    try:
        stop_job(folder)
    except BloodcellError as error:
        st.session_state[RESULTS_EVALUATED] = str(error)


def _open(name: str) -> None:
    st.session_state[RESULTS_VIEW] = MISTAKES
    st.session_state[RESULTS_ANSWERS] = f"{name} · {EVALUATION}"
