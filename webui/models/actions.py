"""What can be done with weights: let them answer, download, export, delete."""

import streamlit as st

from bloodcell.datasets.folder_scan import default_dataset
from bloodcell.errors import BloodcellError
from bloodcell.paths import DEFAULT_WEIGHTS, data_folder
from bloodcell.publishing.onnx_export import images_to_compare, missing_packages, onnx_bytes
from bloodcell.weights.file import load_weights
from bloodcell.weights.store import StoredWeights, choose_default_weights, default_weights, delete_weights
from webui.parts.session_keys import MODELS_NOTICE, MODELS_ONNX
from webui.parts.session_model import answering_weights, choose_answering_weights
from webui.parts.words import error_words, name_as_markdown, plain_words


def show_actions(weights: StoredWeights) -> None:
    """Show the buttons of one weights; what cannot be done is said, not left to fail."""
    if weights.problem:
        st.error(f"These weights cannot answer. {plain_words(weights.problem)}", icon=":material/broken_image:")
    answers = weights.name == answering_weights()
    is_default = weights.name == default_weights()
    with st.container(horizontal=True):
        st.button(
            "Answers on Classify" if answers else "Use for Classify",
            key="models_use",
            icon=":material/check:" if answers else ":material/biotech:",
            type="secondary" if answers else "primary",
            disabled=answers or bool(weights.problem),
            on_click=_use,
            args=(weights.name,),
        )
        st.button(
            "Server's default" if is_default else "Make it the server's default",
            key="models_make_default",
            icon=":material/check:" if is_default else ":material/dns:",
            disabled=is_default or bool(weights.problem),
            help="“Use for Classify” counts in this browser alone. The default is what every browser begins with; "
            "those that are open keep their model.",
            on_click=_make_default,
            args=(weights.name,),
        )
        if not weights.problem:
            _show_downloads(weights)
        if not weights.ships:
            _show_deletion(weights.name)
    if not weights.problem:
        _show_onnx(weights)
    if weights.ships:
        st.caption("These weights ship with the program; they cannot be deleted.")


def _use(name: str) -> None:
    choose_answering_weights(name)
    st.session_state[MODELS_NOTICE] = (
        f"{name_as_markdown(name)} answers on the page Classify from now on, in this browser alone. Cells that are "
        "there already keep their answers."
    )


def _make_default(name: str) -> None:
    try:
        choose_default_weights(name)
    except (BloodcellError, OSError) as error:
        st.error(error_words(error))
    else:
        st.session_state[MODELS_NOTICE] = (
            f"{name_as_markdown(name)} answers in every browser that opens this program from now on. Those that are "
            "open, this one too, keep their model."
        )


def _show_downloads(weights: StoredWeights) -> None:
    assert weights.card is not None
    files = (
        (".safetensors", _size_words(weights.size_bytes), "application/octet-stream", weights.path.read_bytes),
        (".json", "card", "application/json", weights.card.to_json),
    )
    for suffix, words, mime, read in files:
        st.download_button(
            f"Download {suffix} ({words})",
            read,
            file_name=f"{weights.name}{suffix}",
            mime=mime,
            key=f"models_download_{suffix[1:]}",
            icon=":material/download:",
            on_click="ignore",
        )


def _size_words(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB" if size_bytes >= 1e6 else f"{size_bytes / 1e3:.0f} kB"


def _show_deletion(name: str) -> None:
    with st.popover("Delete …", icon=":material/delete:"):
        st.markdown(f"Delete {name_as_markdown(name)} for good? Its files are removed from this computer.")
        if name in (answering_weights(), default_weights()):
            st.markdown(f"It answers on Classify now; `{DEFAULT_WEIGHTS}` will take its place.")
        st.button("Delete for good", key="models_delete", type="primary", on_click=_delete, args=(name,))


def _delete(name: str) -> None:
    try:
        delete_weights(name)
    except (BloodcellError, OSError) as error:
        st.error(error_words(error))
    else:
        if name == answering_weights():
            choose_answering_weights(DEFAULT_WEIGHTS)
        st.session_state[MODELS_NOTICE] = f"{name_as_markdown(name)} is deleted."


def _show_onnx(weights: StoredWeights) -> None:
    assert weights.card is not None
    made = st.session_state.get(MODELS_ONNX)
    if made is not None and made[0] == weights.card.tensors_sha256:
        _, data, sentence = made
        with st.container(horizontal=True, vertical_alignment="center"):
            st.download_button(
                f"Download .onnx ({_size_words(len(data))})",
                data,
                file_name=f"{weights.name}.onnx",
                mime="application/octet-stream",
                key="models_download_onnx",
                icon=":material/download:",
                on_click="ignore",
            )
            st.caption(sentence, width="content")
    elif missing := missing_packages():
        st.caption(
            f"An ONNX file needs {' and '.join(missing)}, not installed here: `pip install -r requirements-onnx.txt`"
        )
    elif st.button("Make an ONNX file", key="models_export", icon=":material/output:"):
        _make_onnx(weights)


def _make_onnx(weights: StoredWeights) -> None:
    assert weights.card is not None
    with st.status("Making the ONNX file …", expanded=True) as status:
        try:
            st.write("Reading images to compare on …")
            compared = images_to_compare(default_dataset(data_folder()))
            st.write(f"Writing the file, then comparing its answers for {len(compared.images)} images …")
            data, parity = onnx_bytes(load_weights(weights.path), compared)
        except (BloodcellError, OSError) as error:
            status.update(label="No ONNX file was made", state="error")
            st.error(error_words(error))
            return
    st.session_state[MODELS_ONNX] = (weights.card.tensors_sha256, data, parity.sentence())
    st.rerun()
