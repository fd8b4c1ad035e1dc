"""What the gate refuses: cells of the same laboratory, cells and fields of another, and what is no cell at all.

Run: python -m benchmarks.gate [--weights NAME] [--data shared/data]
"""

import argparse
import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from benchmarks import not_cells
from benchmarks.results_file import machine_line, measure_in_turn, ratio_text, seconds_of, table, write_section
from bloodcell.cell_classes import CLASS_KEYS
from bloodcell.data.folder_scan import scan_dataset
from bloodcell.data.image_file import open_image
from bloodcell.data.prediction_table import PredictionRow
from bloodcell.measures.statistics import wilson_interval
from bloodcell.models.weights_file import load_weights
from bloodcell.prediction.classifier import BATCH_SIZE, Classifier
from bloodcell.prediction.gate import NOT_A_CELL

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
CROP_SIDES_PX = (480, 400, 320, 240)
SEED = 2026
"""Other pictures than those by which the score was chosen, which had seeds under 10."""

Outcome = tuple[str, int]
"""'sure', 'review', 'not a cell' or 'unlike training', and the class with the highest probability."""


def outcomes(classifier: Classifier, images: Iterable[np.ndarray]) -> list[Outcome]:
    """Answer for images as users get them answered."""
    found: list[Outcome] = []
    remaining = iter(images)
    while batch := list(islice(remaining, BATCH_SIZE)):
        found += [(_outcome(row), int(np.argmax(row.probabilities))) for row in classifier.rows(batch)]
    return found


def _outcome(row: PredictionRow) -> str:
    if row.status == "refused":
        return "not a cell" if row.reason == NOT_A_CELL else "unlike training"
    return "sure" if row.status == "ok" else "review"


def share_text(count: int, total: int) -> str:
    """Return '99.5 % (99.0–99.8)': a share and its 95 % interval."""
    low, high = wilson_interval(count, total)
    return f"{100 * count / total:.1f} % ({100 * low:.1f}–{100 * high:.1f})"


def outcome_row(name: str, found: Sequence[Outcome]) -> list[str]:
    """Return a line of the table: share refused with interval, and counts of every outcome."""
    counts = Counter(outcome for outcome, _ in found)
    refused = counts["not a cell"] + counts["unlike training"]
    return [
        name,
        f"{len(found):,}",
        share_text(refused, len(found)),
        *(f"{counts[kind]:,}" for kind in ("not a cell", "unlike training", "review", "sure")),
    ]


def foreign_crops(folder: Path, side_px: int) -> tuple[list[np.ndarray], list[int]]:
    """Return the single cells of the other laboratory, each in the middle of a square as far as its field reaches."""
    images, labels = [], []
    with (folder / "wbc_labels.csv").open(newline="") as stream:
        for row in csv.DictReader(stream):
            field = open_image((folder / "JPEGImages" / row["image"]).read_bytes())
            height, width = field.shape[:2]
            side = min(side_px, height, width)
            middle_x = (int(row["xmin"]) + int(row["xmax"])) // 2
            middle_y = (int(row["ymin"]) + int(row["ymax"])) // 2
            left, top = (
                min(max(middle - side // 2, 0), length - side)
                for middle, length in ((middle_x, width), (middle_y, height))
            )
            images.append(field[top : top + side, left : left + side])
            labels.append(CLASS_KEYS.index(row["cls8"]))
    return images, labels


def dataset_images(folder: Path) -> tuple[Iterable[np.ndarray], list[int]]:
    """Return the images of a dataset, read as they are taken, and their labels."""
    files = scan_dataset(folder).files
    return (open_image(file.path.read_bytes()) for file in files), [file.label for file in files]


def blurred(images: Iterable[np.ndarray], sigma_px: float) -> Iterable[np.ndarray]:
    """Put images out of focus."""
    return (np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(sigma_px))) for image in images)


def refusal_table(classifier: Classifier, data: Path) -> tuple[list[str], list[str]]:
    """Return the table of what is refused, and notes on it, as Markdown lines."""
    photographs, missing = not_cells.bundled_photographs()
    test_images, test_labels = dataset_images(data / "pbc_test")
    test = outcomes(classifier, test_images)
    fields = [open_image(path.read_bytes()) for path in sorted((data / "bccd" / "JPEGImages").iterdir())]
    sets = {
        "`pbc_test`": test,
        "bundled photographs, whole": outcomes(classifier, photographs.values()),
        "random crops of them": outcomes(classifier, not_cells.random_crops(photographs, 1000, seed=SEED)),
        "blank glass and plain colours": outcomes(classifier, not_cells.blanks(400, seed=SEED)),
        "textures": outcomes(classifier, not_cells.textures(400, seed=SEED)),
        "text": outcomes(classifier, not_cells.texts(200, seed=SEED)),
        "drawings": outcomes(classifier, not_cells.drawings(200, seed=SEED)),
        "drawn cells": outcomes(classifier, not_cells.drawn_cells(200, seed=SEED)),
        "`pbc_test` blurred, σ 15 px": outcomes(
            classifier, islice(blurred(dataset_images(data / "pbc_test")[0], 15), 400)
        ),
        "`bccd`, whole fields": outcomes(classifier, fields),
    }
    rows = [["", "n", "refused (95 % interval)", "not a cell", "unlike training", "review", "sure"]]
    rows += [outcome_row(name, found) for name, found in sets.items() if found]
    notes = [_loss_note(test, test_labels)]
    for side in CROP_SIDES_PX:
        images, labels = foreign_crops(data / "bccd", side)
        found = outcomes(classifier, images)
        rows.append(outcome_row(f"`bccd`, single cells, {side} px", found))
        judged = [(outcome, answer == label) for (outcome, answer), label in zip(found, labels, strict=True)]
        wrong = sum(outcome == "sure" and not is_right for outcome, is_right in judged)
        right = sum(is_right for _, is_right in judged)
        notes.append(
            f"- Single foreign cells at {side} px: a wrong class shown as sure for {share_text(wrong, len(found))}; "
            f"wanted at most 5 %. Most probable class right, shown or not: {share_text(right, len(found))}."
        )
    if missing:
        notes.append(f"- Not installed: {', '.join(missing)}.")
    return [table(rows)], notes


def _loss_note(found: Sequence[Outcome], labels: Sequence[int]) -> str:
    pairs = zip(found, labels, strict=True)
    refused = [answer == label for (outcome, answer), label in pairs if outcome not in ("sure", "review")]
    return (
        f"- Of `pbc_test`, {len(refused)} of {len(found):,} are refused (wanted at most 0.5 %); the most probable "
        f"class would have been right for {sum(refused)} of them."
    )


def agreement_note(name: str, data: Path, count: int) -> str:
    """Return how many decisions float32 and bf16 share, on cells, fields and photographs."""
    cells = list(islice(dataset_images(data / "pbc_test")[0], 0, None, 1000 // count))
    fields = [open_image(path.read_bytes()) for path in sorted((data / "bccd" / "JPEGImages").iterdir())[::10]]
    images = [*cells, *fields, *not_cells.drawn_cells(40, seed=SEED)]
    decided = [
        [outcome for outcome, _ in outcomes(Classifier.load(name, device="cpu", precision=precision), images)]
        for precision in ("fp32", "bf16")
    ]
    same = sum(one == other for one, other in zip(*decided, strict=True))
    return f"- fp32 and bf16 come to the same outcome for {same} of {len(images)} images (cells, fields, drawn cells)."


def cost_note(name: str, repeats: int) -> str:
    """Return what the gate adds to an answer, with and without it in turn, for batches as users' are."""
    weights = load_weights(name)
    images = list(not_cells.drawn_cells(BATCH_SIZE, seed=SEED))
    classifiers = {
        "with": Classifier(weights, device="cpu"),
        "without": Classifier(replace(weights, card=replace(weights.card, gate={})), device="cpu"),
    }
    seconds = measure_in_turn(
        {key: partial(seconds_of, partial(each.probabilities, images)) for key, each in classifiers.items()},
        repeats=repeats,
    )
    ratio = ratio_text(seconds["with"], seconds["without"])
    return f"- An answer with the gate takes {ratio} the time of one without; wanted under 1.05."


def main() -> None:
    """Measure, and write the section of RESULTS.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", default="unet_encoder")
    parser.add_argument("--data", type=Path, default=SHARED_DATA)
    parser.add_argument("--repeats", type=int, default=31)
    options = parser.parse_args()
    classifier = Classifier.load(options.weights)
    tables, notes = refusal_table(classifier, options.data)
    notes += [agreement_note(options.weights, options.data, 200), cost_note(options.weights, options.repeats)]
    card = classifier.card
    head = (
        f"## Gate\n\n{machine_line()}\n\n{card.name} at {card.image_size_px} px, file {card.tensors_sha256[:12]}; "
        f"fitted on {card.gate['fitted_on']:,} training images, threshold from {card.gate['held_out']:,} held out. "
        "Nothing below was fitted on; pictures of these kinds, with other seeds, chose among scores."
    )
    write_section("gate", "\n\n".join([head, *tables, "\n".join(notes)]))


if __name__ == "__main__":
    main()
