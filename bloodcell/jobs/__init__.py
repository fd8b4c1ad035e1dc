"""Jobs: what is trained, measured or downloaded in the background. Folder and process alone tell the state."""

from bloodcell.jobs.control import delete_job_folder, delete_run, enqueue_command, enqueue_run, resume_run, stop_job
from bloodcell.jobs.dataset_deletion import delete_dataset
from bloodcell.jobs.job import ACTIVE, Job, JobState, epochs_done, list_jobs, list_runs, read_job
from bloodcell.jobs.worker import ensure_worker

__all__ = [
    "ACTIVE",
    "Job",
    "JobState",
    "delete_dataset",
    "delete_job_folder",
    "delete_run",
    "enqueue_command",
    "enqueue_run",
    "ensure_worker",
    "epochs_done",
    "list_jobs",
    "list_runs",
    "read_job",
    "resume_run",
    "stop_job",
]
