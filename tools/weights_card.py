"""Measure what a model card states about weights, store it beside them, and write the card.

Test images, what is refused, and another laboratory's cells; `NAME.json` holds the figures, `NAME.md` says them.

Run: python -m tools.weights_card unet_encoder [--weights-folder weights] [--data shared/data]
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.quality.gate import SHARED_DATA, MeasuredSet, measured_sets
from bloodcell.answers.classifier import Classifier
from bloodcell.commands.arguments import image_bar
from bloodcell.datasets.folder_scan import DataFolders
from bloodcell.datasets.split import Split
from bloodcell.laboratories.evaluate import evaluate
from bloodcell.laboratories.figures import laboratory_entry
from bloodcell.measures.statistics import wilson_interval
from bloodcell.paths import SHIPPED_WEIGHTS, write_atomically
from bloodcell.publishing.publish import with_test_figures
from bloodcell.publishing.weights_gate import split_of
from bloodcell.report.model_card import card_markdown
from bloodcell.weights.file import LoadedWeights, load_weights, save_weights, stored_tensors
from tools.laboratory_cells import write_bccd

_REPLACED = ("foreign", "other_laboratories")
"""Figures that cards of version 0.1 hold; `laboratories` stands in their place."""


def gate_entry(measured: MeasuredSet) -> dict[str, Any]:
    """Return what the card holds about a set of images."""
    n = len(measured.outcomes)
    return {
        "images": measured.name.replace("`", ""),
        "n": n,
        "refused": measured.refused,
        "refused_interval": list(wilson_interval(measured.refused, n)),
        "other_cells": measured.other_cells,
        "sure": sum(outcome == "sure" for outcome, _ in measured.outcomes),
        "wrong_and_sure": measured.wrong_and_sure,
        **({"laboratories": 1} if measured.is_of_other_laboratory else {}),
    }


def laboratory_entries(classifier: Classifier, data: Path) -> list[dict[str, Any]]:
    """Measure the weights on the cells of every laboratory at hand."""
    entries = []
    with tempfile.TemporaryDirectory() as cut:
        write_bccd(data / "bccd", Path(cut))
        for name, folder, source in (
            ("Hospital Clínic, Barcelona (home, locked test set)", data / "pbc_test", ""),
            ("BCCD", Path(cut), "341 cells of Shenggan/BCCD_Dataset (MIT licence); its labels are partly noisy"),
            ("Chulalongkorn University, Bangkok", data / "labs/chula", "singgihbekti/WBC_Dataset (MIT licence)"),
            ("LISC, Tehran", data / "labs/lisc", "S. H. Rezatofighi, H. Soltanian-Zadeh, 2011; free for research"),
        ):
            entries.append(
                laboratory_entry(
                    evaluate(classifier, folder), name=name, source=source, is_home=folder.name == "pbc_test"
                )
            )
            print(f"{name}: {entries[-1]['correct']} of {entries[-1]['n']} right")
    return entries


def measured_weights(weights: LoadedWeights, data: Path, more: Path | None) -> tuple[LoadedWeights, Split]:
    """Return weights with all figures of their card measured anew, except those of validation and of other seeds.

    Returns also the split that they were trained on.
    """
    with image_bar() as progress:
        split = split_of(weights.card, DataFolders(dataset=data / "pbc3200", more_training=more), progress)
        weights = with_test_figures(weights, data / "pbc_test", split, progress)
    classifier = Classifier(weights)
    sets, _ = measured_sets(classifier, data)
    metrics = {
        **{key: value for key, value in weights.card.metrics.items() if key not in _REPLACED},
        "gate": [gate_entry(one) for one in sets],
        "laboratories": laboratory_entries(classifier, data),
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
        card = save_weights(
            path.parent, weights.card, tensors, weights.gate_tensors, split.known_sha256, weights.known_pictures
        )
        write_atomically(path.with_suffix(".md"), card_markdown(card).encode())
        test = card.metrics["test"]
        print(f"{path.with_suffix('.md')}: {test['correct']} of {test['n']} test images right")


if __name__ == "__main__":
    main()
