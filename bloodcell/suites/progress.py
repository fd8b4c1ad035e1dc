"""Where a suite stands, read from its folder: the state of every run, and what is left."""

from dataclasses import dataclass
from typing import Literal

from bloodcell.errors import BloodcellError
from bloodcell.runs.run_folder import EpochMetrics, RunFolder
from bloodcell.suites.suite import Arm, Suite, SuiteFolder

RunState = Literal["waiting", "training", "interrupted", "finished", "failed"]


@dataclass(frozen=True, kw_only=True, slots=True)
class RunProgress:
    """One run of a suite."""

    arm: Arm
    seed: int
    state: RunState
    """interrupted: it was stopped or killed and goes on from its last whole epoch."""
    epochs_done: int
    best_validation_accuracy: float | None
    """So far, 0 to 1; None before the first epoch is done."""
    reason: str
    """Why it failed; empty otherwise."""

    @property
    def share(self) -> float:
        """Share of its epochs that is done, 0 to 1."""
        return 1.0 if self.state == "finished" else self.epochs_done / self.arm.config.epochs


@dataclass(frozen=True, kw_only=True, slots=True)
class SuiteProgress:
    """All runs of a suite, in the order in which they are trained."""

    suite: Suite
    runs: tuple[RunProgress, ...]

    @property
    def finished(self) -> int:
        """Runs that reached their last epoch."""
        return sum(run.state == "finished" for run in self.runs)

    @property
    def share(self) -> float:
        """Share of all epochs that is done, 0 to 1."""
        return sum(run.share for run in self.runs) / len(self.runs)

    def run(self, arm: str, seed: int) -> RunProgress:
        """Return one run.

        Raises:
            KeyError: the suite has no such run.
        """
        return {(run.arm.name, run.seed): run for run in self.runs}[arm, seed]


def read_progress(folder: SuiteFolder) -> SuiteProgress:
    """Read where a suite stands.

    Raises:
        RunFolderError: there is no suite, or suite.json is damaged; a damaged run counts as failed.
    """
    suite = folder.read()
    return SuiteProgress(
        suite=suite, runs=tuple(_run_progress(folder, arm, seed) for arm, seed in suite.planned_runs())
    )


def _run_progress(folder: SuiteFolder, arm: Arm, seed: int) -> RunProgress:
    run = RunFolder(folder.run_path(arm.name, seed))
    metrics: list[EpochMetrics] = []
    try:
        metrics = run.read_metrics()
        state, reason = _state(run)
    except BloodcellError as error:
        state, reason = "failed", str(error)
    return RunProgress(
        arm=arm,
        seed=seed,
        state=state,
        epochs_done=len(metrics),
        best_validation_accuracy=max((row.validation_accuracy for row in metrics), default=None),
        reason=reason,
    )


def _state(run: RunFolder) -> tuple[RunState, str]:
    if not run.config.exists():
        return "waiting", ""
    outcome = run.read_outcome()
    if outcome is not None and outcome["state"] == "finished":
        return "finished", ""
    if outcome is not None and outcome["state"] == "failed":
        return "failed", str(outcome["reason"])
    return ("training" if outcome is None and run.is_worked_in() else "interrupted"), ""
