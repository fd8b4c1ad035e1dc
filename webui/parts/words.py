"""How pages write things: statuses, and names that strangers chose."""

import re

from bloodcell.answers.prediction_table import PredictionRow
from bloodcell.cell_classes import CELL_CLASSES
from bloodcell.errors import BloodcellError
from bloodcell.images.safe_text import clean_file_name

STATUS_WORDS: dict[str, str] = {
    "ok": "Sure",
    "review": "Second look",
    "refused": "No answer",
    "other_cell": "Another cell",
    "error": "Unreadable",
}
STATUS_HELP = (
    "Sure: the confidence reaches the model's threshold. Second look: it does not, or the cell comes from another "
    "laboratory, so a person should look again. No answer: the image shows no single cell. Another cell: perhaps none "
    "of the eight classes. Unreadable: the file gave no picture."
)
STATUS_SIGNS: dict[str, str] = {"ok": "✓", "review": "?", "refused": "∅", "other_cell": "◇", "error": "✕"}
STATUS_ICONS: dict[str, str] = {
    "ok": ":material/check:",
    "review": ":material/search:",
    "refused": ":material/block:",
    "other_cell": ":material/category:",
    "error": ":material/broken_image:",
}
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#$~|!])")
LONGEST_NAME = 80
"""Characters of a file name that are shown; the CSV holds it all."""


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


def plain_words(text: str) -> str:
    """Return text that may hold names or words of strangers so that Markdown shows it as it is, on one line.

    Otherwise a card or a ZIP could put a picture of another host, and so a request to it, on the page.
    """
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def sentence_words(reason: str) -> str:
    """Return a reason as a sentence of its own, safe to show as Markdown."""
    return plain_words(f"{reason[:1].upper()}{reason[1:]}" + ("" if reason.endswith((".", "!", "?")) else "."))


def error_words(error: BloodcellError | OSError) -> str:
    """Return what went wrong as a sentence that says what to do, safe to show as Markdown."""
    if isinstance(error, BloodcellError):
        return plain_words(str(error))
    return plain_words(f"{error.strerror}. Check the disk, then try again.")


def device_words(device: str | None) -> str:
    """Write a device of the queue: CPU, GPU 0; what computes nothing waits for the jobs of its kind."""
    kind, _, number = (device or "none").partition("-")
    return {"cpu": "CPU", "cuda": f"GPU {number}".strip()}.get(kind, "job before it")
