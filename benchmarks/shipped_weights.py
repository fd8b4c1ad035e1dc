"""Train, publish and measure the main weights that ship, with one command; goes on where it was cut off.

Run: python -m benchmarks.shipped_weights RUNS_DIR [--data shared/data] [--weights-folder weights] [--records records]

Three seeds are trained on the training side of `pbc3200` and on `pbc_more`, the median one is published, and its card
is measured. Runs that have finished are not trained again. The same seed on the same device gives the same metrics.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.gate import SHARED_DATA
from bloodcell.ablation.run_suite import answer_test_images
from bloodcell.ablation.suite_record import write_run_record
from bloodcell.paths import DEFAULT_WEIGHTS, SHIPPED_RECORDS, SHIPPED_WEIGHTS
from bloodcell.training.run_folder import RunFolder

EXPERIMENT = "accurate_unet_encoder"
SEEDS = (0, 1, 2)
SOURCE = (
    "7,600 images (pbc3200 and pbc_more) of A. Acevedo et al., Data in Brief 30 (2020) 105474; Mendeley Data "
    "snkd93bnjr v1; CC BY 4.0"
)


def run_path(runs: Path, seed: int) -> Path:
    """Return the folder of a seed's run."""
    return runs / f"{EXPERIMENT}-seed{seed}"


def training_command(runs: Path, data: Path, seed: int) -> list[str] | None:
    """Return the arguments that train a seed or go on with it; None where it has finished."""
    folder = RunFolder(run_path(runs, seed))
    outcome = folder.read_outcome()
    if outcome is not None and outcome["state"] == "finished":
        return None
    if folder.config.exists():
        return ["train", "--run-dir", str(folder.path), "--resume", "--wait"]
    places = ["--data", str(data / "pbc3200"), "--more-data", str(data / "pbc_more"), "--run-dir", str(folder.path)]
    return ["train", "--experiment", EXPERIMENT, *places, "--seed", str(seed), "--wait"]


def publishing_command(runs: Path, data: Path, to: Path) -> list[str]:
    """Return the arguments that publish the median seed."""
    folders = [str(run_path(runs, seed)) for seed in SEEDS]
    described = ["--source", SOURCE, "--licence", "CC BY 4.0", "--test-data", str(data / "pbc_test")]
    return ["publish", *folders, DEFAULT_WEIGHTS, "--to", str(to), "--replace", *described]


def run_module(module: str, arguments: Sequence[str]) -> None:
    """Run `python -m MODULE`, in sight; end this program where that fails."""
    if status := subprocess.run([sys.executable, "-m", module, *arguments], check=False).returncode:
        sys.exit(status)


def main() -> None:
    """Do what is not done yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, metavar="RUNS_DIR", help="where the runs lie or will lie")
    parser.add_argument("--data", type=Path, default=SHARED_DATA)
    parser.add_argument("--weights-folder", type=Path, default=SHIPPED_WEIGHTS)
    parser.add_argument("--records", type=Path, default=SHIPPED_RECORDS, help="where the runs' records go, as text")
    options = parser.parse_args()
    for seed in SEEDS:
        if command := training_command(options.runs, options.data, seed):
            run_module("bloodcell", command)
    run_module("bloodcell", publishing_command(options.runs, options.data, options.weights_folder))
    for seed in SEEDS:
        run = RunFolder(run_path(options.runs, seed))
        answer_test_images(run, options.data / "pbc_test", lambda what, done, total: None)
        write_run_record(run, options.records / "accurate" / "runs" / run.path.name)
    more = ["--more-data", str(options.data / "pbc_more")]
    places = ["--weights-folder", str(options.weights_folder), "--data", str(options.data)]
    run_module("benchmarks.weights_card", [DEFAULT_WEIGHTS, *places, *more])


if __name__ == "__main__":
    main()
