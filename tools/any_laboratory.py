"""Train the weights that answer in any laboratory: on several laboratories, with strong variation; goes on if cut off.

EfficientNet-Lite0, from ImageNet, with a second output that says whether a picture shows a cell at all. Validation:
home images as of the home weights, slides of chula and fields of BCCD that are not trained on.

Run: python -m tools.any_laboratory OUT --home DIR --more DIR --bccd FIELDS --bccd-cells DIR --chula DIR
        --imagenet FILE.pth [--leave-out bccd|chula] [--seed N] [--samples N]
"""

import argparse
import math
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bloodcell.config import Augmentation
from bloodcell.images.model_input import model_input
from bloodcell.models.efficientnet_lite import HEAD_CHANNELS, EfficientNetLite
from bloodcell.models.registry import build_model
from bloodcell.training.augmentation import BatchAugmenter
from bloodcell.training.validation import predict_logits, set_exact_batch_norm
from tools.laboratory_images import LabelledImages, NoCells, cached, laboratory_images, no_cells

FIELD_OF_VIEW = 0.65
SIZES_PX = ((0.0, 96), (0.45, 128))
"""From which share of the training on images have which size."""
HOME, OTHERS, NO_CELLS = 26, 20, 6
"""Images of each kind in a batch."""
MILD_SHARE = {"home": 0.25, "others": 0.2}
"""Varied as the home recipe varies them; all others as laboratories differ."""
EXCHANGED_SHARE = 0.3
PEAK_RATE, WEIGHT_DECAY, WARM_UP = 1.5e-3, 0.02, 0.1
LABEL_SMOOTHING = 0.05
CELL_LOSS = 0.5
"""Weight of the question whether it is a cell."""


class Draws:
    """Which images the next batch holds: home and others halved about evenly, classes balanced in each."""

    def __init__(self, sets: dict[str, LabelledImages]) -> None:
        self.sets = {name: one for name, one in sets.items() if not one.is_held_out.all()}
        self.places = {
            name: [((one.labels == label) & ~one.is_held_out).nonzero()[:, 0] for label in range(8)]
            for name, one in self.sets.items()
        }
        self.home = [name for name in ("home", "more") if name in self.sets]
        self.others = [name for name in self.sets if name not in ("home", "more")]

    def batch(self, count: int, names: list[str]) -> tuple[Tensor, Tensor]:
        """Return `count` images, (N, 3, S, S) uint8, and labels; a class evenly, then an image of it evenly,
        those of a laboratory with few cells of the class no more often than five times its share."""
        images, labels = [], []
        sizes = torch.tensor([[len(self.places[name][label]) for label in range(8)] for name in names]).float()
        present = sizes.sum(0).nonzero()[:, 0]
        for _ in range(count):
            label = int(present[torch.randint(len(present), ())])
            weights = sizes[:, label].clamp(min=0).sqrt() if names == self.others else sizes[:, label]
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


def rate_at(progress: float) -> float:
    """Return the share of the peak rate: linear warm-up, then half a cosine down to 0."""
    if progress < WARM_UP:
        return progress / WARM_UP
    return (1 + math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP))) / 2


def views(one: LabelledImages | Tensor, size_px: int, field_of_view: float) -> Tensor:
    """→ (N, 3, s, s) uint8, the middle of whole images, antialiased."""
    images = one if isinstance(one, Tensor) else one.images
    side = round(images.shape[-1] * field_of_view)
    start = (images.shape[-1] - side) // 2
    cut = images[:, :, start : start + side, start : start + side].float()
    resized = F.interpolate(cut, size=(size_px, size_px), mode="bilinear", antialias=True)
    return resized.round().clamp(0, 255).to(torch.uint8)


class Training:
    """Everything that a training goes on with after a cut."""

    def __init__(self, options: argparse.Namespace, sets: dict[str, LabelledImages], pictures: NoCells) -> None:
        torch.manual_seed(options.seed)
        model = build_model("efficientnet_lite")
        assert isinstance(model, EfficientNetLite)
        model.load_imagenet_tensors(torch.load(options.imagenet, weights_only=True))
        self.model = model.to(memory_format=torch.channels_last)
        for part in (self.model.stem, self.model.stages[0]):
            part.requires_grad_(False)
        self.is_cell = nn.Linear(HEAD_CHANNELS, 1)
        trained = [p for p in (*self.model.parameters(), *self.is_cell.parameters()) if p.requires_grad]
        groups = [
            {"params": [p for p in trained if p.ndim > 1], "weight_decay": WEIGHT_DECAY},
            {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=PEAK_RATE)
        self.draws, self.pictures, self.out = Draws(sets), pictures, options.out
        self.steps = options.samples // (HOME + OTHERS)
        self.step = 0

    def state(self) -> dict[str, Any]:
        """Return what `restore` takes."""
        return {
            "model": self.model.state_dict(),
            "is_cell": self.is_cell.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "random": torch.get_rng_state(),
            "step": self.step,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken."""
        self.model.load_state_dict(state["model"])
        self.is_cell.load_state_dict(state["is_cell"])
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["random"])
        self.step = state["step"]

    @property
    def size_px(self) -> int:
        """Of the images of the next step."""
        return [size for share, size in SIZES_PX if self.step >= share * self.steps][-1]

    def inputs(self, variation: Variation) -> tuple[Tensor, Tensor]:
        """Return a varied batch, cells first, and the cells' labels."""
        home, home_labels = self.draws.batch(HOME, self.draws.home)
        others, other_labels = self.draws.batch(OTHERS, self.draws.others)
        mild_share = torch.tensor([MILD_SHARE["home"]] * HOME + [MILD_SHARE["others"]] * OTHERS)
        cells = variation.cells(torch.cat([home, others]), mild_share)
        parts = [cells, variation.no_cells(self.pictures, NO_CELLS)]
        return torch.cat(parts).contiguous(memory_format=torch.channels_last), torch.cat([home_labels, other_labels])

    def one_step(self, variation: Variation) -> tuple[float, float]:
        """Train on a batch and return both losses."""
        self.model.train()
        for group in self.optimizer.param_groups:
            group["lr"] = PEAK_RATE * rate_at((self.step + 1) / self.steps)
        images, labels = self.inputs(variation)
        pooled = self.model.dropout(self.model.pooling(self.model.forward_features(images)).flatten(1))
        loss = F.cross_entropy(self.model.classifier(pooled[: len(labels)]), labels, label_smoothing=LABEL_SMOOTHING)
        truth = (torch.arange(len(images)) < len(labels)).float()
        cell_loss = F.binary_cross_entropy_with_logits(self.is_cell(pooled)[:, 0], truth)
        self.optimizer.zero_grad(set_to_none=True)
        (loss + CELL_LOSS * cell_loss).backward()
        nn.utils.clip_grad_norm_([p for group in self.optimizer.param_groups for p in group["params"]], 5.0)
        self.optimizer.step()
        self.step += 1
        return loss.item(), cell_loss.item()

    def make_exact(self) -> None:
        """Give batch norm the statistics of batches as trained on."""
        variation = Variation(self.size_px)
        with torch.no_grad():
            set_exact_batch_norm(self.model, (self.inputs(variation)[0] for _ in range(60)))


@torch.no_grad()
def is_cell_scores(model: EfficientNetLite, head: nn.Linear, images: Tensor) -> Tensor:
    """(N, 3, s, s) uint8 → (N,) log odds that the picture shows a cell."""
    model.eval()
    scores = []
    for batch in images.split(64):
        features = model.forward_features(model_input(batch).contiguous(memory_format=torch.channels_last))
        scores.append(head(model.pooling(features).flatten(1))[:, 0])
    return torch.cat(scores)


def report(training: Training, sets: dict[str, LabelledImages], held_out: NoCells, field_of_view: float) -> str:
    """Say what share of the held-out images of each laboratory is right, and how well cells are told from others."""
    words = []
    size = training.size_px
    gate = is_cell_scores(training.model, training.is_cell, views(held_out.pictures, size, field_of_view))
    fields = is_cell_scores(training.model, training.is_cell, views(held_out.fields, size, field_of_view))
    for name, one in sets.items():
        if not one.is_held_out.any():
            continue
        images = views(one.images[one.is_held_out], size, field_of_view)
        logits = predict_logits(training.model, images, memory_format=torch.channels_last)
        right = (logits.argmax(1) == one.labels[one.is_held_out]).float().mean().item()
        refused = (is_cell_scores(training.model, training.is_cell, images) < 0).float().mean().item()
        words.append(f"{name} {100 * right:.1f} % of {len(images)}, no cell {100 * refused:.1f} %")
    words.append(f"no cells found {100 * (gate < 0).float().mean().item():.1f} %")
    if len(fields):
        words.append(f"fields found {100 * (fields < 0).float().mean().item():.1f} %")
    return "; ".join(words)


def main() -> None:
    """Train, or go on training."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUT")
    for name in ("home", "more", "bccd", "bccd-cells", "chula"):
        parser.add_argument(f"--{name}", type=Path, required=True, metavar="DIR")
    parser.add_argument("--report", type=Path, metavar="DIR", help="class folders that only report")
    parser.add_argument("--imagenet", type=Path, required=True, metavar="FILE.pth")
    parser.add_argument("--cache", type=Path, required=True, metavar="DIR")
    parser.add_argument("--leave-out", choices=["bccd", "chula"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--samples", type=int, default=260_000)
    options = parser.parse_args()
    folders = {"home": options.home, "more": options.more, "bccd": options.bccd_cells, "chula": options.chula}
    sets = {}
    for name, folder in folders.items():
        one = cached(options.cache / f"{name}.pt", partial(laboratory_images, name, folder))
        assert isinstance(one, LabelledImages)
        is_left_out = name == options.leave_out
        sets[name] = replace(one, is_held_out=torch.ones_like(one.is_held_out)) if is_left_out else one
    bccd = None if options.leave_out == "bccd" else options.bccd
    kind = "without_bccd" if bccd is None else "all"
    pictures = cached(options.cache / f"no_cells_{kind}.pt", partial(no_cells, options.home, bccd))
    held_out = cached(
        options.cache / "no_cells_held_out.pt", partial(no_cells, options.home, options.bccd, held_out=True)
    )
    assert isinstance(pictures, NoCells)
    assert isinstance(held_out, NoCells)
    print(
        {name: (len(one.images), int(one.is_held_out.sum())) for name, one in sets.items()}, pictures.count, flush=True
    )
    options.out.mkdir(parents=True, exist_ok=True)
    training = Training(options, sets, pictures)
    last = options.out / "last.pt"
    if last.exists():
        training.restore(torch.load(last, weights_only=True))
    size, began, variation = 0, time.monotonic(), Variation(96)
    losses: list[tuple[float, float]] = []
    while training.step < training.steps:
        if training.size_px != size:
            size, variation = training.size_px, Variation(training.size_px)
        losses.append(training.one_step(variation))
        if training.step % 250 == 0 or training.step == training.steps:
            torch.save(training.state(), last.with_suffix(".part"))
            last.with_suffix(".part").replace(last)
            mean = torch.tensor(losses).mean(0).tolist()
            seconds = (time.monotonic() - began) / len(losses)
            losses, began = [], time.monotonic()
            print(
                f"{training.step}/{training.steps} loss {mean[0]:.3f} {mean[1]:.3f} {seconds:.2f} s a step", flush=True
            )
        if training.step % 1000 == 0:
            print(report(training, sets, held_out, FIELD_OF_VIEW), flush=True)
            began = time.monotonic()
    training.make_exact()
    for field_of_view in (0.58, 0.65, 0.75):
        print(field_of_view, report(training, sets, held_out, field_of_view), flush=True)
    torch.save(
        {"model": training.model.state_dict(), "is_cell": training.is_cell.state_dict(), "size_px": training.size_px},
        options.out / "model.pt",
    )


if __name__ == "__main__":
    main()
