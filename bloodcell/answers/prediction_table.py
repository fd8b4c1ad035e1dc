"""The CSV of predictions: UTF-8, RFC 4180, one row per image in input order, safe to open in a spreadsheet."""

import csv
import io
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TextIO

from bloodcell.cell_classes import CLASS_COUNT, CLASS_KEYS
from bloodcell.images.safe_text import clean_file_name, one_line, spreadsheet_safe

STATUSES: tuple[str, ...] = ("ok", "review", "refused", "other_cell", "error")
"""Shown as sure · to be looked at · no cell · a cell, but perhaps none of the eight · not readable."""
WITHOUT_CLASS: tuple[str, ...] = ("refused", "other_cell")
"""Of an image that was read, and for which no class is shown."""
LABORATORIES: tuple[str, ...] = ("known", "other", "undecided")
"""What a tray says of the laboratory that it comes from."""
PROBABILITY_COLUMNS: tuple[str, ...] = tuple(f"p_{key}" for key in CLASS_KEYS)
FIRST_COLUMNS: tuple[str, ...] = (
    *("file", "predicted", "confidence", "status", "reason"),
    *PROBABILITY_COLUMNS,
    *("model", "model_sha256"),
)
ORIGIN_COLUMNS = ("answer_sha256", "precision", "engine")
COLUMNS: tuple[str, ...] = (*FIRST_COLUMNS, *ORIGIN_COLUMNS, "laboratory")

# A float32 softmax of eight classes sums to 1 within 1e-6; a wrong scale or a dropped class is off by far more.
_SUM_TOLERANCE = 1e-3
_CONFIDENCE_TOLERANCE = 1e-5


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
    """Why the image has no class or could not be read; may be empty otherwise."""
    predicted: int | None
    """Class index, 0 to K − 1; None when refused, other_cell or error."""
    confidence: float | None
    """Calibrated probability of the predicted class, 0 to 1; None when refused, other_cell or error."""
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
    laboratory: str = ""
    """Whether its tray comes from a laboratory that the weights know, see LABORATORIES; empty where nobody asked."""
    unlike_traits: tuple[float, ...] | None = None
    """What was measured of an image that is unlike those of the laboratory that the weights know, see
    `answers/unlikeness.py`; None where it is not. Not in the CSV."""

    @property
    def is_unlike(self) -> bool:
        """Whether the image is unlike those of the laboratory that the weights know."""
        return self.unlike_traits is not None

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise ValueError(f"status must be one of {', '.join(STATUSES)}, got {self.status!r}")
        if self.laboratory and self.laboratory not in LABORATORIES:
            raise ValueError(f"laboratory must be one of {', '.join(LABORATORIES)}, got {self.laboratory!r}")
        if self.status in (*WITHOUT_CLASS, "error") and not self.reason:
            raise ValueError(f"reason must not be empty when status is {self.status}")
        _check_presence("probabilities", self.probabilities, self.status, wanted=self.status != "error")
        for name, value in (("predicted", self.predicted), ("confidence", self.confidence)):
            _check_presence(name, value, self.status, wanted=self.status in ("ok", "review"))
        if self.probabilities is not None:
            check_probabilities(self.probabilities)
            if self.predicted is not None and self.confidence is not None:
                _check_prediction(self.predicted, self.confidence, self.probabilities)


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


def _cells(row: PredictionRow) -> list[str]:
    return [*first_cells(row), *origin_cells(row), row.laboratory]


def origin_cells(row: PredictionRow) -> list[str]:
    """Return the cells of ORIGIN_COLUMNS."""
    return [one_line(row.answer_sha256), one_line(row.precision), one_line(row.engine)]


def first_cells(row: PredictionRow) -> list[str]:
    """Return the cells of FIRST_COLUMNS."""
    return [
        spreadsheet_safe(clean_file_name(row.file)),
        "" if row.predicted is None else CLASS_KEYS[row.predicted],
        "" if row.confidence is None else _decimals(row.confidence),
        row.status,
        one_line(row.reason),
        *([""] * CLASS_COUNT if row.probabilities is None else map(_decimals, row.probabilities)),
        one_line(row.model),
        one_line(row.model_sha256),
    ]


def _decimals(value: float) -> str:
    # Adding 0.0 turns -0.0 into 0.0, which would otherwise be written with a minus.
    return f"{value + 0.0:.6f}"


def _check_presence(name: str, value: object, status: str, *, wanted: bool) -> None:
    if (value is not None) != wanted:
        raise ValueError(f"{name} must {'be given' if wanted else 'be None'} when status is {status}")


def check_probabilities(probabilities: tuple[float, ...]) -> None:
    """Refuse probabilities that are no distribution over the classes.

    Raises:
        ValueError: says what is wrong.
    """
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
