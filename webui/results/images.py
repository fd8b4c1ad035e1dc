"""The images behind answers: found by name and hash in the datasets at hand, explained where the weights are."""

import contextlib
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import streamlit as st

from bloodcell.answers.classifier import Classifier
from bloodcell.answers.overlay import overlay
from bloodcell.answers.reading_ahead import ImageSource
from bloodcell.errors import BloodcellError, UnreadableImage
from bloodcell.images.open_image import open_image, read_image_bytes
from bloodcell.weights.card import find_weights, read_card, weights_names
from bloodcell.wording import percent
from webui.parts.data_choice import available_data_folders
from webui.parts.session_keys import RESULTS_GALLERY_PAGE, RESULTS_HEAT_MAPS
from webui.parts.thumbnails import jpeg_bytes
from webui.parts.words import class_name, name_as_markdown
from webui.results.answers import Answers

IMAGES_PER_PAGE = 12
_PICTURE_SIDE_PX = 240
_HEAT_MAP_STRENGTH = 0.55


def show_gallery(answers: Answers, places: Sequence[int]) -> None:
    """Show images as pictures where they are at hand, a page at a time, with what was answered.

    Args:
        places: positions of the images in the answers' table, in the order to show.
    """
    if not places:
        return
    page = _choose_page(len(places))
    shown = places[page * IMAGES_PER_PAGE : (page + 1) * IMAGES_PER_PAGE]
    folders = tuple(str(folder) for folder in available_data_folders().values())
    pictures = [picture_bytes(folders, answers.table.files[place], answers.table.sha256[place]) for place in shown]
    if not any(pictures):
        st.caption(
            "The pictures are not at hand. Start the app with `BLOODCELL_DATA` naming the folder of their dataset, or "
            "one that holds several."
        )
        return
    weights = _weights_of(answers)
    with_maps = weights is not None and st.toggle("Heat maps", key=RESULTS_HEAT_MAPS, persist_state="session")
    with st.grid("auto", min_column_width=150, gap="small"):
        for place, picture in zip(shown, pictures, strict=True):
            with st.container(gap="xsmall"):
                _show_cell(answers, place, picture, weights if with_maps else None)


def _choose_page(count: int) -> int:
    pages = -(-count // IMAGES_PER_PAGE)
    page: int = min(st.session_state.get(RESULTS_GALLERY_PAGE, 0), pages - 1)
    if pages > 1:
        with st.container(horizontal=True, vertical_alignment="center"):
            for label, icon, step in (("Back", ":material/arrow_back:", -1), ("Next", ":material/arrow_forward:", 1)):
                st.button(
                    label,
                    icon=icon,
                    key=f"results_gallery_{label.lower()}",
                    disabled=not 0 <= page + step < pages,
                    on_click=_turn_to,
                    args=(page + step,),
                )
            first = page * IMAGES_PER_PAGE
            st.caption(
                f"Images {first + 1:,} to {min(count, first + IMAGES_PER_PAGE):,} of {count:,}.", width="content"
            )
    return page


def _turn_to(page: int) -> None:
    st.session_state[RESULTS_GALLERY_PAGE] = page


def _show_cell(answers: Answers, place: int, picture: bytes | None, weights: str | None) -> None:
    truth, predicted = int(answers.table.labels[place]), int(answers.predicted[place])
    confidence = float(answers.table.probabilities[place, predicted])
    name = name_as_markdown(answers.table.files[place].rpartition("/")[2])
    if picture is None:
        st.caption("No picture at hand.")
    else:
        explained = (
            None if weights is None else _heat_map(weights, Path(weights).stat().st_mtime_ns, picture, predicted)
        )
        alt = f"Cell image, {class_name(truth).lower()} answered as {class_name(predicted).lower()}"
        st.image(explained if explained is not None else picture, alt=alt, width="stretch")
    sign = "✓" if truth == predicted else "✕"
    st.markdown(f"{sign} **{class_name(predicted)}** {percent(confidence)}")
    st.caption(f"Truth: {class_name(truth).lower()}  \n{name}")


@st.cache_data(max_entries=256, show_spinner=False)
def picture_bytes(folders: tuple[str, ...], file: str, sha256: str) -> bytes | None:
    """Return the image's bytes, from the first folder that holds exactly this file; None where none does.

    Where answers are for several folders, the name begins with that of its folder.
    """
    for folder in map(Path, folders):
        path = (folder / file.removeprefix(f"{folder.name}/")).resolve()
        if path.is_relative_to(folder.resolve()) and path.is_file():
            data = _bytes_or_nothing(path)
            if hashlib.sha256(data).hexdigest() == sha256:
                return data
    return None


def _bytes_or_nothing(path: Path) -> bytes:
    try:
        return read_image_bytes(path)
    except (BloodcellError, OSError):
        return b""


def _weights_of(answers: Answers) -> str | None:
    """Return the file of the weights that gave these answers, where it is at hand."""
    if not answers.model_sha256:
        return None
    own = answers.source.folder / "best.safetensors"
    if answers.source.record is not None and own.is_file():
        return str(own)
    for name in weights_names():
        # Weights that are damaged, or deleted just now, are not those that answered.
        with contextlib.suppress(BloodcellError, OSError):
            path = find_weights(name)
            if read_card(path.with_suffix(".json")).tensors_sha256 == answers.model_sha256:
                return str(path)
    return None


@st.cache_resource(max_entries=2, show_spinner="Loading the weights …")
def _classifier(weights: str, changed_ns: int) -> Classifier:
    return Classifier.load(weights)


@st.cache_data(max_entries=256, show_spinner="Explaining …")
def _heat_map(weights: str, changed_ns: int, picture: bytes, explained: int) -> bytes:
    """Return the image under the heat map of a class, as JPEG."""
    source = ImageSource(name="", read=lambda: picture)
    # As it was answered: where the image is unlike home, by the weights for other laboratories.
    answer = next(_classifier(weights, changed_ns).answers([source], heat_maps=True))
    if answer.heat_maps is None:
        raise UnreadableImage(answer.row.reason)
    of_class: np.ndarray = answer.heat_maps[explained]
    image = open_image(picture)
    mixed = overlay(image, of_class, field_of_view=answer.field_of_view, strength=_HEAT_MAP_STRENGTH)
    return jpeg_bytes(mixed, _PICTURE_SIDE_PX)
