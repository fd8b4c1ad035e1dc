"""How pages write things: percentages, statuses, and names that strangers chose."""

from bloodcell.cell_classes import CELL_CLASSES
from bloodcell.data.prediction_table import PredictionRow, clean_file_name

STATUS_WORDS: dict[str, str] = {
    "ok": "Sure",
    "review": "Second look",
    "refused": "None of the eight",
    "error": "Unreadable",
}
STATUS_SIGNS: dict[str, str] = {"ok": "✓", "review": "?", "refused": "∅", "error": "✕"}
STATUS_ICONS: dict[str, str] = {
    "ok": ":material/check:",
    "review": ":material/search:",
    "refused": ":material/block:",
    "error": ":material/broken_image:",
}
LONGEST_NAME = 80
"""Characters of a file name that are shown; the CSV holds it all."""


def percent(share: float) -> str:
    """Write a share from 0 to 1 as a percentage with one decimal; only 1 and 0 themselves as 100.0 % and 0.0 %."""
    if 0.9995 <= share < 1:
        return "> 99.9 %"
    if 0 < share < 0.0005:
        return "< 0.1 %"
    return f"{100 * share:.1f} %"


def class_name(label: int) -> str:
    """Return the name of a class to show."""
    return CELL_CLASSES[label].display_name


def answer_words(row: PredictionRow) -> str:
    """Return the class that is answered, or what stands in its place."""
    return STATUS_WORDS[row.status] if row.predicted is None else class_name(row.predicted)


def shown_name(file: str) -> str:
    """Return a file name as plain text: cleaned, and shortened in the middle where it is very long."""
    name = clean_file_name(file)
    if len(name) <= LONGEST_NAME:
        return name
    return f"{name[: LONGEST_NAME // 2 - 1]}…{name[-LONGEST_NAME // 2 :]}"


def name_as_markdown(file: str) -> str:
    """Return a file name as a Markdown code span.

    Backslashes would not do: Streamlit replaces `:smile:` and `:material/home:` in text after escapes are resolved. It
    leaves code spans alone; only a backtick can end one, and it is shown as an apostrophe.
    """
    return f"`{shown_name(file).replace('`', chr(39))}`"


def counted(number: int, one: str, many: str) -> str:
    """Return a number with its noun: 1 cell, 1,000 cells."""
    return f"{number:,} {one if number == 1 else many}"
