"""How often trays of each laboratory are called known, another's or undecided; drawn from cells answered once.

Run: python -m benchmarks.quality.trays [--weights NAME] [--data shared/data]

The gate that tells unlike cells knows the home laboratory alone: BCCD, chula and LISC are all left out of it.
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.quality.gate import SHARED_DATA
from benchmarks.results_file import machine_line, table, write_section
from bloodcell.answers.classifier import Classifier
from bloodcell.answers.prediction_table import PredictionRow
from bloodcell.laboratories.evaluate import evaluate
from bloodcell.laboratories.verdict import tray_verdict
from bloodcell.paths import DEFAULT_WEIGHTS
from tools.laboratory_cells import write_bccd

SIZES = (5, 20, 50, 100)
TRAYS = 1000


def verdicts(classifier: Classifier, rows: Sequence[PredictionRow], cells: int) -> Counter[str]:
    """Draw trays of a laboratory without replacement, and count what they are called."""
    random = np.random.default_rng(cells)
    return Counter(
        tray_verdict(
            [rows[place] for place in random.choice(len(rows), cells, replace=False)], classifier.card
        ).laboratory
        for _ in range(TRAYS)
    )


def main() -> None:
    """Measure, print, write the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default=DEFAULT_WEIGHTS)
    parser.add_argument("--data", type=Path, default=SHARED_DATA)
    options = parser.parse_args()
    classifier = Classifier.load(options.weights)
    lines = [("laboratory", "cells in a tray", "known", "other", "undecided")]
    with tempfile.TemporaryDirectory() as cut:
        write_bccd(options.data / "bccd", Path(cut))
        for name, folder in (
            ("home, `pbc_test`", options.data / "pbc_test"),
            ("BCCD", Path(cut)),
            ("chula", options.data / "labs/chula"),
            ("LISC", options.data / "labs/lisc"),
        ):
            rows = [row.prediction for row in evaluate(classifier, folder).rows]
            for cells in SIZES:
                counts = verdicts(classifier, rows, cells)
                shares = (f"{100 * counts[kind] / TRAYS:.1f} %" for kind in ("known", "other", "undecided"))
                lines.append((name, str(cells), *shares))
    body = (
        f"## Whose laboratory a tray comes from\n\n{machine_line()}\n\n`{options.weights}`, {TRAYS:,} trays of each "
        "size.\n\n"
        f"{table(lines)}\n"
    )
    write_section("trays", body)


if __name__ == "__main__":
    main()
