"""The CSV of predictions: UTF-8, RFC 4180, one row per image in input order, safe to open in a spreadsheet."""

import csv
import io
import math
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from bloodcell.cell_classes import CLASS_COUNT, CLASS_KEYS
from bloodcell.errors import RunFolderError
from bloodcell.paths import write_atomically

STATUSES: tuple[str, ...] = ("ok", "review", "refused", "error")
"""Shown as sure · confidence under the threshold · unlike the training images · not readable."""
PROBABILITY_COLUMNS: tuple[str, ...] = tuple(f"p_{key}" for key in CLASS_KEYS)
_FIRST_COLUMNS: tuple[str, ...] = (
    *("file", "predicted", "confidence", "status", "reason"),
    *PROBABILITY_COLUMNS,
    *("model", "model_sha256"),
)
_ORIGIN_COLUMNS = ("answer_sha256", "precision", "engine")
COLUMNS: tuple[str, ...] = (*_FIRST_COLUMNS, *_ORIGIN_COLUMNS)
_FIRST_LABELLED_COLUMNS = (*_FIRST_COLUMNS, "label", "sha256")
"""What every labelled table begins with; those of older versions end here."""
LABELLED_COLUMNS: tuple[str, ...] = (*_FIRST_LABELLED_COLUMNS, *_ORIGIN_COLUMNS)
"""Columns of `predictions_*.csv` in runs; `label` is a class key, as `predicted` is."""

# A float32 softmax of eight classes sums to 1 within 1e-6; a wrong scale or a dropped class is off by far more.
_SUM_TOLERANCE = 1e-3
_CONFIDENCE_TOLERANCE = 1e-5
_BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_DRIVE_LETTERS = re.compile(r"^(?:\s*[A-Za-z]:)+")


@dataclass(frozen=True, kw_only=True, slots=True)
class PredictionRow:
    """What is said about one image.

    Raises:
        ValueError: a field is out of range or does not fit the status.
    """

    file: str
    """POSIX path below the input folder or the ZIP's root, or an upload's base name; cleaned when it is written."""
    status: str
    """One of STATUSES."""
    reason: str
    """Why the image is refused or could not be read; may be empty otherwise."""
    predicted: int | None
    """Class index, 0 to K − 1; None when refused or error."""
    confidence: float | None
    """Calibrated probability of the predicted class, 0 to 1; None when refused or error."""
    probabilities: tuple[float, ...] | None
    """Calibrated, (K,), 0 to 1, sum 1; None when error."""
    model: str
    """Name of the weights."""
    model_sha256: str
    """Hash of the weights file, hexadecimal."""
    answer_sha256: str = ""
    """Hash of all that decides an answer, see `weights/answer_identity.py`; empty where it was not recorded."""
    precision: str = ""
    """What the convolutions were computed in: 'fp32' or 'bf16'; empty where it was not recorded."""
    engine: str = ""
    """What computed: 'torch' or 'openvino'; empty where it was not recorded."""

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise ValueError(f"status must be one of {', '.join(STATUSES)}, got {self.status!r}")
        if self.status in ("refused", "error") and not self.reason:
            raise ValueError(f"reason must not be empty when status is {self.status}")
        _check_presence("probabilities", self.probabilities, self.status, wanted=self.status != "error")
        for name, value in (("predicted", self.predicted), ("confidence", self.confidence)):
            _check_presence(name, value, self.status, wanted=self.status in ("ok", "review"))
        if self.probabilities is not None:
            _check_probabilities(self.probabilities)
            if self.predicted is not None and self.confidence is not None:
                _check_prediction(self.predicted, self.confidence, self.probabilities)


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelledRow:
    """A prediction together with the truth.

    Raises:
        ValueError: label is no class index.
    """

    prediction: PredictionRow
    label: int
    """Class index, 0 to K − 1."""
    sha256: str
    """Hash of the image file's bytes, hexadecimal."""

    def __post_init__(self) -> None:
        if not 0 <= self.label < CLASS_COUNT:
            raise ValueError(f"label must lie between 0 and {CLASS_COUNT - 1}, got {self.label}")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LabelledTable:
    """What `predictions_*.csv` holds, N rows with probabilities in file order."""

    files: tuple[str, ...]
    sha256: tuple[str, ...]
    """Hash of each image file, hexadecimal."""
    labels: NDArray[np.int64]
    """(N,), class indices."""
    probabilities: NDArray[np.float64]
    """(N, K), 0 to 1, as written with 6 decimals."""
    is_refused: NDArray[np.bool_]
    """(N,), whether the image was refused: no class is shown for it, though its probabilities have a highest."""
    unreadable_files: tuple[str, ...]
    """Files with status error; they are in none of the other fields."""
    answered_by: tuple[tuple[str, str, str], ...] = ()
    """Each different (answer_sha256, precision, engine) once, in file order; none in tables of older versions."""


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


def write_table(rows: Iterable[PredictionRow], stream: TextIO) -> None:
    r"""Write the header and then each row as it comes.

    Args:
        rows: taken one by one, never held together.
        stream: opened with `newline=""`, otherwise Windows doubles the `\r` of each line end.
    """
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerows(_cells(row) for row in rows)


def table_bytes(rows: Iterable[PredictionRow]) -> bytes:
    """Return the whole CSV, UTF-8 without a byte order mark."""
    stream = io.StringIO(newline="")
    write_table(rows, stream)
    return stream.getvalue().encode()


def table_cells(row: PredictionRow) -> dict[str, str]:
    """Return what the CSV says about an image, by column."""
    return dict(zip(COLUMNS, _cells(row), strict=True))


def write_labelled_table(rows: Iterable[LabelledRow], path: Path) -> None:
    """Write `predictions_*.csv` of a run in one step: readers see the old file or the new one."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(LABELLED_COLUMNS)
    writer.writerows(
        [*_first_cells(row.prediction), CLASS_KEYS[row.label], _text(row.sha256), *_origin_cells(row.prediction)]
        for row in rows
    )
    write_atomically(path, stream.getvalue().encode())


def read_labelled_table(path: Path) -> LabelledTable:
    """Read `predictions_*.csv` of a run; columns that later versions add at the end are ignored.

    The `'` before a formula is taken off again, so a file whose own name starts with `'=` comes back without the `'`.

    Raises:
        RunFolderError: the file is missing or is no such table.
    """
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            rows = list(_labelled_cells(stream))
        judged = [row for row in rows if row["status"] != "error"]
        return LabelledTable(
            files=tuple(_without_guard(row["file"]) for row in judged),
            sha256=tuple(row["sha256"] for row in judged),
            labels=np.array([CLASS_KEYS.index(row["label"]) for row in judged], dtype=np.int64),
            probabilities=np.array([_parsed_probabilities(row) for row in judged]).reshape(-1, CLASS_COUNT),
            is_refused=np.array([row["status"] == "refused" for row in judged], dtype=bool),
            unreadable_files=tuple(_without_guard(row["file"]) for row in rows if row["status"] == "error"),
            answered_by=_distinct_origins(judged),
        )
    except (OSError, ValueError, csv.Error) as error:
        raise RunFolderError(
            f"The predictions {path} cannot be read ({error}). Evaluate the run again to write them anew."
        ) from error


def _distinct_origins(rows: Iterable[dict[str, str]]) -> tuple[tuple[str, str, str], ...]:
    answer_sha256, precision, engine = _ORIGIN_COLUMNS
    origins = ((row.get(answer_sha256, ""), row.get(precision, ""), row.get(engine, "")) for row in rows)
    return tuple(dict.fromkeys(origin for origin in origins if any(origin)))


def _cells(row: PredictionRow) -> list[str]:
    return [*_first_cells(row), *_origin_cells(row)]


def _origin_cells(row: PredictionRow) -> list[str]:
    return [_text(row.answer_sha256), _text(row.precision), _text(row.engine)]


def _first_cells(row: PredictionRow) -> list[str]:
    return [
        spreadsheet_safe(clean_file_name(row.file)),
        "" if row.predicted is None else CLASS_KEYS[row.predicted],
        "" if row.confidence is None else _decimals(row.confidence),
        row.status,
        _text(row.reason),
        *([""] * CLASS_COUNT if row.probabilities is None else map(_decimals, row.probabilities)),
        _text(row.model),
        _text(row.model_sha256),
    ]


def _text(text: str) -> str:
    return spreadsheet_safe(_without_controls(re.sub(r"\s+", " ", text)))


def _decimals(value: float) -> str:
    # Adding 0.0 turns -0.0 into 0.0, which would otherwise be written with a minus.
    return f"{value + 0.0:.6f}"


def _without_controls(text: str) -> str:
    # Lone surrogates (Cs) stand in file names that are no UTF-8; no encoder takes them.
    encodable = ("\ufffd" if unicodedata.category(character) == "Cs" else character for character in text)
    # Cc are control characters, Zl and Zp line and paragraph separators.
    return "".join(
        character
        for character in encodable
        if character not in _BIDI_CONTROLS and unicodedata.category(character) not in ("Cc", "Zl", "Zp")
    )


def _labelled_cells(stream: TextIO) -> Iterator[dict[str, str]]:
    reader = csv.reader(stream, strict=True)
    header = next(reader, [])
    if tuple(header[: len(_FIRST_LABELLED_COLUMNS)]) != _FIRST_LABELLED_COLUMNS:
        raise ValueError("its columns are not those of labelled predictions")
    for row in reader:
        if len(row) != len(header):
            raise ValueError(f"line {reader.line_num} has {len(row)} cells instead of {len(header)}")
        cells = dict(zip(header, row, strict=True))
        if cells["status"] not in STATUSES:
            raise ValueError(f"line {reader.line_num} has the unknown status {cells['status']!r}")
        yield cells


def _parsed_probabilities(row: dict[str, str]) -> tuple[float, ...]:
    probabilities = tuple(float(row[column]) for column in PROBABILITY_COLUMNS)
    _check_probabilities(probabilities)
    return probabilities


def _without_guard(cell: str) -> str:
    return cell[1:] if cell[:1] == "'" and spreadsheet_safe(cell[1:]) == cell else cell


def _check_presence(name: str, value: object, status: str, *, wanted: bool) -> None:
    if (value is not None) != wanted:
        raise ValueError(f"{name} must {'be given' if wanted else 'be None'} when status is {status}")


def _check_probabilities(probabilities: tuple[float, ...]) -> None:
    if len(probabilities) != CLASS_COUNT:
        raise ValueError(f"probabilities must be {CLASS_COUNT}, got {len(probabilities)}")
    # NaN fails this comparison too.
    if not all(0 <= probability <= 1 + _CONFIDENCE_TOLERANCE for probability in probabilities):
        raise ValueError("probabilities must lie between 0 and 1")
    if not math.isclose(sum(probabilities), 1, abs_tol=_SUM_TOLERANCE):
        raise ValueError(f"probabilities must sum to 1, got {sum(probabilities):.6f}")


def _check_prediction(predicted: int, confidence: float, probabilities: tuple[float, ...]) -> None:
    if not 0 <= predicted < CLASS_COUNT:
        raise ValueError(f"predicted must lie between 0 and {CLASS_COUNT - 1}, got {predicted}")
    if probabilities[predicted] != max(probabilities):
        raise ValueError(f"predicted must be the most probable class, got {predicted}")
    if not math.isclose(confidence, probabilities[predicted], abs_tol=_CONFIDENCE_TOLERANCE):
        raise ValueError(f"confidence must be probabilities[predicted] ({probabilities[predicted]}), got {confidence}")
