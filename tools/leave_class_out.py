"""Which score tells a cell of none of the eight classes? Each class in turn is left out of a short training.

A network trained on seven classes then sees held-out cells of all eight. What tells those of the class that it never
saw from the others is measured for each score: area under the ROC curve, and the share of the unseen class found where
2 % of the other cells are flagged. Home images only; EfficientNet-Lite0 from ImageNet, varied as at home.

Run: python -m tools.leave_class_out OUT --imagenet FILE.pth --cache DIR [--steps N] [--seed N]
"""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch import Tensor

from bloodcell.cell_classes import CELL_CLASSES, CLASS_COUNT
from bloodcell.models.efficientnet_lite import EfficientNetLite
from bloodcell.models.registry import build_model
from bloodcell.publishing.other_cell_fit import fit_other_cell
from bloodcell.training.augmentation import BatchAugmenter
from bloodcell.training.validation import set_exact_batch_norm
from tools.any_laboratory import rate_at
from tools.laboratory_images import LabelledImages
from tools.laboratory_recipe import FIELD_OF_VIEW, WEIGHT_DECAY, averages, views

SIZE_PX, BATCH_SIZE, PEAK_RATE = 96, 48, 1.5e-3
REMEMBERED = 2500
"""Training images whose averages a score may know."""
FLAGGED_SHARE = 0.02


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Seen:
    """What a network without a class makes of images; logits of that class are left out."""

    known: NDArray[np.float32]
    """(M, C) averages of training images."""
    known_labels: NDArray[np.int64]
    averages: NDArray[np.float32]
    """(N, C) of held-out images of all classes."""
    logits: NDArray[np.float32]
    """(N, K − 1)."""
    is_unseen: NDArray[np.bool_]
    """(N,): of the class that was left out."""


def trained_without(label: int, images: LabelledImages, options: argparse.Namespace, *, steps: int) -> EfficientNetLite:
    """Train on all classes but one."""
    torch.manual_seed(options.seed)
    model = build_model("efficientnet_lite")
    assert isinstance(model, EfficientNetLite)
    model.load_imagenet_tensors(torch.load(options.imagenet, weights_only=True))
    model = model.to(memory_format=torch.channels_last)
    for part in (model.stem, model.stages[0]):
        part.requires_grad_(False)
    places = (~images.is_held_out & (images.labels != label)).nonzero()[:, 0]
    augmenter = BatchAugmenter("mild", image_size_px=SIZE_PX, field_of_view=FIELD_OF_VIEW)
    optimizer = torch.optim.AdamW(
        [p for p in model.parameters() if p.requires_grad], lr=PEAK_RATE, weight_decay=WEIGHT_DECAY
    )

    def batch() -> tuple[Tensor, Tensor]:
        chosen = places[torch.randint(len(places), (BATCH_SIZE,))]
        varied = augmenter(images.images[chosen]).contiguous(memory_format=torch.channels_last)
        return varied, images.labels[chosen]

    for step in range(steps):
        model.train()
        for group in optimizer.param_groups:
            group["lr"] = PEAK_RATE * rate_at((step + 1) / steps)
        inputs, labels = batch()
        loss = F.cross_entropy(model(inputs), labels, label_smoothing=0.05)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        set_exact_batch_norm(model, (batch()[0] for _ in range(30)))
    return model


@torch.no_grad()
def seen_by(model: EfficientNetLite, label: int, images: LabelledImages) -> Seen:
    """Return what a network that never saw a class makes of training images and of held-out ones."""
    known = (~images.is_held_out & (images.labels != label)).nonzero()[:, 0]
    known = known[torch.randperm(len(known), generator=torch.Generator().manual_seed(0))[:REMEMBERED]]
    found = averages(model, views(images.images[images.is_held_out], SIZE_PX))
    logits = model.classifier(found).numpy()
    return Seen(
        known=averages(model, views(images.images[known], SIZE_PX)).numpy(),
        known_labels=images.labels[known].numpy(),
        averages=found.numpy(),
        logits=np.delete(logits, label, axis=1),
        is_unseen=(images.labels[images.is_held_out] == label).numpy(),
    )


def _nearest(seen: Seen) -> NDArray[np.float64]:
    """Cosine similarity to the tenth nearest training image."""
    known, found = (a / np.linalg.norm(a, axis=1, keepdims=True) for a in (seen.known, seen.averages))
    return np.asarray(np.sort(found @ known.T, axis=1)[:, -10], dtype=np.float64)


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _familiar(seen: Seen, directions: int) -> NDArray[np.float64]:
    return -fit_other_cell(seen.known, seen.known_labels, directions=directions).distances(seen.averages)


SCORES: Mapping[str, Callable[[Seen], NDArray[np.float64]]] = {
    "largest probability": lambda seen: _softmax(seen.logits).max(axis=1),
    "largest logit": lambda seen: seen.logits.max(axis=1).astype(np.float64),
    "energy": lambda seen: np.logaddexp.reduce(seen.logits.astype(np.float64), axis=1),
    "tenth nearest training image": _nearest,
    "distance to the nearest class, 16 directions": lambda seen: _familiar(seen, 16),
    "distance to the nearest class, 64 directions": lambda seen: _familiar(seen, 64),
}
"""High for a cell of a class that was trained on."""


def found_share(scores: NDArray[np.float64], is_unseen: NDArray[np.bool_]) -> float:
    """Return the share of the unseen class found where `FLAGGED_SHARE` of the others are flagged."""
    limit = np.quantile(scores[~is_unseen], FLAGGED_SHARE)
    return float((scores[is_unseen] < limit).mean())


def table(results: Mapping[int, Seen]) -> str:
    """Return the figures as Markdown: a row per score, a column per class that was left out."""
    titles = [CELL_CLASSES[label].display_name for label in results]
    lines = [f"| score | {' | '.join(titles)} | mean |", "| --- |" + " ---: |" * (len(titles) + 1)]
    for name, score in SCORES.items():
        values = {label: score(seen) for label, seen in results.items()}
        areas = [roc_auc_score(~results[label].is_unseen, values[label]) for label in results]
        shares = [found_share(values[label], results[label].is_unseen) for label in results]
        cells = [f"{area:.3f}, {100 * share:.0f} %" for area, share in zip(areas, shares, strict=True)]
        lines.append(f"| {name} | {' | '.join(cells)} | {np.mean(areas):.3f}, {100 * np.mean(shares):.0f} % |")
    return "\n".join(lines)


def main() -> None:
    """Train what is missing, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUT", help="what each network made of the images is kept here")
    parser.add_argument("--imagenet", type=Path, required=True, metavar="FILE.pth")
    parser.add_argument("--cache", type=Path, required=True, metavar="DIR", help="as of tools.any_laboratory")
    parser.add_argument("--steps", type=int, default=350)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    images = LabelledImages(**torch.load(options.cache / "home.pt", weights_only=True))
    results = {}
    for label in range(CLASS_COUNT):
        path = options.out / f"without_{label}_seed{options.seed}_steps{options.steps}.npz"
        if not path.exists():
            seen = seen_by(trained_without(label, images, options, steps=options.steps), label, images)
            np.savez(path, **{name: getattr(seen, name) for name in Seen.__slots__})
            right = np.delete(np.arange(CLASS_COUNT), label)[seen.logits.argmax(axis=1)]
            truth = images.labels[images.is_held_out].numpy()
            share = (right == truth)[~seen.is_unseen].mean()
            print(
                f"without {CELL_CLASSES[label].display_name}: {100 * share:.1f} % of the other cells right", flush=True
            )
        results[label] = Seen(**dict(np.load(path)))
    print(table(results))


if __name__ == "__main__":
    main()
