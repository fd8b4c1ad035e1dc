"""The state of a job, read from its folder and its process alone: every reader sees the same truth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from bloodcell.errors import BloodcellError
from bloodcell.jobs.queue import QueueEntry, entry_of, read_entries
from bloodcell.paths import runs_folder
from bloodcell.training.process_folder import ProcessFolder
from bloodcell.training.run_folder import RunFolder, RunStatus

JobState = Literal["queued", "running", "stopping", "finished", "stopped", "failed", "lost"]
ACTIVE: tuple[JobState, ...] = ("queued", "running", "stopping")
"""States that change by themselves."""
LOST_REASON = (
    "its process ended without a word: it was killed, or the machine was restarted. What it finished is kept; resume it"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """What is known about a job, or about a run that no process works on."""

    folder: Path
    state: JobState
    reason: str
    """Why it failed, stopped or was lost; empty otherwise."""
    submitted: float | None
    """When it was handed in, seconds since 1970; None where it is not in the queue."""
    device: str | None
    """'cpu', 'cuda-N' or 'none'; None where it is not in the queue."""
    jobs_before: int
    """Jobs on the same device that come first."""
    status: RunStatus | None
    """What a training wrote last."""
    heartbeat: float | None
    """When it wrote it, seconds since 1970."""

    @property
    def name(self) -> str:
        """Return the folder's name."""
        return self.folder.name

    @property
    def is_active(self) -> bool:
        """Tell whether it waits or runs."""
        return self.state in ACTIVE


def list_jobs() -> list[Job]:
    """Return all runs, and all other jobs that wait or run; the newest first."""
    entries = read_entries()
    return _newest_first([*_run_folders(), *(entry.folder for entry in entries)], entries)


def list_runs() -> list[Job]:
    """Return all runs, whether a process works on them or not, and no other job; the newest first.

    Folders without a config.json, files and hidden names among the runs are skipped. Suites, downloads and evaluations
    lie elsewhere, and may have the name of a run.
    """
    return _newest_first(_run_folders(), read_entries())


def read_job(folder: Path, entries: Sequence[QueueEntry] | None = None) -> Job:
    """Return the state of the job in a folder.

    Args:
        entries: the queue, where it was read already.
    """
    files = ProcessFolder(folder)
    entries = read_entries() if entries is None else entries
    entry = entry_of(files.path, entries)
    try:
        state, reason = _state(files, entry)
        values = files.read_status() or {}
    except BloodcellError as error:
        state, reason, values = "failed", str(error), {}
    before = [other for other in entries if entry is not None and other.device == entry.device and other.id < entry.id]
    return Job(
        folder=files.path,
        state=state,
        reason=reason,
        submitted=None if entry is None else entry.submitted,
        device=None if entry is None else entry.device,
        jobs_before=len(before),
        status=_run_status(values),
        heartbeat=values.get("heartbeat"),
    )


def epochs_done(folder: Path) -> int:
    """Return how many epochs a run has finished; 0 where that cannot be read."""
    try:
        return len(RunFolder(folder).read_metrics())
    except BloodcellError:
        return 0


def _run_folders() -> list[Path]:
    found = [path.parent for path in runs_folder().glob("*/config.json")]
    return [folder.resolve() for folder in found if not folder.name.startswith(".")]


def _newest_first(folders: Sequence[Path], entries: Sequence[QueueEntry]) -> list[Job]:
    jobs = [read_job(folder, entries) for folder in dict.fromkeys(folders)]
    return sorted(jobs, key=lambda job: (job.submitted or _changed(job.folder), job.name), reverse=True)


def _state(files: ProcessFolder, entry: QueueEntry | None) -> tuple[JobState, str]:
    process = files.process()
    if (outcome := files.read_outcome()) is not None:
        # A process that wrote how it ended has but moments to live; until then its device is taken.
        return outcome["state"], outcome["reason"]
    is_alive = (entry is not None and entry.is_alive()) or (process is not None and process.is_alive())
    if is_alive:
        return ("stopping" if files.stop.exists() else "running"), ""
    if entry is not None and entry.started is None:
        return "queued", ""
    # The process may have ended, and said how, since the outcome was looked for.
    if (outcome := files.read_outcome()) is not None:
        return outcome["state"], outcome["reason"]
    if files.stop.exists():
        return "stopped", "it was asked to stop"
    return "lost", LOST_REASON


def _run_status(values: Mapping[str, Any]) -> RunStatus | None:
    names = {field.name for field in fields(RunStatus)}
    try:
        return RunStatus(**{name: value for name, value in values.items() if name in names})
    except TypeError:
        return None  # not a training, or one of another version


def _changed(folder: Path) -> float:
    config = RunFolder(folder).config
    return config.stat().st_mtime if config.exists() else 0.0
