"""Where results come from: records that ship, runs and suites of the home folder, evaluations; read once per change."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import streamlit as st

from bloodcell.errors import BloodcellError
from bloodcell.paths import SHIPPED_RECORDS, runs_folder, suites_folder
from bloodcell.report.arms import ArmRecords, group_arms
from bloodcell.report.comparison_table import comparison_table
from bloodcell.report.table import Table
from bloodcell.suites.run_record import RecordScan, RunRecord, scan_records
from bloodcell.suites.suite import SuiteFolder
from bloodcell.suites.table import suite_rows
from bloodcell.wording import counted
from webui.parts.session_keys import RESULTS_ARMS, RESULTS_ARMS_OFFERED, RESULTS_SOURCES
from webui.parts.words import error_words

RECORD_FILES = ("config.json", "metrics.csv", "outcome.json", "best.json", "predictions_test.csv*")
MOST_ARMS_AT_FIRST = 12
"""Arms that are chosen before a visitor chooses; more lines cannot be told apart."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ResultSource:
    """A folder of runs."""

    name: str
    """What the choice shows."""
    folder: Path


def result_sources() -> dict[str, ResultSource]:
    """Return all folders that hold runs, by name: the user's suites, the newest first, the user's runs, what ships.

    Of what ships, suites come first: they fill most of the page.
    """
    suites = sorted(_folders(suites_folder()), key=lambda path: -path.stat().st_mtime)
    sources = [ResultSource(name=f"Suite {path.name}", folder=path) for path in suites]
    sources.append(ResultSource(name="Trained runs", folder=runs_folder()))
    shipped = sorted(_folders(SHIPPED_RECORDS), key=lambda path: not SuiteFolder(path).suite.exists())
    sources += [ResultSource(name=f"Shipped {path.name}", folder=path) for path in shipped]
    return {source.name: source for source in sources if _record_times(source.folder)}


def choose_sources(sources: dict[str, ResultSource]) -> list[ResultSource]:
    """Show the choice of folders, where there is one."""
    names = list(sources)
    chosen = st.multiselect(
        "Runs from", names, default=names[:1], key=RESULTS_SOURCES, persist_state="session", placeholder="Choose runs"
    )
    return [sources[name] for name in chosen if name in sources]


def read_sources(chosen: Sequence[ResultSource]) -> list[RunRecord]:
    """Return the records of the chosen folders; a damaged one is named and does not hide the others."""
    scans = [_scan(str(source.folder), _record_times(source.folder)) for source in chosen]
    damaged = [sentence for scan in scans for sentence in scan.damaged]
    if damaged:
        title = f"{counted(len(damaged), 'run', 'runs')} cannot be read; all others are shown"
        with st.expander(title, icon=":material/broken_image:"):
            for sentence in damaged:
                # Plain text: the sentence holds paths, and so names that strangers chose.
                st.text(sentence)
    return [record for scan in scans for record in scan.records]


def choose_arms(records: Sequence[RunRecord]) -> list[ArmRecords]:
    """Show the choice of arms and return the chosen ones; arms that were not offered before are chosen at first."""
    arms = group_arms([record for record in records if record.metrics])
    names = [arm.name for arm in arms]
    kept = [name for name in st.session_state.get(RESULTS_ARMS, []) if name in names]
    offered = st.session_state.get(RESULTS_ARMS_OFFERED, []) if RESULTS_ARMS in st.session_state else []
    new = [name for name in names if name not in offered]
    st.session_state[RESULTS_ARMS] = kept + new[: max(0, MOST_ARMS_AT_FIRST - len(kept))]
    st.session_state[RESULTS_ARMS_OFFERED] = names
    chosen = st.multiselect(
        "Arms",
        names,
        key=RESULTS_ARMS,
        placeholder="Choose arms",
        help="An arm is one setting, trained with one or several seeds.",
    )
    return [arm for arm in arms if arm.name in chosen]


def suite_comparisons(chosen: Sequence[ResultSource]) -> list[Table]:
    """Return the comparison of arms of every chosen folder that is a suite; a damaged one is a sentence."""
    tables: list[Table] = []
    for source in chosen:
        if SuiteFolder(source.folder).suite.exists():
            try:
                table = _comparison(str(source.folder), _record_times(source.folder))
            except BloodcellError as error:
                st.warning(error_words(error), icon=":material/broken_image:")
                continue
            tables.append(replace(table, name=f"comparison_{len(tables) + 1}", title=f"Arms compared · {source.name}"))
    return tables


def _folders(parent: Path) -> list[Path]:
    return sorted(path for path in parent.glob("*") if path.is_dir()) if parent.is_dir() else []


def _record_times(folder: Path) -> tuple[tuple[str, int], ...]:
    """Return the files of all runs below a folder with the times of their last change: the key of what was read."""
    found = [
        (str(path), path.stat().st_mtime_ns)
        for pattern in ("*", "runs/*")
        for name in RECORD_FILES
        for path in folder.glob(f"{pattern}/{name}")
    ]
    return tuple(sorted(found))


@st.cache_resource(max_entries=8, show_spinner="Comparing arms …")
def _comparison(folder: str, times: tuple[tuple[str, int], ...]) -> Table:
    return comparison_table(suite_rows(SuiteFolder(Path(folder))))


@st.cache_resource(max_entries=32, show_spinner="Reading runs …")
def _scan(folder: str, times: tuple[tuple[str, int], ...]) -> RecordScan:
    return scan_records(Path(folder))
