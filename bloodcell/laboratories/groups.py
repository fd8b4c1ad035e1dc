"""Which slide or patient each labelled image is of, where a table beside the class folders says so."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bloodcell.datasets.folder_scan import LabelledFile
from bloodcell.errors import DatasetError
from bloodcell.paths import readable_path

TABLE_NAME = "labels.csv"
UNITS = ("patient", "slide")
"""Columns that tell groups, the larger ones first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Groups:
    """The groups of images of a folder."""

    unit: str
    """One of UNITS."""
    of_file: Mapping[str, str]
    """Path below the folder → name of its group."""


def groups_of(folder: Path, files: Sequence[LabelledFile]) -> Groups | None:
    """Read labels.csv of a folder: a column `file`, a name or a path below the folder, and one of UNITS.

    None where there is no such table, it has no such column, or not every file has a group in it.

    Raises:
        DatasetError: the table cannot be read.
    """
    path = folder / TABLE_NAME
    if not path.is_file():
        return None
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, ValueError, csv.Error) as error:
        raise DatasetError(f"{readable_path(path)} cannot be read ({error}). Mend it, or take it away.") from error
    for unit in UNITS:
        known = {row["file"]: row[unit] for row in rows if row.get("file") and row.get(unit)}
        found = {
            file.relative_path: known.get(file.relative_path) or known.get(PurePosixPath(file.relative_path).name)
            for file in files
        }
        named = {name: group for name, group in found.items() if group}
        if named and len(named) == len(found):
            return Groups(unit=unit, of_file=named)
    return None
