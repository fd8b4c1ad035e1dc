"""Train, publish and measure the main weights that ship, with one command; goes on where it was cut off.

Run: python -m tools.shipped_weights RUNS_DIR [--data shared/data] [--records records]
        [--only accurate|accurate_2560]

Three seeds are trained on the training side of `pbc3200` alone (`accurate_2560`), and three on that and `pbc_more`
(`accurate`). Of the images that were better on average over its seeds, on the validation images, the median seed is
published, and its card is measured. Runs that have finished are not trained again. The same seed on the same device
gives the same metrics.
"""

import argparse
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

from benchmarks.quality.gate import SHARED_DATA
from bloodcell.commands.arguments import image_bar
from bloodcell.jobs.executors.executor import TestImages
from bloodcell.jobs.executors.local import answer_test_images
from bloodcell.paths import DEFAULT_WEIGHTS, SHIPPED_RECORDS, SHIPPED_WEIGHTS
from bloodcell.runs.run_folder import RunFolder
from bloodcell.suites.suite_record import write_run_record
from bloodcell.weights.card import read_card

EXPERIMENT = "accurate_unet_encoder"
SEEDS = (0, 1, 2)
MORE_IMAGES: Mapping[str, Sequence[str]] = {"accurate_2560": (), "accurate": ("pbc_more",)}
"""By record: folders beside `pbc3200` whose images are trained on too, and validate nothing."""
_SOURCE = "A. Acevedo et al., Data in Brief 30 (2020) 105474; Mendeley Data snkd93bnjr v1; CC BY 4.0"
SOURCES = {
    "accurate_2560": f"3,200 images (pbc3200) of {_SOURCE}",
    "accurate": f"7,600 images (pbc3200 and pbc_more) of {_SOURCE}",
}


def run_path(runs: Path, record: str, seed: int) -> Path:
    """Return the folder of a seed's run."""
    return runs / record / f"{EXPERIMENT}-seed{seed}"


def training_command(runs: Path, data: Path, record: str, seed: int) -> list[str] | None:
    """Return the arguments that train a seed or go on with it; None where it has finished."""
    folder = RunFolder(run_path(runs, record, seed))
    outcome = folder.read_outcome()
    if outcome is not None and outcome["state"] == "finished":
        return None
    if folder.config.exists():
        return ["train", "--run-dir", str(folder.path), "--resume", "--wait"]
    more = [argument for name in MORE_IMAGES[record] for argument in ("--more-data", str(data / name))]
    places = ["--data", str(data / "pbc3200"), *more, "--run-dir", str(folder.path)]
    return ["train", "--experiment", EXPERIMENT, *places, "--seed", str(seed), "--wait"]


def train_and_record(runs: Path, data: Path, record: str, records: Path) -> None:
    """Train all seeds on a record's images, let each answer the test images, and write its record."""
    for seed in SEEDS:
        if command := training_command(runs, data, record, seed):
            run_module("bloodcell", command)
        run = RunFolder(run_path(runs, record, seed))
        with image_bar() as progress:
            answer_test_images(run, TestImages(folders=(data / "pbc_test",), seen=frozenset()), progress)
        write_run_record(run, records / record / "runs" / run.path.name)


def mean_right(runs: Path, record: str) -> float:
    """Return how many validation images the seeds of a record have right on average."""
    cards = [read_card(RunFolder(run_path(runs, record, seed)).best.with_suffix(".json")) for seed in SEEDS]
    return fmean(card.metrics["validation"]["correct"] for card in cards)


def publishing_command(runs: Path, data: Path, record: str) -> list[str]:
    """Return the arguments that publish the median seed."""
    folders = [str(run_path(runs, record, seed)) for seed in SEEDS]
    described = ["--source", SOURCES[record], "--licence", "CC BY 4.0", "--test-data", str(data / "pbc_test")]
    return ["publish", *folders, DEFAULT_WEIGHTS, "--to", str(SHIPPED_WEIGHTS), "--replace", *described]


def run_module(module: str, arguments: Sequence[str]) -> None:
    """Run `python -m MODULE`, in sight; end this program where that fails."""
    if status := subprocess.run([sys.executable, "-m", module, *arguments], check=False).returncode:
        sys.exit(status)


def main() -> None:
    """Do what is not done yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, metavar="RUNS_DIR", help="where the runs lie or will lie")
    parser.add_argument("--data", type=Path, default=SHARED_DATA)
    parser.add_argument("--records", type=Path, default=SHIPPED_RECORDS, help="where the runs' records go, as text")
    parser.add_argument("--only", choices=MORE_IMAGES, help="train and record these runs alone; publish nothing")
    options = parser.parse_args()
    for record in [options.only] if options.only else MORE_IMAGES:
        train_and_record(options.runs, options.data, record, options.records)
    if options.only:
        return
    better = max(MORE_IMAGES, key=lambda record: mean_right(options.runs, record))
    run_module("bloodcell", publishing_command(options.runs, options.data, better))
    more = [argument for name in MORE_IMAGES[better] for argument in ("--more-data", str(options.data / name))]
    run_module("tools.weights_card", [DEFAULT_WEIGHTS, "--data", str(options.data), *more])


if __name__ == "__main__":
    main()
