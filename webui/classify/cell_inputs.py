"""Where cells come from: files of a visitor, examples from the dataset, or drawings."""

import io
import random
from collections.abc import Iterator
from functools import partial

import streamlit as st
from PIL import Image

from bloodcell.answers.classifier import ImageSource
from bloodcell.answers.image_sources import FoundImages, passed_over_words, zip_images
from bloodcell.cell_classes import CELL_CLASSES
from bloodcell.datasets.drawn_cells import draw_cell
from bloodcell.datasets.folder_scan import LabelledFile, default_dataset, scan_dataset
from bloodcell.errors import BloodcellError, UnreadableImage
from bloodcell.images.formats import FORMAT_WORDS
from bloodcell.images.open_image import read_image_bytes
from bloodcell.images.zip_images import open_zip
from bloodcell.paths import data_folder
from webui.classify.cells import WaitingImage, add_waiting, held_bytes
from webui.parts.session_keys import CLASSIFY_EXAMPLES_SHOWN, CLASSIFY_NOTICE, CLASSIFY_UPLOADS_TAKEN, uploader_key
from webui.parts.uploads import forget_server_copies
from webui.parts.words import error_words, plain_words

EXAMPLES_PER_CLASS = 2
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
    from_dataset = data_folder() is not None
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Try example cells",
            key="classify_try_examples",
            icon=":material/lab_panel:",
            on_click=_take_examples,
            disabled=disabled,
        )
        st.caption(
            "No images at hand? These are real cells from the dataset, with the class of their folder."
            if from_dataset
            else "No images at hand? These are drawings, not cells, and mostly refused: they show how the page works.",
            width="content",
        )


def show_notice() -> None:
    """Show what there is to say about the last addition."""
    if notice := st.session_state.get(CLASSIFY_NOTICE):
        st.warning(notice, icon=":material/info:")


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
    turn = st.session_state.get(CLASSIFY_EXAMPLES_SHOWN, 0)
    st.session_state[CLASSIFY_EXAMPLES_SHOWN] = turn + 1
    st.session_state[CLASSIFY_NOTICE] = ""
    folder = default_dataset(data_folder())
    try:
        if folder is None:
            add_waiting(_drawings(turn))
        else:
            add_waiting(_dataset_examples(scan_dataset(folder).files, turn))
    except BloodcellError as error:
        st.session_state[CLASSIFY_NOTICE] = error_words(error)


def _dataset_examples(files: tuple[LabelledFile, ...], turn: int) -> Iterator[WaitingImage]:
    chance = random.Random(turn)
    for label in range(len(CELL_CLASSES)):
        of_class = [file for file in files if file.label == label]
        for file in chance.sample(of_class, min(EXAMPLES_PER_CLASS, len(of_class))):
            source = ImageSource(name=file.path.name, read=partial(read_image_bytes, file.path))
            yield WaitingImage(source=source, label=label)


def _drawings(turn: int) -> Iterator[WaitingImage]:
    for label, cell_class in enumerate(CELL_CLASSES):
        stream = io.BytesIO()
        Image.fromarray(draw_cell(label, seed=turn)).save(stream, "PNG")
        source = ImageSource(name=f"drawing_{cell_class.key}_{turn + 1}.png", read=held_bytes(stream.getvalue()))
        yield WaitingImage(source=source, label=label, is_drawing=True)
