"""The tables `predictions_*.csv` of runs: predictions with the truth, written in one step and read again."""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from bloodcell.answers.prediction_table import (
    FIRST_COLUMNS,
    ORIGIN_COLUMNS,
    PROBABILITY_COLUMNS,
    STATUSES,
    WITHOUT_CLASS,
    PredictionRow,
    check_probabilities,
    first_cells,
    origin_cells,
)
from bloodcell.cell_classes import CLASS_COUNT, CLASS_KEYS
from bloodcell.errors import RunFolderError
from bloodcell.images.safe_text import one_line, spreadsheet_safe
from bloodcell.packed_text import open_kept_text
from bloodcell.paths import write_atomically

_FIRST_LABELLED_COLUMNS = (*FIRST_COLUMNS, "label", "sha256")
"""What every labelled table begins with; those of older versions end here."""
LABELLED_COLUMNS: tuple[str, ...] = (*_FIRST_LABELLED_COLUMNS, *ORIGIN_COLUMNS, "laboratory")
"""Columns of `predictions_*.csv` in runs; `label` is a class key, as `predicted` is."""


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
    has_no_class: NDArray[np.bool_]
    """(N,), whether no class is shown for the image, though its probabilities have a highest: it was refused, or is
    perhaps none of the eight."""
    unreadable_files: tuple[str, ...]
    """Files with status error; they are in none of the other fields."""
    answered_by: tuple[tuple[str, str, str], ...] = ()
    """Each different (answer_sha256, precision, engine) once, in file order; none in tables of older versions."""


def write_labelled_table(rows: Iterable[LabelledRow], path: Path) -> None:
    """Write `predictions_*.csv` of a run in one step: readers see the old file or the new one."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(LABELLED_COLUMNS)
    writer.writerows(_labelled_cells_of(row) for row in rows)
    write_atomically(path, stream.getvalue().encode())


def _labelled_cells_of(row: LabelledRow) -> list[str]:
    told = row.prediction
    return [*first_cells(told), CLASS_KEYS[row.label], one_line(row.sha256), *origin_cells(told), told.laboratory]


def read_labelled_table(path: Path) -> LabelledTable:
    """Read `predictions_*.csv` of a run; columns that later versions add at the end are ignored.

    The `'` before a formula is taken off again, so a file whose own name starts with `'=` comes back without the `'`.

    Raises:
        RunFolderError: the file is missing or is no such table.
    """
    try:
        with open_kept_text(path) as stream:
            rows = list(_labelled_cells(stream))
        judged = [row for row in rows if row["status"] != "error"]
        return LabelledTable(
            files=tuple(_without_guard(row["file"]) for row in judged),
            sha256=tuple(row["sha256"] for row in judged),
            labels=np.array([CLASS_KEYS.index(row["label"]) for row in judged], dtype=np.int64),
            probabilities=np.array([_parsed_probabilities(row) for row in judged]).reshape(-1, CLASS_COUNT),
            has_no_class=np.array([row["status"] in WITHOUT_CLASS for row in judged], dtype=bool),
            unreadable_files=tuple(_without_guard(row["file"]) for row in rows if row["status"] == "error"),
            answered_by=_distinct_origins(judged),
        )
    except (OSError, ValueError, csv.Error) as error:
        raise RunFolderError(
            f"The predictions {path} cannot be read ({error}). Evaluate the run again to write them anew."
        ) from error


def _distinct_origins(rows: Iterable[dict[str, str]]) -> tuple[tuple[str, str, str], ...]:
    answer_sha256, precision, engine = ORIGIN_COLUMNS
    origins = ((row.get(answer_sha256, ""), row.get(precision, ""), row.get(engine, "")) for row in rows)
    return tuple(dict.fromkeys(origin for origin in origins if any(origin)))


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
    check_probabilities(probabilities)
    return probabilities


def _without_guard(cell: str) -> str:
    return cell[1:] if cell[:1] == "'" and spreadsheet_safe(cell[1:]) == cell else cell
