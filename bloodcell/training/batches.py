"""Training batches: a fresh order every epoch, varied on the device, at the size the epoch asks for."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from bloodcell.config import RunConfig
from bloodcell.datasets.image_cache import shrink_images
from bloodcell.training.augmentation import BatchAugmenter


def whole_image_size_px(config: RunConfig, image_size_px: int) -> int:
    """Return the side, pixels, of a whole image whose field of view is `image_size_px` wide."""
    return math.ceil(image_size_px / config.field_of_view)


class TrainingBatches:
    """All training images as uint8 on the device; each epoch yields them once, in random order."""

    def __init__(self, images: Tensor, labels: Tensor, config: RunConfig, device: torch.device) -> None:
        """Take whole images, (N, 3, S, S) uint8 with S = `whole_image_size_px(config, config.image_size_px)`."""
        self.config = config
        self.images = images.to(device)
        self.labels = labels.to(device)
        self._shrunk = self.images

    def __len__(self) -> int:
        """Return the batches per epoch. A last batch of a single image is left out: batch norm cannot read it."""
        full, rest = divmod(len(self.labels), self.config.batch_size)
        return full + (1 if rest > 1 or full == 0 else 0)

    def epoch(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (images (B, 3, S, S) float32 normalised, labels (B,)) of an epoch counted from 0.

        The order and the variation come from torch's global random state.
        """
        image_size_px = self.config.image_size_at(epoch)
        whole_size_px = whole_image_size_px(self.config, image_size_px)
        if self._shrunk.shape[-1] != whole_size_px:
            self._shrunk = shrink_images(self.images, whole_size_px)
        augmenter = BatchAugmenter(
            self.config.augmentation, image_size_px=image_size_px, field_of_view=self.config.field_of_view
        )
        order = torch.randperm(len(self.labels)).to(self.labels.device)
        for chosen in order.split(self.config.batch_size)[: len(self)]:
            yield augmenter(self._shrunk[chosen]), self.labels[chosen]

    def clean(self, count: int) -> Iterator[Tensor]:
        """Yield the field of view of up to `count` images at the full size, not varied; always the same, classes mixed.

        Batches of one class each would have statistics that no batch of training has. Torch's global random state is
        left alone.
        """
        augmenter = BatchAugmenter(
            "none", image_size_px=self.config.image_size_px, field_of_view=self.config.field_of_view
        )
        chosen = torch.randperm(len(self.labels), generator=torch.Generator().manual_seed(0))[:count]
        for part in chosen.to(self.labels.device).split(self.config.batch_size):
            yield augmenter(self.images[part])
