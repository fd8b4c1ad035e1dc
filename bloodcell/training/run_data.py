"""The images of one run: checked, split, and decoded once."""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from bloodcell.config import RunConfig
from bloodcell.data.batches import TrainingBatches, whole_image_size_px
from bloodcell.data.folder_scan import DataFolders, LabelledFile, few_of_each_class, scan_dataset
from bloodcell.data.image_cache import decode_images, labels_of
from bloodcell.data.integrity import IntegrityReport, check_images
from bloodcell.data.split import Split, SplitFile, stratified_split, with_more_training
from bloodcell.errors import DatasetError

logger = logging.getLogger(__name__)

Progress = Callable[[str, int, int], None]
"""Called with what is being done, done so far, and in all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunData:
    """What a trainer reads."""

    split: Split
    training_images: Tensor
    """(N, 3, S, S) uint8, whole images, on the CPU."""
    training_labels: Tensor
    """(N,) int64."""
    validation_images: Tensor
    """(M, 3, S, S) uint8, the field of view at the size the model answers at."""
    validation_labels: Tensor

    def training_batches(self, config: RunConfig, device: torch.device) -> TrainingBatches:
        """Return the batches of the training side on a device."""
        return TrainingBatches(self.training_images, self.training_labels, config, device)

    @property
    def fingerprint(self) -> str:
        """Return `split_fingerprint` of these images."""
        return split_fingerprint(self.split)


def split_fingerprint(split: Split) -> str:
    """Return a hash over the hashes, labels and sides of all images, hexadecimal; folder names do not matter."""
    lines = sorted(
        f"{part} {entry.label} {entry.sha256}"
        for part, entries in (("training", split.all_training), ("validation", split.validation))
        for entry in entries
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def split_dataset(config: RunConfig, folders: DataFolders, progress: Progress) -> Split:
    """Scan a dataset, check as many of its images as the run reads, leave out what is not usable, split the rest.

    Raises:
        DatasetError: a folder holds no dataset, or too few usable images.
    """
    files = scan_dataset(folders.dataset).files
    if config.images_per_class is not None:
        files = few_of_each_class(files, config.images_per_class, seed=config.split_seed)
    report = _checked(folders.dataset, files, progress)
    split = stratified_split(
        report.usable, report.sha256, split_seed=config.split_seed, validation_share=config.validation_share
    )
    if folders.more_training is None:
        return split
    report = _checked(folders.more_training, scan_dataset(folders.more_training).files, progress)
    return with_more_training(split, report.usable, report.sha256)


def _checked(folder: Path, files: tuple[LabelledFile, ...], progress: Progress) -> IntegrityReport:
    report = check_images(files, progress=lambda done, total: progress("checking images", done, total))
    for sentence in report.sentences():
        logger.info("%s", sentence)
    if not report.usable:
        raise DatasetError(f"No image in {folder} can be used. {' '.join(report.sentences())}")
    return report


def load_run_data(config: RunConfig, folders: DataFolders, split: Split, progress: Progress) -> RunData:
    """Decode both sides of a split.

    Raises:
        DatasetError: a file is missing or has changed, or the second folder of training images is not known.
    """
    whole_px = whole_image_size_px(config, config.image_size_px)

    def decode_training(folder: Path, entries: tuple[SplitFile, ...]) -> Tensor:
        return decode_images(
            folder,
            entries,
            image_size_px=whole_px,
            progress=lambda done, total: progress("reading training images", done, total),
        )

    training_images = decode_training(folders.dataset, split.training)
    if split.more_training:
        if folders.more_training is None:
            raise DatasetError("This run also trains on images of a second folder. Name it.")
        training_images = torch.cat([training_images, decode_training(folders.more_training, split.more_training)])
    validation_images = decode_images(
        folders.dataset,
        split.validation,
        image_size_px=config.image_size_px,
        field_of_view=config.field_of_view,
        progress=lambda done, total: progress("reading validation images", done, total),
    )
    return RunData(
        split=split,
        training_images=training_images,
        training_labels=labels_of(split.all_training),
        validation_images=validation_images,
        validation_labels=labels_of(split.validation),
    )


class RunImages:
    """The images of runs that follow one another: what two runs share is checked, split and decoded once."""

    def __init__(self) -> None:
        self._splits: dict[tuple[object, ...], Split] = {}
        self._decoded: tuple[tuple[object, ...], RunData] | None = None

    def split(self, config: RunConfig, folders: DataFolders, progress: Progress) -> Split:
        """Return the split of a config, as `split_dataset` does."""
        key = (folders, config.split_seed, config.validation_share, config.images_per_class)
        if key not in self._splits:
            self._splits[key] = split_dataset(config, folders, progress)
        return self._splits[key]

    def load(self, config: RunConfig, folders: DataFolders, split: Split, progress: Progress) -> RunData:
        """Return decoded images, as `load_run_data` does; those of the last call are kept."""
        key = (folders, config.image_size_px, config.field_of_view, split)
        if self._decoded is None or self._decoded[0] != key:
            self._decoded = None  # Frees the last size before the next is read.
            self._decoded = (key, load_run_data(config, folders, split, progress))
        return self._decoded[1]
