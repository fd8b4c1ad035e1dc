"""A table of text, the same on a page, in a report and as CSV."""

import csv
import html
import io
from dataclasses import dataclass

from bloodcell.images.safe_text import spreadsheet_safe


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Cells as they are shown; every row as long as `columns`."""

    name: str
    """Name of the file when it is saved, without a suffix."""
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    """What a reader must know to believe it; may be empty."""

    def __post_init__(self) -> None:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"every row of '{self.title}' must have {len(self.columns)} cells")

    def by_column(self) -> dict[str, list[str]]:
        """Return the cells of each column, by its heading."""
        return {column: [row[place] for row in self.rows] for place, column in enumerate(self.columns)}

    def to_csv(self) -> bytes:
        """Return the table as UTF-8, RFC 4180; a cell that a spreadsheet would run gets a leading apostrophe."""
        stream = io.StringIO(newline="")
        writer = csv.writer(stream, lineterminator="\r\n")
        writer.writerow([_cell(column) for column in self.columns])
        writer.writerows([_cell(cell) for cell in row] for row in self.rows)
        return stream.getvalue().encode()

    def to_html(self) -> str:
        """Return the table as HTML; all text is escaped."""
        head = "".join(f"<th>{html.escape(column)}</th>" for column in self.columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>\n" for row in self.rows
        )
        note = f"<p class='note'>{html.escape(self.note)}</p>\n" if self.note else ""
        return (
            f"<h3>{html.escape(self.title)}</h3>\n<div class='table'><table><thead><tr>{head}</tr></thead>\n"
            f"<tbody>\n{body}</tbody></table></div>\n{note}"
        )


def _cell(text: str) -> str:
    # A figure such as -0.47 or +1.2 is not run as a formula: it is what it says.
    return text if _is_number(text) else spreadsheet_safe(text)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
