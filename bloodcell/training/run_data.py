"""The images of one run: checked, split, and decoded once."""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from bloodcell.cell_classes import CLASS_COUNT
from bloodcell.config import RunConfig
from bloodcell.datasets.data_use import DataUse, FolderUse, counts_per_class, refuse_other_dataset, refuse_unusable
from bloodcell.datasets.folder_scan import DataFolders, LabelledFile, few_of_each_class, scan_dataset
from bloodcell.datasets.image_cache import decode_images, labels_of
from bloodcell.datasets.integrity import IntegrityReport, check_images
from bloodcell.datasets.split import Split, SplitFile, stratified_split, with_more_training
from bloodcell.errors import DatasetError
from bloodcell.training.batches import TrainingBatches, whole_image_size_px

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
        DatasetError: a folder holds no dataset, the disk does not give an image, or too few images are usable; so many
            unusable ones that the folders must allow it.
    """
    found = scan_dataset(folders.dataset).files
    files = _chosen(found, config)
    report = _checked(folders.dataset, files, progress)
    use = _use(found, files, report)
    if not folders.allow_unusable:
        refuse_unusable(use, folders.dataset, needs_all_classes=True)
    split = stratified_split(
        report.usable, report.sha256, split_seed=config.split_seed, validation_share=config.validation_share
    )
    if folders.more_training is None:
        return replace(split, use=DataUse(dataset=use))
    files = scan_dataset(folders.more_training).files
    report = _checked(folders.more_training, files, progress)
    more_use = _use(files, files, report)
    if not folders.allow_unusable:
        refuse_unusable(more_use, folders.more_training, needs_all_classes=False)
    split = with_more_training(split, report.usable, report.sha256)
    more_use = replace(more_use, used=_labels_per_class(split.more_training))
    return replace(split, use=DataUse(dataset=use, more_training=more_use))


def refuse_changed_dataset(config: RunConfig, folders: DataFolders, split: Split) -> None:
    """Refuse to go on with a split that is not of the dataset as it is now; decoding compares the images themselves.

    Raises:
        DatasetError: the dataset is gone, or holds images that were not there when it was split, and the folders do
            not allow that.
    """
    files = _chosen(scan_dataset(folders.dataset).files, config)
    if folders.allow_unusable:
        return
    then = split.use.dataset.checked if split.use else _labels_per_class((*split.training, *split.validation))
    refuse_other_dataset(counts_per_class(files), then, folders.dataset)


def _chosen(files: tuple[LabelledFile, ...], config: RunConfig) -> tuple[LabelledFile, ...]:
    few = config.images_per_class
    return files if few is None else few_of_each_class(files, few, seed=config.split_seed)


def _use(found: Sequence[LabelledFile], checked: Sequence[LabelledFile], report: IntegrityReport) -> FolderUse:
    return FolderUse(
        found=counts_per_class(found),
        checked=counts_per_class(checked),
        used=counts_per_class(report.usable),
        unreadable=len(report.unreadable),
    )


def _labels_per_class(entries: Sequence[SplitFile]) -> tuple[int, ...]:
    counts = [0] * CLASS_COUNT
    for entry in entries:
        counts[entry.label] += 1
    return tuple(counts)


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
        """Return (N, 3, S, S) uint8, as large as augmentation needs them."""
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
