"""The record of a run: what it was asked, what it measured and what it answered, read from its folder alone.

A record is a run folder without its weights and checkpoint, so that a finished suite can be shown where nothing was
trained. Runs under way are read in the same way.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from bloodcell.answers.labelled_table import LabelledTable, read_labelled_table
from bloodcell.config import RunConfig
from bloodcell.errors import BloodcellError
from bloodcell.packed_text import kept_file
from bloodcell.runs.run_folder import EpochMetrics, RunFolder
from bloodcell.weights.card import WeightsCard, read_card

_KEPT_TABLES = 128
_RECORD_PATTERNS = ("config.json", "*/config.json", "runs/*/config.json", "*/runs/*/config.json")
"""Where configs lie below a run, a folder of runs, a suite, and a folder of suites."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunRecord:
    """One run as its folder tells it."""

    name: str
    """Name of its folder."""
    path: Path
    config: RunConfig
    metrics: tuple[EpochMetrics, ...]
    """A row per epoch that is done."""
    outcome: dict[str, Any] | None
    """state, reason and time of its end; None while it has not ended."""
    best_card: WeightsCard | None
    """The card of its best weights; None before the first epoch is done."""

    @property
    def is_finished(self) -> bool:
        """Whether the last epoch was reached."""
        return self.outcome is not None and self.outcome["state"] == "finished"

    @property
    def validation(self) -> LabelledTable | None:
        """Answers on the validation images at the best epoch; None where there are none.

        Raises:
            RunFolderError: the table is damaged.
        """
        return _table(RunFolder(self.path).predictions)

    @property
    def test(self) -> LabelledTable | None:
        """Answers of the best weights on the suite's test images; None where there are none.

        Raises:
            RunFolderError: the table is damaged.
        """
        return _table(RunFolder(self.path).test_predictions)


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordScan:
    """The records below some folders."""

    records: tuple[RunRecord, ...]
    """In the order of the folders, then of their paths."""
    damaged: tuple[str, ...]
    """A sentence for each run that cannot be read."""


def read_record(path: Path) -> RunRecord:
    """Read one run's record.

    Raises:
        RunFolderError: there is no run, or its config or metrics are damaged.
        WeightsError: the card of its best weights is damaged.
    """
    folder = RunFolder(path)
    config, _ = folder.read_config()
    card = folder.best.with_suffix(".json")
    return RunRecord(
        name=folder.path.name,
        path=folder.path,
        config=config,
        metrics=tuple(folder.read_metrics()),
        outcome=folder.read_outcome(),
        best_card=read_card(card) if card.exists() else None,
    )


def scan_records(*roots: Path) -> RecordScan:
    """Read every record below the given folders, each a run, a folder of runs, a suite or a folder of suites.

    A folder that does not exist holds none. One that cannot be read does not hide the others.
    """
    records: list[RunRecord] = []
    damaged: list[str] = []
    for path in dict.fromkeys(path for root in roots for path in _run_folders(root)):
        try:
            records.append(read_record(path))
        except BloodcellError as error:
            damaged.append(str(error))
    return RecordScan(records=tuple(records), damaged=tuple(damaged))


def list_records(*roots: Path) -> list[RunRecord]:
    """Return the records below the given folders that can be read."""
    return list(scan_records(*roots).records)


def _run_folders(root: Path) -> Iterator[Path]:
    found = {config.parent.resolve() for pattern in _RECORD_PATTERNS for config in root.glob(pattern)}
    return iter(sorted(found))


def _table(path: Path) -> LabelledTable | None:
    kept = kept_file(path)
    return None if kept is None else _read_table(path, kept.stat().st_mtime_ns)


@lru_cache(maxsize=_KEPT_TABLES)
def _read_table(path: Path, changed_ns: int) -> LabelledTable:
    """Read a table once per time of change."""
    table = read_labelled_table(path)
    for array in (table.labels, table.probabilities):
        array.setflags(write=False)
    return table
