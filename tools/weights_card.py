"""Measure what a model card states about weights, store it beside them, and write the card.

Test images, what is refused, and another laboratory's cells; `NAME.json` holds the figures, `NAME.md` says them.

Run: python -m tools.weights_card unet_encoder [--weights-folder weights] [--data shared/data]
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.quality.gate import CROP_SIDES_PX, SHARED_DATA, MeasuredSet, foreign_crops, measured_sets
from bloodcell.answers.classifier import Classifier
from bloodcell.commands.arguments import image_bar
from bloodcell.datasets.folder_scan import DataFolders
from bloodcell.datasets.split import Split
from bloodcell.measures.metrics import classification_figures
from bloodcell.measures.statistics import wilson_interval
from bloodcell.paths import SHIPPED_WEIGHTS, write_atomically
from bloodcell.publishing.publish import with_test_figures
from bloodcell.publishing.weights_gate import split_of
from bloodcell.report.model_card import card_markdown
from bloodcell.weights.file import LoadedWeights, load_weights, save_weights, stored_tensors


def gate_entry(measured: MeasuredSet) -> dict[str, Any]:
    """Return what the card holds about a set of images."""
    n = len(measured.outcomes)
    return {
        "images": measured.name.replace("`", ""),
        "n": n,
        "refused": measured.refused,
        "refused_interval": list(wilson_interval(measured.refused, n)),
        "sure": sum(outcome == "sure" for outcome, _ in measured.outcomes),
        "wrong_and_sure": measured.wrong_and_sure,
        **({"laboratories": 1} if measured.is_of_other_laboratory else {}),
    }


def foreign_entry(classifier: Classifier, data: Path, measured: MeasuredSet) -> dict[str, Any]:
    """Return the figures of another laboratory's single cells, cut at a field of view like the training images'."""
    side = CROP_SIDES_PX[0]
    crops, labels = foreign_crops(data / "bccd", side)
    size = classifier.batch_size
    batches = [crops[start : start + size] for start in range(0, len(crops), size)]
    probabilities = np.concatenate([classifier.probabilities(batch) for batch in batches])
    sure = sum(outcome == "sure" for outcome, _ in measured.outcomes)
    return {
        **classification_figures(np.array(labels), probabilities).to_dict(),
        "refused": measured.refused,
        "shown_as_sure": sure,
        "right_of_sure": sure - measured.wrong_and_sure,
        "source": f"{len(labels)} single cells of Shenggan/BCCD_Dataset (MIT licence), squares of {side} px around "
        "their boxes; its labels are partly noisy",
    }


def measured_weights(weights: LoadedWeights, data: Path, more: Path | None) -> tuple[LoadedWeights, Split]:
    """Return weights with all figures of their card measured anew, except those of validation and of other seeds.

    Returns also the split that they were trained on.
    """
    with image_bar() as progress:
        split = split_of(weights.card, DataFolders(dataset=data / "pbc3200", more_training=more), progress)
        weights = with_test_figures(weights, data / "pbc_test", split, progress)
    classifier = Classifier(weights)
    sets, _ = measured_sets(classifier, data)
    foreign = next(one for one in sets if one.name.endswith(f"single cells, {CROP_SIDES_PX[0]} px"))
    metrics = {
        **weights.card.metrics,
        "gate": [gate_entry(one) for one in sets],
        "foreign": foreign_entry(classifier, data, foreign),
    }
    return replace(weights, card=replace(weights.card, metrics=metrics)), split


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", metavar="NAME")
    parser.add_argument("--weights-folder", type=Path, default=SHIPPED_WEIGHTS)
    parser.add_argument("--data", type=Path, default=SHARED_DATA)
    parser.add_argument("--more-data", type=Path, metavar="DIR", help="second training folder of the weights")
    options = parser.parse_args()
    for name in options.names:
        path = options.weights_folder / f"{name}.safetensors"
        weights, split = measured_weights(load_weights(path), options.data, options.more_data)
        tensors = stored_tensors(path)
        card = save_weights(path.parent, weights.card, tensors, weights.gate_tensors, split.known_sha256)
        write_atomically(path.with_suffix(".md"), card_markdown(card).encode())
        test = card.metrics["test"]
        print(f"{path.with_suffix('.md')}: {test['correct']} of {test['n']} test images right")


if __name__ == "__main__":
    main()
