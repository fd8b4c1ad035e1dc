"""What augmentation does to answers for another laboratory's cells: runs of several recipes, without a gate.

Run: python -m benchmarks.quality.foreign_augmentation RUN_DIR... [--data shared/data]
"""

import argparse
import statistics
from collections.abc import Iterable, Mapping
from pathlib import Path

from benchmarks.quality.gate import CROP_SIDES_PX, SHARED_DATA, MeasuredSet, foreign_crops, outcomes
from benchmarks.results_file import machine_line, table, write_section
from bloodcell.answers.classifier import Classifier


def answered(classifier: Classifier, data: Path) -> dict[int, MeasuredSet]:
    """Answer for the other laboratory's single cells, cut at several sides in pixels."""
    found = {}
    for side in CROP_SIDES_PX:
        crops, labels = foreign_crops(data / "bccd", side)
        found[side] = MeasuredSet(name=f"{side} px", outcomes=outcomes(classifier, crops), labels=labels)
    return found


def recipe_rows(runs: Iterable[tuple[Classifier, Mapping[int, MeasuredSet]]]) -> list[list[str]]:
    """Return a line per augmentation: own validation images, and right and wrongly sure foreign cells per side.

    Shares are means over the runs of an augmentation.
    """
    by_augmentation: dict[str, list[tuple[Classifier, Mapping[int, MeasuredSet]]]] = {}
    for run in runs:
        by_augmentation.setdefault(str(run[0].card.recipe["augmentation"]), []).append(run)
    rows = [["augmentation", "seeds", "own validation", *(f"{side} px: right / sure, wrong" for side in CROP_SIDES_PX)]]
    for name, group in by_augmentation.items():
        validation = statistics.mean(one.card.metrics["validation"]["accuracy"] for one, _ in group)
        cells = []
        for side in CROP_SIDES_PX:
            sets = [found[side] for _, found in group]
            right = statistics.mean(one.right / len(one.outcomes) for one in sets)
            sure = statistics.mean(one.wrong_and_sure / len(one.outcomes) for one in sets)
            cells.append(f"{right:.1%} / {sure:.1%}")
        rows.append([name, str(len(group)), f"{validation:.2%}", *cells])
    return rows


def main() -> None:
    """Measure, and write the section of RESULTS.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN_DIR")
    parser.add_argument("--data", type=Path, default=SHARED_DATA)
    options = parser.parse_args()
    classifiers = [Classifier.load(run / "best.safetensors") for run in options.runs]
    rows = recipe_rows((each, answered(each, options.data)) for each in classifiers)
    recipe = classifiers[0].card.recipe
    head = (
        f"## Augmentation and another laboratory's cells\n\n{machine_line()}\n\n"
        f"{recipe['model']}, {recipe['image_size_px']} px, {recipe['epochs']} epochs; 341 single cells of `bccd`, "
        "squares of several sides, answered without a gate. Sure: confidence at or above the run's own threshold."
    )
    write_section("foreign_augmentation", f"{head}\n\n{table(rows)}")


if __name__ == "__main__":
    main()
