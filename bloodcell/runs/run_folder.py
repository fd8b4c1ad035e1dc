"""The folder of one run: what it was asked, what it has measured, whether it lives, and how it ended."""

import contextlib
import csv
import io
import logging
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, get_type_hints

from bloodcell.config import RunConfig
from bloodcell.datasets.data_use import read_data_use
from bloodcell.datasets.folder_scan import DataFolders
from bloodcell.datasets.split import Split, read_split, write_split
from bloodcell.errors import RunFolderError
from bloodcell.json_objects import read_json_object
from bloodcell.paths import write_atomically
from bloodcell.processes.process_folder import ProcessFolder
from bloodcell.setting_checks import check_types
from bloodcell.weights.card import read_card
from bloodcell.weights.pair import settle_pair


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
    """Batches done in this epoch, and in all of it; images while data are read."""
    images_per_second: float
    eta_seconds: float | None
    """Until the end of the run; None before the first measurement."""
    activity: str = "training"
    """What is being done, in words."""
    device_memory_mib: float | None = None
    """Most memory that the run held on a GPU so far; None on the CPU."""


class RunFolder(ProcessFolder):
    """Paths, reading and writing of one run's files. Every write is whole or not at all."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.config = self.path / "config.json"
        self.split = self.path / "split.csv"
        self.data_use = self.path / "images.json"
        """How many of the folders' images the split holds, per class."""
        self.metrics = self.path / "metrics.csv"
        self.log = self.path / "train.log"
        self.checkpoint = self.path / "last.pt"
        self.best = self.path / "best.safetensors"
        self.predictions = self.path / "predictions_validation.csv"
        self.test_predictions = self.path / "predictions_test.csv"

    def create(self, config: RunConfig, folders: DataFolders) -> None:
        """Make the folder and write its config.

        Raises:
            RunFolderError: a run is there already, or the folder cannot be written.
        """
        if self.config.exists():
            raise RunFolderError(f"{self.path} already holds a run. Go on with it (--resume), or name another folder.")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.keep_room()
            self.write_config(config, folders)
        except OSError as error:
            raise RunFolderError(f"The run folder {self.path} cannot be written: {error.strerror}.") from error

    def write_config(self, config: RunConfig, folders: DataFolders) -> None:
        """Write config.json."""
        more: dict[str, Any] = {}
        if folders.more_training is not None:
            more["more_training_folder"] = str(folders.more_training)
        if folders.allow_unusable:
            more["allow_unusable"] = True
        self.write_json(self.config, {"config": config.to_dict(), "data_folder": str(folders.dataset), **more})

    def write_split(self, split: Split) -> None:
        """Write images.json and then split.csv; what is split is only written once all of it was read."""
        if split.use is not None:
            split.use.write(self.data_use)
        write_split(split, self.split)

    def read_split(self) -> Split:
        """Return the split with its use of the dataset.

        Raises:
            RunFolderError: there is none, or one of its files is damaged.
        """
        return replace(read_split(self.split), use=read_data_use(self.data_use))

    @contextlib.contextmanager
    def locked(self, *, again: bool = True) -> Iterator[None]:
        """Hold the run for this process, as `ProcessFolder.locked` does, and remove what a killed one left."""
        with super().locked(again=again):
            self._remove_half_written_files()
            yield

    def _remove_half_written_files(self) -> None:
        """Remove what a process left that was killed while it wrote a file; only the holder of the lock may."""
        settle_pair(self.best)
        for name in (
            "config.json",
            "metrics.csv",
            "status.json",
            "last.pt",
            "best.*",
            ".best.*",
            "predictions_*",
            "split.csv",
            "images.json",
            "outcome.json",
            "stop.json",
        ):
            for path in self.path.glob(f".{name}.*"):
                path.unlink(missing_ok=True)

    def read_config(self) -> tuple[RunConfig, DataFolders]:
        """Return the config that the run was started with, and its data folders.

        Raises:
            RunFolderError: there is no run here, or its config is damaged.
        """
        try:
            values = read_json_object(self.config)
            more = values.get("more_training_folder")
            folders = DataFolders(
                dataset=Path(values["data_folder"]),
                more_training=None if more is None else Path(more),
                allow_unusable=values.get("allow_unusable") is True,
            )
            return RunConfig.from_dict(values["config"]), folders
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

    def read_metrics(self) -> list[EpochMetrics]:
        """Return a row per epoch that was finished; none before the first.

        Raises:
            RunFolderError: metrics.csv is damaged.
        """
        hints = get_type_hints(EpochMetrics)
        try:
            with self.metrics.open(newline="", encoding="utf-8") as stream:
                rows = [
                    EpochMetrics(**{name: kind(row[name]) for name, kind in hints.items()})
                    for row in csv.DictReader(stream)
                ]
                for row in rows:
                    check_types(row)
                return rows
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
            raise RunFolderError(f"{self.metrics} is damaged ({error}). Resume the run to write it anew.") from error

    def write_status(self, status: RunStatus) -> None:
        """Write status.json with this process's id, start time and a heartbeat."""
        self.write_process(asdict(status))

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
