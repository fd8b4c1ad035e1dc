"""The cells of a session: what was handed in, what was read, and what is kept of it."""

import base64
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import streamlit as st

from bloodcell.answers.classifier import Answer, Classifier
from bloodcell.answers.prediction_table import PredictionRow
from bloodcell.answers.reading_ahead import ImageSource
from bloodcell.devices.freed_memory import give_back_freed_memory
from bloodcell.errors import BloodcellError
from bloodcell.laboratories.verdict import TrayVerdict, is_for_elsewhere, tray_verdict, under_verdict
from bloodcell.paths import DEFAULT_WEIGHTS
from bloodcell.weights.answer_identity import COMPUTED_PRECISIONS, answer_sha256
from bloodcell.weights.card import WeightsCard, find_weights, read_card
from bloodcell.wording import counted
from webui.parts.session_keys import CLASSIFY_CELLS, CLASSIFY_CHOSEN, CLASSIFY_NOTICE, CLASSIFY_WAITING
from webui.parts.thumbnails import jpeg_bytes
from webui.parts.words import error_words

MAXIMUM_CELLS = 2_000
"""Cells that one session keeps: about 100 kB each, 200 MB in all, and beside them their files."""
MAXIMUM_FILE_BYTES = 200_000_000
"""Of files that one session keeps, to answer them anew with another model; cells beyond it keep their answer."""
PICTURE_SIDE_PX = 640
THUMBNAIL_SIDE_PX = 96


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class WaitingImage:
    """An image that was handed in and is not read yet."""

    source: ImageSource
    label: int | None = None
    """Class index that is known beforehand, of examples only."""
    cell_id: str | None = None
    """The cell that the answer belongs to; None makes a new cell."""
    is_home: bool = True
    """Whether it may come from the laboratory that the weights know."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Cell:
    """What is kept of an image that was read."""

    id: str
    """Never used again, in this session or another; names may repeat. What is shown of a cell is looked up by it."""
    row: PredictionRow
    label: int | None
    picture: bytes | None
    """JPEG, at most PICTURE_SIDE_PX wide and high; None where the image could not be read."""
    thumbnail: str | None
    """data: URL of a small JPEG."""
    heat_maps: np.ndarray | None
    """float16 (K, h, w), 0 to 1, over the field of view."""
    field_of_view: float
    content: bytes | None
    """The image's file; None where it could not be read or the files of this session are too large to be kept."""
    asked: str
    """Name of the weights that were asked; others answer for cells of other laboratories."""

    @property
    def answered_by(self) -> tuple[str, ...]:
        """What was asked: name of the model, hash of all that decides, precision, engine."""
        return (self.asked, self.row.answer_sha256, self.row.precision, self.row.engine)


def session_cells() -> list[Cell]:
    """Return the cells of this session as each was answered, in the order in which they were added."""
    cells: list[Cell] = st.session_state.setdefault(CLASSIFY_CELLS, [])
    return cells


def session_tray() -> tuple[list[Cell], TrayVerdict]:
    """Return the cells of this session as they stand in their tray, and what it says of its laboratory."""
    cells, verdict = session_cells(), session_verdict()
    return [replace(cell, row=under_verdict(cell.row, verdict)) for cell in cells], verdict


def session_verdict() -> TrayVerdict:
    """Return what the cells of this session say of their laboratory; examples say nothing beside others."""
    cells = session_cells()
    handed_in = [cell for cell in cells if cell.label is None] or cells
    return tray_verdict([cell.row for cell in handed_in], _card_asked(handed_in))


def cell_by_id(cell_id: str) -> Cell | None:
    """Return a cell of this session as it stands in its tray; None where it was removed."""
    cell = next((cell for cell in session_cells() if cell.id == cell_id), None)
    return None if cell is None else replace(cell, row=under_verdict(cell.row, session_verdict()))


def _card_asked(cells: Sequence[Cell]) -> WeightsCard | None:
    """Return the card of the weights that were asked; None where several were, or they are gone or others by now."""
    answered = [cell for cell in cells if cell.row.status != "error"]
    asked = {cell.answered_by for cell in answered}
    if len(asked) != 1:
        return None if asked else _card_named(DEFAULT_WEIGHTS)
    name, answered_with, precision, _ = answered[0].answered_by
    card = _card_named(name)
    if card is None or precision not in COMPUTED_PRECISIONS:
        return None
    return card if answer_sha256(card, precision) == answered_with else None


def _card_named(name: str) -> WeightsCard | None:
    try:
        return read_card(find_weights(name))
    except BloodcellError:
        return None


def add_waiting(images: Iterable[WaitingImage]) -> None:
    """Queue images for reading; those beyond MAXIMUM_CELLS are left out, and a notice says so."""
    waiting = waiting_images()
    room = MAXIMUM_CELLS - len(session_cells()) - len(waiting)
    added = list(images)
    waiting.extend(added[: max(0, room)])
    if len(added) > room:
        st.session_state[CLASSIFY_NOTICE] = (
            f"{counted(len(added) - max(0, room), 'file was', 'files were')} left out: this page keeps "
            f"{MAXIMUM_CELLS:,} cells. Remove all to go on, or read whole folders from a shell: "
            "`python -m bloodcell classify FOLDER --csv OUT.csv`"
        )


def answer_anew(cells: Iterable[Cell]) -> None:
    """Queue cells whose files are kept to be answered once more; each keeps its answer until it has the new one."""
    waiting = waiting_images()
    waiting.extend(_again(cell) for cell in cells if cell.content is not None)


def read_waiting(classifier: Classifier) -> None:
    """Read what waits, under a progress bar; called last, when all that was read before is on the page.

    Each cell is kept as soon as it is answered: a click that starts the page anew loses none, and the rest is read
    then. *Stop* in the toolbar ends the run in the middle, and what is on the page stays there.
    """
    waiting, cells = waiting_images(), session_cells()
    # Those for other laboratories are read in a pass of their own.
    is_home = waiting[0].is_home
    images = [image for image in waiting if image.is_home == is_home]
    total = len(images)
    why = "" if is_home else " once more, as of another laboratory"
    bar = st.progress(0.0, text=f"Reading {counted(total, 'image', 'images')}{why} …")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Show what was read", key="classify_show_read", icon=":material/refresh:")
        st.caption(
            "Shows the cells that were read so far, then reads the others. After *Stop* this reads on.", width="content"
        )
    contents: dict[int, bytes] = {}
    sources = [_noting(image.source, contents, place) for place, image in enumerate(images)]
    answers = classifier.answers(sources, heat_maps=True, is_home=is_home)
    try:
        for place, (image, answer) in enumerate(zip(images, answers, strict=True)):
            cell = _cell_of(image, answer, contents.pop(place, None), cells, asked=classifier.card.name)
            # A click starts the page's next run before this one has noticed; whoever takes the image keeps the cell.
            if _took(waiting, image):
                _keep(cell, cells, is_new=image.cell_id is None)
            bar.progress((place + 1) / total, text=f"{place + 1:,} of {total:,} images read{why}")
    except BloodcellError as error:
        waiting.clear()
        st.session_state[CLASSIFY_NOTICE] = error_words(error)
    except Exception:
        # Otherwise every later run of the page would meet the same images again.
        waiting.clear()
        raise
    give_back_freed_memory()
    if not waiting:
        _ask_elsewhere(classifier.card)
    st.rerun()


def _ask_elsewhere(card: WeightsCard) -> None:
    """Queue the cells of a tray of another laboratory that the home weights answered, for those that know more."""
    verdict = session_verdict()
    again = [cell for cell in session_cells() if cell.content is not None and is_for_elsewhere(cell.row, verdict, card)]
    waiting_images().extend(_again(cell, is_home=False) for cell in again)


def _again(cell: Cell, *, is_home: bool = True) -> WaitingImage:
    assert cell.content is not None
    source = ImageSource(name=cell.row.file, read=held_bytes(cell.content))
    return WaitingImage(source=source, label=cell.label, cell_id=cell.id, is_home=is_home)


def remove_all() -> None:
    """Forget all cells of this session, also those that wait.

    A run of the page that still reads has the old lists in hand; what it adds to them is in no tray any more.
    """
    st.session_state[CLASSIFY_CELLS] = []
    st.session_state[CLASSIFY_WAITING] = deque()
    st.session_state.pop(CLASSIFY_CHOSEN, None)
    st.session_state.pop(CLASSIFY_NOTICE, None)


def held_bytes(data: bytes) -> Callable[[], bytes]:
    """Return a function that hands out bytes, as an ImageSource needs one."""
    return lambda: data


def waiting_images() -> deque[WaitingImage]:
    """Return what waits in this session."""
    waiting: deque[WaitingImage] = st.session_state.setdefault(CLASSIFY_WAITING, deque())
    return waiting


def _noting(source: ImageSource, contents: dict[int, bytes], place: int) -> ImageSource:
    """Return a source that leaves what was read in `contents`, for the cell to keep."""

    def read() -> bytes:
        contents[place] = source.read()
        return contents[place]

    return ImageSource(name=source.name, read=read)


def _took(waiting: deque[WaitingImage], image: WaitingImage) -> bool:
    try:
        waiting.remove(image)
    except ValueError:
        return False
    return True


def _cell_of(image: WaitingImage, answer: Answer, content: bytes | None, others: Sequence[Cell], *, asked: str) -> Cell:
    kept_bytes = sum(len(cell.content) for cell in others if cell.content is not None and cell.id != image.cell_id)
    has_room = content is not None and kept_bytes + len(content) <= MAXIMUM_FILE_BYTES
    return Cell(
        id=image.cell_id or uuid.uuid4().hex,
        row=answer.row,
        label=image.label,
        picture=None if answer.image is None else jpeg_bytes(answer.image, PICTURE_SIDE_PX),
        thumbnail=None if answer.image is None else _data_url(jpeg_bytes(answer.image, THUMBNAIL_SIDE_PX)),
        heat_maps=None if answer.heat_maps is None else answer.heat_maps.astype(np.float16),
        field_of_view=answer.field_of_view,
        asked=asked,
        content=content if has_room and answer.image is not None else None,
    )


def _keep(cell: Cell, cells: list[Cell], *, is_new: bool) -> None:
    if is_new:
        cells.append(cell)
    else:
        cells[[other.id for other in cells].index(cell.id)] = cell


def _data_url(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
