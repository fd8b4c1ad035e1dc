"""Where cells come from: files of a visitor, or the examples that ship."""

import io
from functools import partial

import streamlit as st

from bloodcell.answers.image_sources import FoundImages, passed_over_words, zip_images
from bloodcell.answers.reading_ahead import ImageSource
from bloodcell.datasets.example_cells import EXAMPLES_CREDIT, example_cells
from bloodcell.errors import BloodcellError, UnreadableImage
from bloodcell.images.formats import FORMAT_WORDS
from bloodcell.images.open_image import read_image_bytes
from bloodcell.images.zip_images import open_zip
from webui.classify.cells import WaitingImage, add_waiting, held_bytes
from webui.parts.session_keys import CLASSIFY_NOTICE, CLASSIFY_UPLOADS_TAKEN, uploader_key
from webui.parts.uploads import forget_server_copies
from webui.parts.words import error_words, plain_words

_ZIP_START = b"PK\x03\x04"


def show_inputs(*, disabled: bool) -> None:
    """Show the uploader and the button for examples; what they bring is queued for reading."""
    taken = st.session_state.setdefault(CLASSIFY_UPLOADS_TAKEN, 0)
    # No `type`: the bytes decide what a file is, and one that is no image is listed with its reason.
    st.file_uploader(
        f"Drop images of single cells here: {FORMAT_WORDS}, or a ZIP of them. Many at once are welcome.",
        accept_multiple_files=True,
        key=uploader_key(taken),
        on_change=_take_uploads,
        disabled=disabled,
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Try example cells",
            key="classify_try_examples",
            icon=":material/lab_panel:",
            on_click=_take_examples,
            disabled=disabled,
        )
        st.caption(
            "No images at hand? These are 24 real cells with the class that pathologists gave; no model that ships "
            f"was trained on them. {EXAMPLES_CREDIT}.",
            width="content",
        )


def _take_uploads() -> None:
    """Take the files over, then give the uploader a new key, which empties it."""
    taken = st.session_state[CLASSIFY_UPLOADS_TAKEN]
    files = st.session_state.get(uploader_key(taken)) or []
    st.session_state[CLASSIFY_UPLOADS_TAKEN] = taken + 1
    st.session_state[CLASSIFY_NOTICE] = ""
    found = [_upload_images(file.name, file.getvalue()) for file in files]
    add_waiting(WaitingImage(source=source) for images in found for source in images.sources)
    if passed_over := [name for images in found for name in images.passed_over]:
        notices = (st.session_state[CLASSIFY_NOTICE], plain_words(passed_over_words(passed_over)))
        st.session_state[CLASSIFY_NOTICE] = "\n\n".join(notice for notice in notices if notice)
    forget_server_copies(files)


def _upload_images(name: str, data: bytes) -> FoundImages:
    if not data.startswith(_ZIP_START):
        return FoundImages(sources=[ImageSource(name=name, read=held_bytes(data))], passed_over=[])
    try:
        found = zip_images(open_zip(io.BytesIO(data), "The ZIP"))
    except BloodcellError as error:
        return FoundImages(sources=[_refused(name, str(error))], passed_over=[])
    if found.sources:
        return found
    return FoundImages(sources=[_refused(name, "There is no image in the ZIP.")], passed_over=found.passed_over)


def _refused(name: str, reason: str) -> ImageSource:
    def read() -> bytes:
        raise UnreadableImage(reason)

    return ImageSource(name=name, read=read)


def _take_examples() -> None:
    st.session_state[CLASSIFY_NOTICE] = ""
    try:
        files = example_cells()
    except BloodcellError as error:
        st.session_state[CLASSIFY_NOTICE] = error_words(error)
        return
    add_waiting(
        WaitingImage(
            source=ImageSource(name=file.path.name, read=partial(read_image_bytes, file.path)), label=file.label
        )
        for file in files
    )
