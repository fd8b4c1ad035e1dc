"""Train the weights that answer in any laboratory: on several laboratories, with strong variation; goes on if cut off.

EfficientNet-Lite0, from ImageNet, with a second output that says whether a picture shows a cell at all. Validation:
home images as of the home weights, slides of chula and fields of BCCD that are not trained on. Afterwards
`tools.publish_any_laboratory`.

The weights that ship were trained in two legs: the first without photographs, the second, `--begin-from` the first,
with them. PHOTOS is a folder of ordinary pictures (`tools.photographs` gathers it); never those of scikit-learn and
scikit-image, which measure.

Run: python -m tools.any_laboratory OUT --home DIR --more DIR --bccd FIELDS --bccd-cells DIR --chula DIR
        --imagenet FILE.pth --cache DIR [--photos PHOTOS] [--begin-from TRAINED_DIR] [--leave-out bccd|chula]
        [--seed N] [--samples N]
"""

import argparse
import hashlib
import math
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bloodcell.models.efficientnet_lite import HEAD_CHANNELS, EfficientNetLite
from bloodcell.models.registry import build_model
from bloodcell.training.validation import set_exact_batch_norm
from tools.laboratory_images import (
    LabelledImages,
    NoCells,
    PhotoCrops,
    cached,
    laboratory_images,
    no_cells,
    photo_crops,
)
from tools.laboratory_recipe import (
    CELL_LOSS,
    HOME,
    LABEL_SMOOTHING,
    MILD_SHARE,
    NO_CELLS,
    OTHERS,
    PEAK_RATE,
    SECOND_PEAK_RATE,
    SIZES_PX,
    WARM_UP,
    WEIGHT_DECAY,
    Draws,
    Variation,
    averages,
    views,
)

SAVED_EVERY, REPORTED_EVERY = 250, 1000
"""Steps."""


def rate_at(progress: float) -> float:
    """Return the share of the peak rate: linear warm-up, then half a cosine down to 0."""
    if progress < WARM_UP:
        return progress / WARM_UP
    return (1 + math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP))) / 2


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
        self.peak_rate, self.sizes_px = PEAK_RATE, SIZES_PX
        earlier: list[str] = []
        if options.begin_from is not None:
            first = torch.load(options.begin_from / "model.pt", weights_only=True)
            self.model.load_state_dict(first["model"])
            self.is_cell.load_state_dict(first["is_cell"])
            self.peak_rate, self.sizes_px = SECOND_PEAK_RATE, ((0.0, first["size_px"]),)
            earlier = first["legs"]
            if options.leave_out and not all(f"without {options.leave_out}" in leg for leg in earlier):
                raise SystemExit(f"{options.begin_from} saw {options.leave_out}: begin from one that left it out.")
        trained = [p for p in (*self.model.parameters(), *self.is_cell.parameters()) if p.requires_grad]
        groups = [
            {"params": [p for p in trained if p.ndim > 1], "weight_decay": WEIGHT_DECAY},
            {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=self.peak_rate)
        self.draws, self.pictures = Draws(sets), pictures
        self.steps = options.samples // (HOME + OTHERS)
        sizes_px = ", then ".join(str(size) for _, size in self.sizes_px)
        leg = f"{options.samples:,} samples of {sizes_px} px, rate up to {self.peak_rate}, seed {options.seed}"
        without = f", without {options.leave_out}" if options.leave_out else ""
        self.legs = [*earlier, leg + (", with ordinary pictures" if options.photos else "") + without]
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
        return [size for share, size in self.sizes_px if self.step >= share * self.steps][-1]

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
            group["lr"] = self.peak_rate * rate_at((self.step + 1) / self.steps)
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

    def run(self, last: Path, told: "Held") -> None:
        """Train to the last step, keep the state in `last`, and say how it goes."""
        began, variation = time.monotonic(), Variation(self.size_px)
        losses: list[tuple[float, float]] = []
        while self.step < self.steps:
            if self.size_px != variation.size_px:
                variation = Variation(self.size_px)
            losses.append(self.one_step(variation))
            if self.step % SAVED_EVERY == 0 or self.step == self.steps:
                torch.save(self.state(), last.with_suffix(".part"))
                last.with_suffix(".part").replace(last)
                mean = torch.tensor(losses).mean(0).tolist()
                words = f"loss {mean[0]:.3f} {mean[1]:.3f} {(time.monotonic() - began) / len(losses):.2f} s a step"
                print(f"{self.step}/{self.steps} {words}", flush=True)
                losses, began = [], time.monotonic()
            if self.step % REPORTED_EVERY == 0:
                print(told.report(self), flush=True)
                began = time.monotonic()
        self.make_exact()
        print(told.report(self), flush=True)


class Held:
    """What is not trained on, and what a training makes of it."""

    def __init__(self, sets: dict[str, LabelledImages], nothing: NoCells) -> None:
        self.sets, self.nothing = sets, nothing

    @torch.no_grad()
    def report(self, training: Training) -> str:
        """Say what share of each laboratory's images is right, and how well cells are told from what is none."""
        words = []
        for name, one in self.sets.items():
            if one.is_held_out.any():
                found = self._averages(training, one.images[one.is_held_out])
                right = training.model.classifier(found).argmax(1) == one.labels[one.is_held_out]
                words.append(
                    f"{name} {_percent(right)} of {len(right)}, no cell {_percent(training.is_cell(found) < 0)}"
                )
        for name, pictures in (("no cells", self.nothing.pictures), ("fields", self.nothing.fields)):
            words.append(f"{name} found {_percent(training.is_cell(self._averages(training, pictures)) < 0)}")
        return "; ".join(words)

    def _averages(self, training: Training, images: Tensor) -> Tensor:
        return averages(training.model, views(images, training.size_px))


def _percent(which: Tensor) -> str:
    return f"{100 * which.float().mean().item():.1f} %"


def main() -> None:
    """Train, or go on training."""
    options = _options()
    sets = {name: _images(options, name) for name in ("home", "more", "bccd", "chula")}
    bccd = None if options.leave_out == "bccd" else options.bccd
    kind = "without_bccd" if bccd is None else "all"
    pictures = cached(options.cache / f"no_cells_{kind}.pt", NoCells, partial(no_cells, options.home, bccd))
    if options.photos is not None:
        named = hashlib.sha256("\n".join(sorted(path.name for path in options.photos.iterdir())).encode()).hexdigest()
        crops = cached(options.cache / f"photo_crops_{named[:12]}.pt", PhotoCrops, partial(photo_crops, options.photos))
        pictures = replace(pictures, pictures=torch.cat([pictures.pictures, crops.pictures]))
    make = partial(no_cells, options.home, options.bccd, held_out=True)
    nothing = cached(options.cache / "no_cells_held_out.pt", NoCells, make)
    for name, one in sets.items():
        print(f"{name}: {len(one.images):,} images, {int(one.is_held_out.sum()):,} held out")
    options.out.mkdir(parents=True, exist_ok=True)
    training, last = Training(options, sets, pictures), options.out / "last.pt"
    if last.exists():
        training.restore(torch.load(last, weights_only=True))
    training.run(last, Held(sets, nothing))
    trained = {"model": training.model.state_dict(), "is_cell": training.is_cell.state_dict()}
    torch.save({**trained, "size_px": training.size_px, "legs": training.legs}, options.out / "model.pt")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUT")
    for name in ("home", "more", "bccd", "bccd-cells", "chula"):
        parser.add_argument(f"--{name}", type=Path, required=True, metavar="DIR")
    parser.add_argument("--imagenet", type=Path, required=True, metavar="FILE.pth")
    parser.add_argument("--cache", type=Path, required=True, metavar="DIR", help="decoded images are kept here")
    parser.add_argument("--photos", type=Path, metavar="PHOTOS")
    parser.add_argument("--begin-from", type=Path, metavar="TRAINED_DIR")
    parser.add_argument("--leave-out", choices=["bccd", "chula"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--samples", type=int, default=200_000)
    return parser.parse_args()


def _images(options: argparse.Namespace, name: str) -> LabelledImages:
    folder = options.bccd_cells if name == "bccd" else getattr(options, name)
    one = cached(options.cache / f"{name}.pt", LabelledImages, partial(laboratory_images, name, folder))
    return replace(one, is_held_out=torch.ones_like(one.is_held_out)) if name == options.leave_out else one


if __name__ == "__main__":
    main()
