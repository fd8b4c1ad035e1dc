"""How far the estimates of a training's time and memory are from what it then takes, on this machine.

Each run is estimated as the Train page does for a first run, from a few timed steps, and then trained in a process of
its own on drawn cells. Run with: python -m benchmarks.speed.run_estimates
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.results_file import machine_line, table, write_section
from bloodcell.config import RunConfig
from bloodcell.datasets.drawn_cells import write_synthetic_dataset
from bloodcell.experiments import experiment_config
from bloodcell.training.estimate import estimate_run, timed_speed

_IMAGES = 640
_RUNS = (
    ("fast_simple_cnn", {"image_size_px": 64, "first_image_size_px": None, "epochs": 8}),
    ("paper_simple_cnn", {"image_size_px": 128, "epochs": 2}),
    ("fast_unet_encoder", {"image_size_px": 64, "first_image_size_px": 48, "epochs": 3}),
    ("fast_unet_encoder", {"image_size_px": 96, "first_image_size_px": 64, "epochs": 1}),
)
WITHIN = 2.0
"""By which factor an estimate may be off."""


def main() -> int:
    """Measure, print, write the section; return 1 where a time is off by more than `WITHIN`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", help=argparse.SUPPRESS)
    if told := parser.parse_args().train:
        values = json.loads(told)
        train(RunConfig.from_dict(values["config"]), Path(values["data"]), Path(values["run"]))
        return 0
    rows = [["run", "estimated, s", "taken, s", "ratio", "estimated, MB", "peak, MB", "ratio"]]
    is_good = True
    with tempfile.TemporaryDirectory() as place:
        data = Path(place) / "data"
        write_synthetic_dataset(data, per_class=_IMAGES // 8, size_px=160, seed=0)
        for number, (name, changes) in enumerate(_RUNS):
            config = experiment_config(name).changed(**changes, device="cpu")
            estimate = estimate_run(config, _IMAGES, timed_speed(config))
            told = json.dumps({"config": config.to_dict(), "data": str(data), "run": f"{place}/run-{number}"})
            command = [sys.executable, "-m", "benchmarks.speed.run_estimates", "--train", told]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            seconds, peak_kib = (float(value) for value in done.stdout.split()[-2:])
            times, memory = seconds / estimate.seconds, peak_kib / 1024 / estimate.memory_mib
            is_good &= 1 / WITHIN <= times <= WITHIN
            mega = 2**20 / 1e6
            rows.append(
                [
                    f"{name}, {config.image_size_px} px, {config.epochs} epochs",
                    f"{estimate.seconds:.1f}",
                    f"{seconds:.1f}",
                    f"{times:.2f}",
                    f"{estimate.memory_mib * mega:.0f}",
                    f"{peak_kib / 1024 * mega:.0f}",
                    f"{memory:.2f}",
                ]
            )
            print(" | ".join(rows[-1]), flush=True)
    verdict = "kept" if is_good else "NOT kept"
    write_section(
        "run_estimates",
        f"## Estimates of a training\n\n{machine_line()} · {_IMAGES} drawn cells; from timed steps; time of the epochs "
        f"alone, without start and reading\n\n{table(rows)}\n\n"
        f"- Wanted: times within a factor of {WITHIN:g}: {verdict}.\n",
    )
    return int(not is_good)


def train(config: RunConfig, data: Path, run: Path) -> None:
    """Train, and print the seconds of the epochs and the process's peak of memory, KiB."""
    from bloodcell.runs.run_folder import RunFolder
    from bloodcell.training.train_run import TrainingWatch, start_run

    watch = TrainingWatch(report=lambda status: None, progress=lambda *_: None, should_stop=lambda: False)
    folder = RunFolder(run)
    start_run(config, data, folder, watch)
    print(sum(row.seconds for row in folder.read_metrics()), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


if __name__ == "__main__":
    raise SystemExit(main())
