"""The folder of one run: what it was asked, what it has measured, whether it lives, and how it ended."""

import contextlib
import csv
import fcntl
import io
import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from bloodcell.config import RunConfig
from bloodcell.errors import RunFolderError
from bloodcell.models.weights_file import read_card
from bloodcell.paths import write_atomically

OutcomeState = Literal["finished", "stopped", "failed"]


@dataclass(frozen=True, kw_only=True, slots=True)
class EpochMetrics:
    """One row of metrics.csv."""

    epoch: int
    """Counted from 1."""
    image_size_px: int
    training_loss: float
    """Running, with augmentation, dropout and label smoothing."""
    training_accuracy: float
    """Running, with augmentation and dropout, 0 to 1; below validation for that reason."""
    validation_loss: float
    """Cross-entropy without label smoothing."""
    validation_accuracy: float
    learning_rate: float
    images_per_second: float
    """Training images, without validation."""
    seconds: float
    """The whole epoch with validation."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunStatus:
    """status.json: what a living run does now."""

    epoch: int
    """The epoch under way, counted from 1; 0 while data are read."""
    epochs: int
    step: int
    steps: int
    """Batches done in this epoch, and in all of it."""
    images_per_second: float
    eta_seconds: float | None
    """Until the end of the run; None before the first measurement."""


class RunFolder:
    """Paths, reading and writing of one run's files. Every write is whole or not at all."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.config = self.path / "config.json"
        self.split = self.path / "split.csv"
        self.metrics = self.path / "metrics.csv"
        self.status = self.path / "status.json"
        self.log = self.path / "train.log"
        self.checkpoint = self.path / "last.pt"
        self.best = self.path / "best.safetensors"
        self.predictions = self.path / "predictions_validation.csv"
        self.outcome = self.path / "outcome.json"

    def create(self, config: RunConfig, data_folder: Path) -> None:
        """Make the folder and write its config.

        Raises:
            RunFolderError: a run is there already, or the folder cannot be written.
        """
        if self.config.exists():
            raise RunFolderError(f"{self.path} already holds a run. Go on with it (--resume), or name another folder.")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._write_json(self.config, {"config": config.to_dict(), "data_folder": str(data_folder)})
        except OSError as error:
            raise RunFolderError(f"The run folder {self.path} cannot be written: {error.strerror}.") from error

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for this process; the lock ends with the process, however that ends.

        Raises:
            RunFolderError: another process trains this run, or the folder cannot be made.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            stream = (self.path / ".lock").open("w")
        except OSError as error:
            raise RunFolderError(f"The run folder {self.path} cannot be written: {error.strerror}.") from error
        with stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise RunFolderError(
                    f"Another process trains the run in {self.path}. Wait for it, or stop it."
                ) from error
            yield

    def read_config(self) -> tuple[RunConfig, Path]:
        """Return the config that the run was started with, and its data folder.

        Raises:
            RunFolderError: there is no run here, or its config is damaged.
        """
        try:
            values = json.loads(self.config.read_bytes())
            return RunConfig.from_dict(values["config"]), Path(values["data_folder"])
        except FileNotFoundError as error:
            raise RunFolderError(
                f"There is no run in {self.path}. Start one with an experiment and a data folder."
            ) from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunFolderError(
                f"The config of the run in {self.path} is damaged ({error}). Start a new run."
            ) from error

    def refuse_other_settings(self, settings: Mapping[str, Any]) -> None:
        """Refuse settings that are not those that the run began with; None stands for not given.

        Raises:
            RunFolderError: names the first that differs; or there is no run.
        """
        recorded = self.read_config()[0].to_dict()
        for name, value in settings.items():
            if value is not None and value != recorded[name]:
                raise RunFolderError(
                    f"The run in {self.path} began with {name} {recorded[name]}, not {value}. Resume it without that "
                    "setting, or start a new run in another folder."
                )

    def write_metrics(self, rows: list[EpochMetrics]) -> None:
        """Write metrics.csv whole, a row per epoch."""
        stream = io.StringIO(newline="")
        writer = csv.DictWriter(stream, fieldnames=list(EpochMetrics.__dataclass_fields__))
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
        write_atomically(self.metrics, stream.getvalue().encode())

    def write_status(self, status: RunStatus) -> None:
        """Write status.json with this process's id, start time and a heartbeat."""
        process = {"pid": os.getpid(), "process_start_time": _PROCESS_START, "heartbeat": time.time()}
        self._write_json(self.status, {**process, **asdict(status)})

    def write_outcome(self, state: OutcomeState, reason: str) -> None:
        """Write outcome.json, the last file of a run."""
        self._write_json(self.outcome, {"state": state, "reason": reason, "ended": time.time()})

    def read_outcome(self) -> dict[str, Any] | None:
        """Return how the run ended, or None while it has not."""
        return json.loads(self.outcome.read_bytes()) if self.outcome.exists() else None

    def best_sentence(self) -> str:
        """Return what the best epoch reached, in words.

        Raises:
            WeightsError: the run has no weights yet.
        """
        figures = read_card(self.best.with_suffix(".json")).metrics["validation"]
        low, high = figures["accuracy_interval"]
        return (
            f"Best validation accuracy {figures['accuracy']:.2%} of {figures['n']} images "
            f"(95 % interval {low:.2%} to {high:.2%}; these images also chose the epoch). Weights: {self.best}"
        )

    def log_handler(self) -> logging.Handler:
        """Return a handler that appends to train.log."""
        handler = logging.FileHandler(self.log, encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        return handler

    def _write_json(self, path: Path, values: dict[str, Any]) -> None:
        write_atomically(path, (json.dumps(values, indent=1) + "\n").encode())


def _process_start_time() -> float:
    """Return when this process began, seconds since 1970, as the system counts it where it says so."""
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        boot = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime"))
        return int(boot.split()[1]) + ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, StopIteration, IndexError, ValueError):
        return _IMPORTED


_IMPORTED = time.time()
_PROCESS_START = _process_start_time()
