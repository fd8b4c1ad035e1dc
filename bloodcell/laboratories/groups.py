"""Which slide or patient each labelled image is of, where a table beside the class folders says so."""

import csv
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bloodcell.datasets.folder_scan import LabelledFile
from bloodcell.paths import readable_path

TABLE_NAME = "labels.csv"
logger = logging.getLogger(__name__)
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
    """Read labels.csv of a folder: a column `file`, a path below the folder or a name alone, and one of UNITS.

    None where there is no such table, it cannot be read, it has no such column, not every file has a group in it, or
    all are of one group. A name alone counts where no other image and no other row has it.
    """
    path = folder / TABLE_NAME
    if not path.is_file():
        return None
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, ValueError, csv.Error) as error:
        logger.warning("%s cannot be read (%s): accuracy has no interval over slides", readable_path(path), error)
        return None
    names = Counter(_name(file.relative_path) for file in files)
    told = [(str(row.get("file") or "").replace("\\", "/"), row) for row in rows]
    rows_of = Counter(file for file, _ in told)
    for unit in UNITS:
        known = {file: str(row[unit]) for file, row in told if row.get(unit) and rows_of[file] == 1}
        found = {
            file.relative_path: known.get(file.relative_path)
            or (known.get(_name(file.relative_path)) if names[_name(file.relative_path)] == 1 else None)
            for file in files
        }
        named = {name: group for name, group in found.items() if group}
        if len(named) == len(found) and len(set(named.values())) > 1:
            return Groups(unit=unit, of_file=named)
    return None


def _name(path: str) -> str:
    return PurePosixPath(path).name
