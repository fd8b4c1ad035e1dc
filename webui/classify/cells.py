"""The cells of a session: what was handed in, what was read, and the pictures that are kept of it."""

import base64
import uuid
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import streamlit as st

from bloodcell.answers.classifier import Answer, Classifier, ImageSource
from bloodcell.answers.prediction_table import PredictionRow
from bloodcell.errors import BloodcellError
from webui.parts.session_keys import CLASSIFY_CELLS, CLASSIFY_CHOSEN, CLASSIFY_NOTICE, CLASSIFY_WAITING
from webui.parts.thumbnails import jpeg_bytes
from webui.parts.words import counted, error_words

MAXIMUM_CELLS = 2_000
"""Cells that one session keeps: about 100 kB each, 200 MB in all."""
PICTURE_SIDE_PX = 640
THUMBNAIL_SIDE_PX = 96


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class WaitingImage:
    """An image that was handed in and is not read yet."""

    source: ImageSource
    label: int | None = None
    """Class index that is known beforehand, of examples only."""
    is_drawing: bool = False


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Cell:
    """What is kept of an image that was read."""

    id: str
    """Never used again, in this session or another; names may repeat. What is shown of a cell is looked up by it."""
    row: PredictionRow
    label: int | None
    is_drawing: bool
    picture: bytes | None
    """JPEG, at most PICTURE_SIDE_PX wide and high; None where the image could not be read."""
    thumbnail: str | None
    """data: URL of a small JPEG."""
    heat_maps: np.ndarray | None
    """float16 (K, h, w), 0 to 1, over the field of view."""
    field_of_view: float


def session_cells() -> list[Cell]:
    """Return the cells of this session, in the order in which they were added."""
    cells: list[Cell] = st.session_state.setdefault(CLASSIFY_CELLS, [])
    return cells


def cell_by_id(cell_id: str) -> Cell | None:
    """Return a cell of this session; None where it was removed."""
    return next((cell for cell in session_cells() if cell.id == cell_id), None)


def add_waiting(images: Iterable[WaitingImage]) -> None:
    """Queue images for reading; those beyond MAXIMUM_CELLS are left out, and a notice says so."""
    waiting = _waiting()
    room = MAXIMUM_CELLS - len(session_cells()) - len(waiting)
    added = list(images)
    waiting.extend(added[: max(0, room)])
    if len(added) > room:
        st.session_state[CLASSIFY_NOTICE] = (
            f"{counted(len(added) - max(0, room), 'file was', 'files were')} left out: this page keeps "
            f"{MAXIMUM_CELLS:,} cells. Remove all to go on, or read whole folders from a shell: "
            "`python -m bloodcell classify FOLDER --csv OUT.csv`"
        )


def read_waiting(classifier: Classifier) -> None:
    """Read what waits, under a progress bar.

    Each cell is kept as soon as it is answered: a click that starts the page anew loses none, and the rest is read
    then.
    """
    waiting = _waiting()
    if not waiting:
        return
    images = list(waiting)
    total = len(images)
    bar = st.progress(0.0, text=f"Reading {counted(total, 'image', 'images')} …")
    answers = classifier.answers([image.source for image in images], heat_maps=True)
    try:
        for done, (image, answer) in enumerate(zip(images, answers, strict=True), start=1):
            _keep(image, answer, classifier.card.field_of_view)
            waiting.remove(image)
            bar.progress(done / total, text=f"{done:,} of {total:,} images read")
    except BloodcellError as error:
        waiting.clear()
        st.error(error_words(error))
    except Exception:
        # Otherwise every later run of the page would meet the same images again.
        waiting.clear()
        raise
    bar.empty()


def remove_all() -> None:
    """Forget all cells of this session, also those that wait."""
    session_cells().clear()
    _waiting().clear()
    st.session_state.pop(CLASSIFY_CHOSEN, None)
    st.session_state.pop(CLASSIFY_NOTICE, None)


def held_bytes(data: bytes) -> Callable[[], bytes]:
    """Return a function that hands out bytes, as an ImageSource needs one."""
    return lambda: data


def _waiting() -> deque[WaitingImage]:
    waiting: deque[WaitingImage] = st.session_state.setdefault(CLASSIFY_WAITING, deque())
    return waiting


def _keep(image: WaitingImage, answer: Answer, field_of_view: float) -> None:
    session_cells().append(
        Cell(
            id=uuid.uuid4().hex,
            row=answer.row,
            label=image.label,
            is_drawing=image.is_drawing,
            picture=None if answer.image is None else jpeg_bytes(answer.image, PICTURE_SIDE_PX),
            thumbnail=None if answer.image is None else _data_url(jpeg_bytes(answer.image, THUMBNAIL_SIDE_PX)),
            heat_maps=None if answer.heat_maps is None else answer.heat_maps.astype(np.float16),
            field_of_view=field_of_view,
        )
    )


def _data_url(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
