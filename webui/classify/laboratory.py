"""Whose laboratory a tray comes from: said before any cell's answer, with what differs in words and pictures."""

import io
from collections.abc import Sequence
from typing import Literal

import numpy as np
import streamlit as st
from PIL import Image

from bloodcell.datasets.example_cells import example_cells
from bloodcell.errors import BloodcellError
from bloodcell.laboratories.verdict import TrayVerdict
from bloodcell.paths import SHIPPED_WEIGHTS
from bloodcell.wording import counted
from webui.classify.cells import Cell
from webui.parts.words import plain_words, sentence_words

TITLES: dict[str, str] = {
    "known": "A laboratory that the model knows",
    "other": "Another laboratory",
    "undecided": "Whose laboratory cannot be said",
}
_BADGES: dict[str, tuple[str, Literal["green", "orange", "gray"]]] = {
    "known": (":material/home:", "green"),
    "other": (":material/travel_explore:", "orange"),
    "undecided": (":material/help:", "gray"),
}
_PICTURES = 4
_SIDE_PX = 160


def show_laboratory(cells: Sequence[Cell], verdict: TrayVerdict) -> None:
    """Show the verdict, what it rests on, and where cells are unlike the known ones, both kinds side by side."""
    icon, colour = _BADGES[verdict.laboratory]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(TITLES[verdict.laboratory], icon=icon, color=colour)
        st.caption(plain_words(verdict.reason), width="stretch")
    unlike = [
        cell
        for cell in cells
        if cell.row.is_unlike and cell.row.status in ("review", "other_cell") and cell.picture is not None
    ]
    if not unlike or verdict.laboratory == "known":
        return
    with st.expander("What differs", icon=":material/compare:", expanded=False):
        if verdict.differences:
            st.markdown(sentence_words(f"typical of the unlike cells, medians: {verdict.differences}"))
        here, home = st.columns(2)
        count = min(_PICTURES, len(unlike))
        here.image(
            _side_by_side([cell.picture for cell in unlike[:count] if cell.picture is not None]),
            caption=f"{counted(count, 'cell', 'cells')} of this tray",
            alt="Cells of this tray that are unlike those that the model knows",
            width="stretch",
        )
        if _knows_the_examples(unlike[0].asked):
            home.image(
                _side_by_side(_known_cells()),
                caption="Cells of the laboratory that the model knows",
                alt="Cells of the laboratory that the model knows",
                width="stretch",
            )


def _knows_the_examples(weights: str) -> bool:
    """Whether weights come from the laboratory of the example cells: those that ship do."""
    return (SHIPPED_WEIGHTS / f"{weights}.json").is_file() and len(_known_cells()) == _PICTURES


def _known_cells() -> list[bytes]:
    try:
        return [file.path.read_bytes() for file in example_cells()[:: 24 // _PICTURES]][:_PICTURES]
    except (BloodcellError, OSError):
        # Without the examples there is nothing to stand beside; Classify says of the examples themselves what is wrong.
        return []


@st.cache_data(show_spinner=False, max_entries=16)
def _side_by_side(pictures: Sequence[bytes]) -> np.ndarray:
    """Return the middle squares of pictures at one scale, in a row, (160, N·160, 3) uint8."""
    tiles = []
    for data in pictures:
        picture = Image.open(io.BytesIO(data)).convert("RGB")
        side = min(picture.size)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        tiles.append(np.asarray(picture.crop((left, top, left + side, top + side)).resize((_SIDE_PX, _SIDE_PX))))
    return np.concatenate(tiles, axis=1)
