"""How pages show figures and tables: each figure with its button to save it, each table with its CSV."""

import math

import pandas as pd
import streamlit as st

from bloodcell.figures.style import DrawnFigure
from bloodcell.report.table import Table
from webui.parts.session_keys import RESULTS_PICTURES

PICTURE_FORMATS = ("PNG", "SVG")
_ROW_HEIGHT_PX, _LINE_HEIGHT_PX = 36, 21
_WRAPPING_ROW_PX = 66
"""Streamlit wraps text in rows higher than 4 rem alone."""
_VISIBLE_ROWS = 16
_CHARACTER_PX, _CELL_PADDING_PX = 6.3, 17
"""Measured on the page's font; what is wider by itself is cut by the next column, not wrapped."""
_PROSE_PX, _FIRST_PROSE_PX, _PINNED_PX = 330, 300, 220
"""Widths of a column of sentences, which wrap, and of the first column, which stays while others are scrolled if it
leaves room for them on a narrow screen."""
_PAGE_PX = 1220


def choose_picture_format() -> None:
    """Show the choice of the format in which all figures of the page are saved."""
    st.segmented_control(
        "Save figures as",
        PICTURE_FORMATS,
        default=PICTURE_FORMATS[0],
        required=True,
        key=RESULTS_PICTURES,
        persist_state="session",
        help="The camera over each figure saves it. SVG stays sharp at any size.",
    )


def text_colour() -> str:
    """Return the colour of text on the page as the visitor sees it."""
    return "#e4eaee" if st.context.theme.type == "dark" else "#1c2b36"


def figure_options(name: str) -> dict[str, object]:
    """Return Plotly's options for a figure that is saved under a name."""
    chosen = str(st.session_state.get(RESULTS_PICTURES) or PICTURE_FORMATS[0]).lower()
    return {
        "displaylogo": False,
        "displayModeBar": True,
        "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"],
        "toImageButtonOptions": {"format": chosen, "filename": name, "scale": 2 if chosen == "png" else 1},
    }


def show_figure(drawn: DrawnFigure, *, caption: str = "", key: str | None = None) -> None:
    """Show a figure under its title."""
    st.markdown(f"**{drawn.title}**")
    st.plotly_chart(drawn.figure, config=figure_options(drawn.name), alt=drawn.alt, key=key or f"figure_{drawn.name}")
    if caption:
        st.caption(caption)


def show_table(table: Table, *, titled: bool = True) -> None:
    """Show a table under its title, with its note and a button for its CSV; `titled`: the title is not above yet."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"**{table.title}**" if titled else "", width="content")
        show_csv_button(table)
    widths = _widths(table)
    prose = _prose_widths(table)
    lines = max([1, *(_lines(row[place], px) for row in table.rows for place, px in prose.items())])
    row_height = _ROW_HEIGHT_PX if lines == 1 else max(_WRAPPING_ROW_PX, _LINE_HEIGHT_PX * lines + 12)
    # Text of tables may come from file names: a data frame shows it as it is, Markdown would not.
    st.dataframe(
        pd.DataFrame([list(row) for row in table.rows], columns=pd.Index(table.columns)),
        hide_index=True,
        row_height=row_height,
        height=_ROW_HEIGHT_PX + row_height * min(len(table.rows), _VISIBLE_ROWS) + 4,
        column_config={
            table.columns[place]: st.column_config.TextColumn(width=px, pinned=place == 0 and px <= _PINNED_PX)
            for place, px in {0: widths[0], **prose}.items()
        },
        key=f"table_{table.name}",
        alt=table.title,
    )
    goes_on = sum(prose.get(place, px) for place, px in enumerate(widths)) > _PAGE_PX
    if table.note or goes_on:
        st.caption(
            " ".join(filter(None, [table.note, "Scroll the table sideways for more columns." if goes_on else ""]))
        )


def _widths(table: Table) -> list[int]:
    """Return how wide each column would be with every cell on one line."""
    longest = [max(map(len, column)) for column in zip(table.columns, *table.rows, strict=True)]
    return [round(_CHARACTER_PX * characters) + _CELL_PADDING_PX for characters in longest]


def _prose_widths(table: Table) -> dict[int, int]:
    """Return the widths of the columns that are too long for one line, by place; the first is never wide."""
    widths = _widths(table)
    limits = [_FIRST_PROSE_PX, *[_PROSE_PX if sum(widths) > _PAGE_PX else _PAGE_PX] * (len(widths) - 1)]
    return {place: limit for place, (limit, px) in enumerate(zip(limits, widths, strict=True)) if px > limit}


def _lines(text: str, px: int) -> int:
    """Return how many lines a text takes at a width; words are not broken, so a line holds a little less."""
    return math.ceil(_CHARACTER_PX * len(text) * 1.1 / (px - _CELL_PADDING_PX))


def show_csv_button(table: Table) -> None:
    """Show the button that hands a table out as CSV."""
    st.download_button(
        "CSV",
        table.to_csv(),
        file_name=f"{table.name}.csv",
        mime="text/csv",
        key=f"csv_{table.name}",
        icon=":material/download:",
        help="The table as CSV",
        on_click="ignore",
        width="content",
    )
