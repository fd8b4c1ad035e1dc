"""The state of a job, read from its folder and its process alone: every reader sees the same truth."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from bloodcell.errors import BloodcellError, RunFolderError
from bloodcell.jobs.queue import QueueEntry, entry_of, read_entries
from bloodcell.paths import runs_folder
from bloodcell.processes import heartbeat
from bloodcell.processes.process_folder import ProcessFolder
from bloodcell.runs.run_folder import RunFolder, RunStatus
from bloodcell.setting_checks import check_types

JobState = Literal["queued", "running", "stopping", "finished", "stopped", "failed", "lost"]
ACTIVE: tuple[JobState, ...] = ("queued", "running", "stopping")
"""States that change by themselves."""
LIVES_WITHIN_SECONDS = 60.0
"""For how long a sign of life counts that was seen of another machine's process."""
LOOK_SECONDS = 5.0
"""For how long a sign of life is looked for before another machine's run is touched; a training gives one in two."""
_LOOK_AGAIN_SECONDS = 0.1
_WATCH = heartbeat.Watch()
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
    silent_seconds: float | None
    """How long ago the process gave a sign of life, for an active one that gives any; of another machine, for how long
    none was seen. It does not come from the wall clock."""
    stop_asked_seconds: float | None
    """How long ago it was asked to stop; None where it was not."""

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
    values = _status_values(files)
    stop_asked = None
    try:
        state, reason = _state(files, entry)
        stop_asked = files.stop_age_seconds()
    except BloodcellError as error:
        state, reason = "failed", str(error)
    before = [other for other in entries if entry is not None and other.device == entry.device and other.id < entry.id]
    return Job(
        folder=files.path,
        state=state,
        reason=reason,
        submitted=None if entry is None else entry.submitted,
        device=None if entry is None else entry.device,
        jobs_before=len(before),
        status=_run_status(values),
        silent_seconds=_silent_seconds(files, values) if state in ("running", "stopping") else None,
        stop_asked_seconds=stop_asked,
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
    """Return where a job stands: its lock tells whether it lives, whatever is written about its process."""
    is_alive = (entry is not None and entry.is_alive()) or files.is_worked_in()
    try:
        outcome = files.read_outcome()
    except BloodcellError:
        if not is_alive:
            raise
        outcome = None
    if outcome is not None:
        # A process that wrote how it ended has but moments to live; until then its device is taken.
        return outcome["state"], outcome["reason"]
    if is_alive:
        return ("stopping" if files.stop.exists() else "running"), ""
    if entry is not None and entry.started is None:
        return "queued", ""
    # The process may have ended, and said how, since the outcome was looked for.
    if (outcome := files.read_outcome()) is not None:
        return outcome["state"], outcome["reason"]
    process = files.process()
    if process is not None and process.may_live_elsewhere:
        return _state_elsewhere(files, process.host)
    if files.stop.exists():
        return "stopped", files.stop_words()
    return "lost", LOST_REASON


def _state_elsewhere(files: ProcessFolder, host: str) -> tuple[JobState, str]:
    """Return what can be said of another machine's process where its lock is not seen: a new sign of life, or none."""
    seconds, has_changed = _WATCH.look(files.status, _sign(_status_values(files)))
    if has_changed and seconds < LIVES_WITHIN_SECONDS:
        return ("stopping" if files.stop.exists() else "running"), ""
    return "lost", (
        f"it was worked on by {host}, and no sign of life was seen for {seconds:.0f} s. If it still works there, that "
        "shows here within seconds; otherwise what it finished is kept, and it can be resumed"
    )


def refuse_signs_of_life(folder: Path) -> None:
    """Refuse to touch a job of another machine that gives a sign of life; this takes some seconds.

    Raises:
        RunFolderError: it does.
    """
    files = ProcessFolder(folder)
    try:
        process = files.process()
    except BloodcellError:
        return
    if process is None or not process.may_live_elsewhere or files.outcome.exists():
        return
    first, deadline = _sign(_status_values(files)), time.monotonic() + LOOK_SECONDS
    while time.monotonic() < deadline:
        time.sleep(_LOOK_AGAIN_SECONDS)
        if _sign(_status_values(files)) != first:
            raise RunFolderError(f"{files.path.name} is worked on by {process.host} just now. Stop it there first.")


def _silent_seconds(files: ProcessFolder, values: Mapping[str, Any]) -> float | None:
    if (age := heartbeat.age_seconds(values)) is not None or _sign(values) is None:
        return age
    return _WATCH.look(files.status, _sign(values))[0]


def _sign(values: Mapping[str, Any]) -> object:
    return values.get("heartbeat_monotonic")


def _status_values(files: ProcessFolder) -> Mapping[str, Any]:
    """Return what status.json says; nothing where it is damaged, which only matters where no lock tells more."""
    try:
        return files.read_status() or {}
    except BloodcellError:
        return {}


def _run_status(values: Mapping[str, Any]) -> RunStatus | None:
    names = {field.name for field in fields(RunStatus)}
    try:
        status = RunStatus(**{name: value for name, value in values.items() if name in names})
        check_types(status)
    except (TypeError, ValueError):
        return None  # not a training, one of another version, or edited by hand
    is_sound = 0 <= status.epoch <= status.epochs and status.epochs >= 1 and 0 <= status.step <= status.steps
    return status if is_sound and (status.eta_seconds or 0) >= 0 else None


def _changed(folder: Path) -> float:
    config = RunFolder(folder).config
    return config.stat().st_mtime if config.exists() else 0.0
