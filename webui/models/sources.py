"""Where new weights come from: a finished run, or files from elsewhere."""

import logging
from pathlib import PurePath

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from bloodcell.answers.ready_model import check_questions
from bloodcell.errors import BloodcellError
from bloodcell.paths import runs_folder
from bloodcell.publishing.publish import publish
from bloodcell.runs.run_folder import RunFolder
from bloodcell.weights.card import WeightsCard, read_card
from bloodcell.weights.store import add_weights, refuse_taken_name
from bloodcell.wording import percent
from webui.parts.model import accuracy_figures
from webui.parts.session_keys import MODELS_CHOOSE_NEXT, MODELS_NOTICE, MODELS_UPLOADS_TAKEN, models_uploader_key
from webui.parts.uploads import forget_server_copies
from webui.parts.words import error_words, name_as_markdown, shown_name

logger = logging.getLogger(__name__)

_NAME_RULE = "Small letters, digits and underscores. Names of weights that ship cannot be taken."


def finished_runs() -> dict[str, WeightsCard]:
    """Return name → card of the best epoch, of all runs that ended with weights; the newest first."""
    found: list[tuple[float, str, WeightsCard]] = []
    for path in runs_folder().glob("*/outcome.json"):
        folder = RunFolder(path.parent)
        try:
            if (folder.read_outcome() or {}).get("state") in ("finished", "stopped"):
                card = read_card(folder.best.with_suffix(".json"))
                found.append((path.stat().st_mtime, folder.path.name, card))
        except (OSError, BloodcellError) as error:
            logger.warning("%s cannot be published: %s", path.parent, error)
    return {name: card for _, name, card in sorted(found, key=lambda run: run[:2], reverse=True)}


def show_publishing() -> None:
    """Offer to give a finished run's best weights a name."""
    st.subheader("Publish a run", anchor=False)
    runs = finished_runs()
    if not runs:
        st.caption("There is no finished run yet. Train one; its best weights can then be published here.")
        return

    def words(run: str) -> str:
        figures = accuracy_figures(runs[run], "validation")
        right = "" if figures is None else f" · {percent(figures[1])} right on {figures[0]:,} validation images"
        return f"{shown_name(run)} · {runs[run].model}{right}"

    with st.form("models_publish_form"):
        run = st.selectbox("Run", list(runs), format_func=words, key="models_run")
        name = st.text_input("Name", key="models_publish_name", help=_NAME_RULE)
        source = st.text_input("Where the training images come from", key="models_publish_source")
        licence = st.text_input("Licence of the weights", value="not stated", key="models_publish_licence")
        if st.form_submit_button("Publish", key="models_publish", icon=":material/publish:"):
            _publish(run, name.strip(), source, licence)


def _publish(run: str, name: str, source: str, licence: str) -> None:
    bar = st.progress(0.0, text="Publishing …")

    def progress(what: str, done: int, total: int) -> None:
        bar.progress(done / total, text=f"{what.capitalize()}: {done:,} of {total:,}")

    try:
        refuse_taken_name(name)
        publish(RunFolder(runs_folder() / run), name, source=source, licence=licence, progress=progress)
    except (BloodcellError, OSError) as error:
        bar.empty()
        st.error(error_words(error))
    else:
        _show_as_new(name, "published")


def show_upload() -> None:
    """Offer to add weights from elsewhere."""
    st.subheader("Add weights from elsewhere", anchor=False)
    taken = st.session_state.setdefault(MODELS_UPLOADS_TAKEN, 0)
    with st.form("models_upload_form"):
        # No `type`: a file that is refused gets its reason.
        files = st.file_uploader(
            "Both files of the weights: NAME.safetensors and NAME.json",
            accept_multiple_files=True,
            key=models_uploader_key(taken),
        )
        name = st.text_input("Name here (empty: the file's)", key="models_upload_name", help=_NAME_RULE)
        if st.form_submit_button("Add", key="models_upload", icon=":material/upload:"):
            _add(files, name.strip())


def _add(files: list[UploadedFile], name: str) -> None:
    tensors_names = [file.name for file in files if file.name.lower().endswith(".safetensors")]
    if not name and tensors_names:
        name = PurePath(tensors_names[0]).stem
    try:
        with st.spinner("Checking the files …"):
            add_weights({file.name: file.getvalue() for file in files}, name, check=check_questions)
    except (BloodcellError, OSError) as error:
        st.error(error_words(error))
    else:
        st.session_state[MODELS_UPLOADS_TAKEN] += 1
        forget_server_copies(files)
        _show_as_new(name, "added")


def _show_as_new(name: str, done: str) -> None:
    st.session_state[MODELS_NOTICE] = (
        f"{name_as_markdown(name)} is {done}. To let it answer, choose “Use for Classify”."
    )
    st.session_state[MODELS_CHOOSE_NEXT] = name
    st.rerun()
