"""How images of several laboratories are drawn, varied and looked at, for the weights that answer anywhere."""

from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from bloodcell.cell_classes import CLASS_COUNT
from bloodcell.config import Augmentation
from bloodcell.images.model_input import model_input
from bloodcell.models.efficientnet_lite import EfficientNetLite
from bloodcell.training.augmentation import BatchAugmenter
from tools.laboratory_images import LabelledImages, NoCells

FIELD_OF_VIEW = 0.65
SIZES_PX = ((0.0, 96), (0.45, 128))
"""From which share of the training on images have which size."""
HOME, OTHERS, NO_CELLS = 26, 20, 6
"""Images of each kind in a batch."""
MILD_SHARE = {"home": 0.25, "others": 0.2}
"""Varied as the home recipe varies them; all others as laboratories differ."""
EXCHANGED_SHARE = 0.3
PEAK_RATE, WEIGHT_DECAY, WARM_UP = 1.5e-3, 0.02, 0.1
SECOND_PEAK_RATE = 5e-4
"""Of a second leg, which begins from what the first ended with."""
LABEL_SMOOTHING = 0.05
CELL_LOSS = 0.5
"""Weight of the question whether it is a cell."""


class Draws:
    """Which images the next batch holds: home and others halved about evenly, classes balanced in each."""

    def __init__(self, sets: dict[str, LabelledImages]) -> None:
        self.sets = {name: one for name, one in sets.items() if not one.is_held_out.all()}
        self.places = {
            name: [((one.labels == label) & ~one.is_held_out).nonzero()[:, 0] for label in range(CLASS_COUNT)]
            for name, one in self.sets.items()
        }
        self.home = [name for name in ("home", "more") if name in self.sets]
        self.others = [name for name in self.sets if name not in ("home", "more")]

    def batch(self, count: int, names: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Return images, (count, 3, S, S) uint8, and their labels: every class as often, each image of it as often.

        Among the other laboratories one is drawn by the root of its cells of the class, so that a large one does not
        stand for all.
        """
        images, labels = [], []
        sizes = torch.tensor(
            [[len(self.places[name][label]) for label in range(CLASS_COUNT)] for name in names]
        ).float()
        present = sizes.sum(0).nonzero()[:, 0]
        for _ in range(count):
            label = int(present[torch.randint(len(present), ())])
            weights = sizes[:, label].sqrt() if names == self.others else sizes[:, label]
            name = names[int(torch.multinomial(weights, 1))]
            places = self.places[name][label]
            images.append(self.sets[name].images[places[torch.randint(len(places), ())]])
            labels.append(label)
        return torch.stack(images), torch.tensor(labels)


def exchanged(images: Tensor, share: float) -> Tensor:
    """Give a share of images, uint8, part of the mean and spread of optical density of another image of the batch."""
    density = -torch.log((images.float() / 255).clamp(min=1 / 255))
    mean, deviation = density.mean((2, 3), keepdim=True), density.std((2, 3), keepdim=True) + 1e-3
    order = torch.randperm(len(images))
    chosen = (torch.rand(len(images), 1, 1, 1) < share).float() * torch.rand(len(images), 1, 1, 1)
    new_mean, new_deviation = torch.lerp(mean, mean[order], chosen), torch.lerp(deviation, deviation[order], chosen)
    moved = (density - mean) / deviation * new_deviation + new_mean
    return (torch.exp(-moved.clamp(min=0)) * 255).round().to(torch.uint8)


class Variation:
    """Varies a batch's images, each kind in its own way."""

    def __init__(self, size_px: int) -> None:
        self.size_px = size_px

        def augmenter(name: Augmentation) -> BatchAugmenter:
            return BatchAugmenter(name, image_size_px=size_px, field_of_view=FIELD_OF_VIEW)

        self.mild, self.far, self.fields = augmenter("mild"), augmenter("laboratories"), augmenter("laboratories")
        assert self.fields.ranges is not None
        self.fields.ranges = replace(self.fields.ranges, rotation_turns=0.01, log_scale=0.1, shift=0.03)

    def cells(self, images: Tensor, mild_share: Tensor) -> Tensor:
        """(N, 3, S, S) uint8, of all laboratories → (N, 3, s, s) float32. A share of each, (N,), is varied mildly."""
        is_mild = torch.rand(len(images)) < mild_share
        images = torch.where(is_mild.view(-1, 1, 1, 1), images, exchanged(images, EXCHANGED_SHARE))
        varied = torch.empty(len(images), 3, self.far.image_size_px, self.far.image_size_px)
        for augmenter, chosen in ((self.mild, is_mild), (self.far, ~is_mild)):
            if chosen.any():
                varied[chosen] = augmenter(images[chosen])
        return varied

    def no_cells(self, pictures: NoCells, count: int) -> Tensor:
        """→ (count, 3, s, s) float32, about a fifth of them fields."""
        field_count = min(len(pictures.fields), int(torch.distributions.Binomial(count, torch.tensor(0.2)).sample()))
        parts = []
        for images, augmenter, wanted in (
            (pictures.fields, self.fields, field_count),
            (pictures.pictures, self.far, count - field_count),
        ):
            if wanted:
                parts.append(augmenter(images[torch.randint(len(images), (wanted,))]))
        return torch.cat(parts)


def views(images: Tensor, size_px: int, field_of_view: float = FIELD_OF_VIEW) -> Tensor:
    """(N, 3, S, S) uint8, whole images → (N, 3, s, s) uint8, their middle, antialiased."""
    side = round(images.shape[-1] * field_of_view)
    start = (images.shape[-1] - side) // 2
    cut = images[:, :, start : start + side, start : start + side].float()
    resized = F.interpolate(cut, size=(size_px, size_px), mode="bilinear", antialias=True)
    return resized.round().clamp(0, 255).to(torch.uint8)


@torch.no_grad()
def averages(model: EfficientNetLite, inputs: Tensor) -> Tensor:
    """(N, 3, s, s), uint8 or normalised float32 → (N, C), the averages of the last feature map."""
    model.eval()
    found = []
    for batch in inputs.split(64):
        ready = model_input(batch) if batch.dtype == torch.uint8 else batch
        features = model.forward_features(ready.contiguous(memory_format=torch.channels_last))
        found.append(model.pooling(features).flatten(1))
    return torch.cat(found)
