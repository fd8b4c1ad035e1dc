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
from bloodcell.data.folder_scan import scan_dataset
from bloodcell.data.image_cache import decode_images, labels_of
from bloodcell.data.integrity import check_images
from bloodcell.data.split import Split, stratified_split
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
        """Return a hash over the hashes, labels and sides of all images, hexadecimal; folder names do not matter."""
        lines = sorted(
            f"{part} {entry.label} {entry.sha256}"
            for part, entries in (("training", self.split.training), ("validation", self.split.validation))
            for entry in entries
        )
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def split_dataset(config: RunConfig, data_folder: Path, progress: Progress) -> Split:
    """Scan and check a dataset, leave out what is not usable, and split the rest.

    Raises:
        DatasetError: the folder holds no dataset, or too few usable images.
    """
    scan = scan_dataset(data_folder)
    report = check_images(scan.files, progress=lambda done, total: progress("checking images", done, total))
    for sentence in report.sentences():
        logger.info("%s", sentence)
    if not report.usable:
        raise DatasetError(f"No image in {data_folder} can be used. {' '.join(report.sentences())}")
    return stratified_split(
        report.usable, report.sha256, split_seed=config.split_seed, validation_share=config.validation_share
    )


def load_run_data(config: RunConfig, data_folder: Path, split: Split, progress: Progress) -> RunData:
    """Decode both sides of a split.

    Raises:
        DatasetError: a file is missing or has changed.
    """
    whole_px = whole_image_size_px(config, config.image_size_px)
    training_images = decode_images(
        data_folder,
        split.training,
        image_size_px=whole_px,
        progress=lambda done, total: progress("reading training images", done, total),
    )
    validation_images = decode_images(
        data_folder,
        split.validation,
        image_size_px=config.image_size_px,
        field_of_view=config.field_of_view,
        progress=lambda done, total: progress("reading validation images", done, total),
    )
    return RunData(
        split=split,
        training_images=training_images,
        training_labels=labels_of(split.training),
        validation_images=validation_images,
        validation_labels=labels_of(split.validation),
    )
