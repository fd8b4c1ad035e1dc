"""Where the runs of a plan are trained: the seam between what is to be done and the machines that do it.

A plan is a list of jobs, a run each, in no need of one another. An executor trains them, in any order and any number
at a time, and says of each how it ended; whoever made the plan does not know where. A new executor has the three
methods below. Its jobs write into their run folders what every training writes: who works there (host, boot, process),
signs of life, and the outcome; `jobs/job.py` reads from those whether a run lives, on this machine or another.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from bloodcell.config import RunConfig
from bloodcell.training.train_run import TrainingWatch

Announce = Callable[[int, int, str], None]
"""Called before each run with its number from 1, the number of runs, and its name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TestImages:
    """Images that choose nothing and only report."""

    __test__ = False  # no test of pytest's

    folders: tuple[Path, ...]
    seen: frozenset[str]
    """Hashes of those that are among the training and validation images; they are left out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingJob:
    """A run that is to be trained, and then asked about test images; one that has begun goes on."""

    folder: Path
    """Of the run; absolute."""
    config: RunConfig
    data_folder: Path
    tests: TestImages
    allow_unusable: bool
    """Whether it may begin although a class or more than a few images are unusable."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JobEnd:
    """How a job ended that was not broken off by an error."""

    job: TrainingJob
    state: Literal["finished", "stopped", "diverged"]
    """diverged: the loss stopped being a number; the reason is in the run's outcome.json."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanWatch(TrainingWatch):
    """What is told about the jobs of a plan, and what is asked."""

    announce: Announce


class Executor(Protocol):
    """Trains the jobs of a plan."""

    def reserved(
        self, config: RunConfig, folder: Path, *, wait: bool, should_stop: Callable[[], bool]
    ) -> AbstractContextManager[None]:
        """Keep what the jobs need while all of them are trained, where that has to be kept.

        Args:
            config: of any of the jobs; they share the device.
            folder: of the plan, told to those who are refused.
            wait: for what something else uses now, instead of refusing.

        Raises:
            DeviceBusy: something else trains there.
        """
        ...

    def measured(self, config: RunConfig) -> RunConfig:
        """Replace 'auto' in settings by what is fastest where the jobs are trained."""
        ...

    def run(self, jobs: Sequence[TrainingJob], watch: PlanWatch) -> Iterator[JobEnd]:
        """Train what is missing of each job, and yield its end as it comes; after a stop that was asked for, no more.

        Raises:
            BloodcellError: as `start_run`; the other jobs keep what they have done.
        """
        ...
