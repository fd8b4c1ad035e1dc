"""What the gate refuses: cells of the same laboratory, cells and fields of another, and what is no cell at all.

Run: python -m benchmarks.quality.gate [--weights NAME] [--data shared/data]
"""

import argparse
import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from benchmarks.results_file import machine_line, measure_in_turn, ratio_text, seconds_of, table, write_section
from bloodcell.answers.classifier import Classifier
from bloodcell.answers.prediction_table import WITHOUT_CLASS, PredictionRow
from bloodcell.cell_classes import CLASS_KEYS
from bloodcell.datasets.folder_scan import scan_dataset
from bloodcell.images.open_image import open_image
from bloodcell.measures.statistics import wilson_interval
from bloodcell.weights.file import load_weights
from tests.builders import not_cells

SHARED_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
CROP_SIDES_PX = (480, 400, 320, 240)
SEED = 2026
"""Other pictures than those by which the score was chosen, which had seeds under 10."""

Outcome = tuple[str, int]
"""'sure', 'review' or 'refused', and the class with the highest probability."""


def outcomes(classifier: Classifier, images: Iterable[np.ndarray]) -> list[Outcome]:
    """Answer for images as users get them answered."""
    found: list[Outcome] = []
    remaining = iter(images)
    while batch := list(islice(remaining, classifier.batch_size)):
        found += [(_outcome(row), int(np.argmax(row.probabilities))) for row in classifier.rows(batch)]
    return found


def _outcome(row: PredictionRow) -> str:
    return {"ok": "sure"}.get(row.status, row.status)


def share_text(count: int, total: int) -> str:
    """Return '99.5 % (99.0–99.8)': a share and its 95 % interval."""
    low, high = wilson_interval(count, total)
    return f"{100 * count / total:.1f} % ({100 * low:.1f}–{100 * high:.1f})"


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasuredSet:
    """What was answered for a set of images."""

    name: str
    outcomes: Sequence[Outcome]
    labels: Sequence[int] | None = None
    """True classes; None where the images show none of the eight."""

    @property
    def refused(self) -> int:
        """Images that are taken for no cell."""
        return sum(outcome == "refused" for outcome, _ in self.outcomes)

    @property
    def other_cells(self) -> int:
        """Images that are taken for a cell of none of the eight classes."""
        return sum(outcome == "other_cell" for outcome, _ in self.outcomes)

    @property
    def right(self) -> int:
        """Images whose most probable class is the true one, shown or not."""
        return sum(answer == label for (_, answer), label in zip(self.outcomes, self.labels or (), strict=True))

    @property
    def wrong_and_sure(self) -> int:
        """Images shown with a wrong class as sure; of images of none of the classes, all that are shown as sure."""
        labels = self.labels if self.labels is not None else [-1] * len(self.outcomes)
        return sum(
            outcome == "sure" and answer != label
            for (outcome, answer), label in zip(self.outcomes, labels, strict=True)
        )

    @property
    def is_of_other_laboratory(self) -> bool:
        """Whether all come from the one other laboratory at hand; an interval over its cells would say nothing."""
        return self.name.startswith("`bccd`")

    def row(self) -> list[str]:
        """Return a line of the table: share refused with interval, and counts of every outcome."""
        counts = Counter(outcome for outcome, _ in self.outcomes)
        return [
            self.name,
            f"{len(self.outcomes):,}",
            f"{100 * self.refused / len(self.outcomes):.1f} %, one laboratory"
            if self.is_of_other_laboratory
            else share_text(self.refused, len(self.outcomes)),
            *(f"{counts[kind]:,}" for kind in ("other_cell", "review", "sure")),
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


def measured_sets(classifier: Classifier, data: Path) -> tuple[list[MeasuredSet], list[str]]:
    """Answer for cells of the same and of another laboratory and for what is no cell; return also what is missing."""
    photographs, missing = not_cells.bundled_photographs()
    test_images, test_labels = dataset_images(data / "pbc_test")
    fields = (open_image(path.read_bytes()) for path in sorted((data / "bccd" / "JPEGImages").iterdir()))
    sets: dict[str, Iterable[np.ndarray]] = {
        "bundled photographs, whole": photographs.values(),
        "random crops of them": not_cells.random_crops(photographs, 1000, seed=SEED),
        "blank glass and plain colours": not_cells.blanks(400, seed=SEED),
        "textures": not_cells.textures(400, seed=SEED),
        "text": not_cells.texts(200, seed=SEED),
        "drawings": not_cells.drawings(200, seed=SEED),
        "drawn cells": not_cells.drawn_cells(200, seed=SEED),
        "`pbc_test` blurred, σ 15 px": islice(blurred(dataset_images(data / "pbc_test")[0], 15), 400),
        "`bccd`, whole fields": fields,
    }
    measured = [MeasuredSet(name="`pbc_test`", outcomes=outcomes(classifier, test_images), labels=test_labels)]
    measured += [MeasuredSet(name=name, outcomes=outcomes(classifier, images)) for name, images in sets.items()]
    for side in CROP_SIDES_PX:
        crops, labels = foreign_crops(data / "bccd", side)
        found = outcomes(classifier, crops)
        measured.append(MeasuredSet(name=f"`bccd`, single cells, {side} px", outcomes=found, labels=labels))
    return [one for one in measured if one.outcomes], missing


def refusal_table(sets: Sequence[MeasuredSet]) -> tuple[str, list[str]]:
    """Return the table of what is refused, and notes on the sets whose classes are known, as Markdown."""
    rows = [["", "n", "refused (95 % interval)", "other_cell", "review", "sure"]]
    test, *foreign = [one for one in sets if one.labels is not None]
    notes = [_loss_note(test)]
    notes += [
        f"- {one.name}: a wrong class shown as sure for {share_text(one.wrong_and_sure, len(one.outcomes))}; wanted at "
        f"most 5 %. Most probable class right, shown or not: {share_text(one.right, len(one.outcomes))}."
        for one in foreign
    ]
    return table([*rows, *(one.row() for one in sets)]), notes


def _loss_note(test: MeasuredSet) -> str:
    pairs = zip(test.outcomes, test.labels or (), strict=True)
    lost = [answer == label for (outcome, answer), label in pairs if outcome in WITHOUT_CLASS]
    return (
        f"- Of {test.name}, {len(lost)} of {len(test.outcomes):,} get no class (refused or other_cell; "
        f"wanted at most 0.5 %); the most probable class would have been right for {sum(lost)} of them."
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
    classifiers = {
        "with": Classifier(weights, device="cpu"),
        "without": Classifier(replace(weights, card=replace(weights.card, gate={}), gate_tensors={}), device="cpu"),
    }
    images = list(not_cells.drawn_cells(classifiers["with"].batch_size, seed=SEED))
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
    sets, missing = measured_sets(classifier, options.data)
    refusals, notes = refusal_table(sets)
    if missing:
        notes.append(f"- Not installed: {', '.join(missing)}.")
    notes += [agreement_note(options.weights, options.data, 200), cost_note(options.weights, options.repeats)]
    card = classifier.card
    head = (
        f"## Gate\n\n{machine_line()}\n\n{card.name} at {card.image_size_px} px, file {card.tensors_sha256[:12]}; "
        f"fitted on {card.gate['fitted_on']:,} training images, threshold from {card.gate['held_out']:,} held out. "
        "Nothing below was fitted on. What the gate looks at was chosen with pictures of these kinds in view: "
        "generated ones and crops had other seeds; photographs, fields and foreign cells were these very ones, so "
        "their rows are optimistic."
    )
    write_section("gate", "\n\n".join([head, refusals, "\n".join(notes)]))


if __name__ == "__main__":
    main()
