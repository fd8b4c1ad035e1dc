"""`runs`: what waits, runs and has ended."""

import argparse
import json
from typing import TYPE_CHECKING, Any

from bloodcell.commands.arguments import Commands
from bloodcell.errors import BloodcellError

if TYPE_CHECKING:
    from bloodcell.jobs import Job


def add_to(commands: Commands) -> None:
    """Name the command's arguments."""
    runs = commands.add_parser("runs", help="list runs and other jobs with their states, the newest first")
    runs.set_defaults(run=run)
    runs.add_argument("--json", action="store_true", help="as JSON, one object per run")


def run(options: argparse.Namespace) -> int:
    """Do it; return the exit status."""
    from bloodcell.jobs import list_jobs
    from bloodcell.paths import runs_folder

    rows = [_row(job) for job in list_jobs()]
    if options.json:
        print(json.dumps(rows, indent=1))
    elif not rows:
        print(f"There are no runs in {runs_folder()}.")
    else:
        width = max(len(row["name"]) for row in rows)
        for row in rows:
            print(f"{row['name']:{width}}  {row['state']:8}  {_words(row)}".rstrip())
    return 0


def _row(job: "Job") -> dict[str, Any]:
    from bloodcell.jobs import epochs_done

    status = job.status
    return {
        "name": job.name,
        "state": job.state,
        "reason": job.reason,
        "device": job.device,
        "jobs_before": job.jobs_before,
        "epoch": status.epoch if status is not None and job.is_active else None,
        "epochs_done": epochs_done(job.folder),
        "epochs": None if status is None else status.epochs,
        "eta_seconds": status.eta_seconds if status is not None and job.is_active else None,
        "best_validation_accuracy": _best_accuracy(job),
        "folder": str(job.folder),
    }


def _best_accuracy(job: "Job") -> float | None:
    from bloodcell.runs.run_folder import RunFolder

    try:
        rows = RunFolder(job.folder).read_metrics()
    except BloodcellError:
        return None
    return max((row.validation_accuracy for row in rows), default=None)


def _words(row: dict[str, Any]) -> str:
    words = []
    if row["state"] == "queued":
        words.append(f"{row['jobs_before']} before it on {row['device']}")
    if row["epoch"]:
        words.append(f"epoch {row['epoch']} of {row['epochs']}")
    elif row["epochs"] is not None and row["epoch"] is None:
        words.append(f"{row['epochs_done']} of {row['epochs']} epochs")
    if row["eta_seconds"] is not None:
        words.append(f"{row['eta_seconds'] / 60:.0f} min left")
    if row["best_validation_accuracy"] is not None:
        words.append(f"best validation accuracy {row['best_validation_accuracy']:.2%}")
    if row["reason"]:
        words.append(row["reason"])
    return ", ".join(words)
