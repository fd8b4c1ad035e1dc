"""Text from file names, made safe to show, to write, and to open in a spreadsheet."""

import re
import unicodedata

_BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_DRIVE_LETTERS = re.compile(r"^(?:\s*[A-Za-z]:)+")


def clean_file_name(name: str) -> str:
    """Return a relative POSIX path that can be shown and written; 'unnamed' where nothing is left.

    Control characters, line breaks and bidi controls are removed; backslashes become slashes; leading slashes, drive
    letters, `.` and `..` parts are dropped. Bytes that were no valid text (lone surrogates) become U+FFFD. Two names
    can become one.
    """
    kept: list[str] = []
    for part in _without_controls(name).replace("\\", "/").split("/"):
        rest = part if kept else _DRIVE_LETTERS.sub("", part)
        if rest.strip() not in ("", ".", ".."):
            kept.append(rest)
    return "/".join(kept) or "unnamed"


def spreadsheet_safe(cell: str) -> str:
    """Put `'` before a cell that a spreadsheet would run as a formula, and leave any other cell alone.

    Such a cell starts with = + - @, also full-width and after blanks, or with a tab or a line break.
    """
    # NFKC turns full-width and small variants into the plain sign; some spreadsheets do the same on import.
    first = unicodedata.normalize("NFKC", cell.lstrip()[:1])[:1]
    return f"'{cell}" if first in tuple("=+-@") or cell[:1] in tuple("\t\r\n") else cell


def one_line(text: str) -> str:
    """Return text for a cell of a CSV: in one line, without controls, safe in a spreadsheet."""
    return spreadsheet_safe(_without_controls(re.sub(r"\s+", " ", text)))


def _without_controls(text: str) -> str:
    # Lone surrogates (Cs) stand in file names that are no UTF-8; no encoder takes them.
    encodable = ("\ufffd" if unicodedata.category(character) == "Cs" else character for character in text)
    # Cc are control characters, Zl and Zp line and paragraph separators.
    return "".join(
        character
        for character in encodable
        if character not in _BIDI_CONTROLS and unicodedata.category(character) not in ("Cc", "Zl", "Zp")
    )
