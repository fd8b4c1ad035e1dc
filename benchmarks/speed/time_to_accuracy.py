"""Seconds to a validation accuracy with our recipe, against the paper's forty epochs, all speeds measured in one run.

    python -m benchmarks.speed.time_to_accuracy RUN RUN RUN [--data DATA] [--target 0.975] [--steps 3] [--repeats 5]
        [--results RESULTS.md]

Each RUN is the folder or the record of a finished run, one per seed, all of one recipe. How many epochs a seed needed
is read from it; what such epochs cost here, at every image size they had, is measured in turn with the paper's
pipeline. So a run that shared its machine with other work is not held against the recipe.
"""

import argparse
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from benchmarks.results_file import RESULTS, machine_line, measure_in_turn, seconds_of, table, write_section
from benchmarks.speed.paper_pipeline import PaperTraining
from benchmarks.speed.training_speed import OurTraining, chosen_files, decode_once, seconds_per_image
from bloodcell.config import RunConfig
from bloodcell.datasets.image_cache import shrink_images
from bloodcell.devices.precision import memory_format_of, resolve_by_measurement
from bloodcell.errors import RunFolderError
from bloodcell.runs.run_folder import EpochMetrics, RunFolder
from bloodcell.training.trainer import CLEAN_IMAGES
from bloodcell.training.validation import predict_logits, set_exact_batch_norm

PAPER, VALIDATION = "paper's pipeline", "validation"
PAPER_EPOCHS = 40
WANTED = 8


def epochs_to(target: float, metrics: Sequence[EpochMetrics]) -> int | None:
    """Return the first epoch, from 1, whose validation accuracy is `target` (0 to 1) or more; None where none is."""
    return next((row.epoch for row in metrics if row.validation_accuracy >= target), None)


def same_recipe(runs: Sequence[RunFolder]) -> RunConfig:
    """Return the runs' common config, with the first one's seed.

    Raises:
        RunFolderError: they differ in more than seed, device, precision and memory format.
    """
    configs = [run.read_config()[0] for run in runs]
    first = configs[0]
    for run, config in zip(runs, configs, strict=True):
        as_first = replace(
            config,
            seed=first.seed,
            device=first.device,
            precision=first.precision,
            memory_format=first.memory_format,
        )
        if as_first != first:
            raise RunFolderError(f"{run.path} has another recipe than {runs[0].path}. Give runs that differ by seed.")
    return first


def measure(options: argparse.Namespace, config: RunConfig) -> tuple[dict[str, list[float]], float]:
    """Return seconds per training image by size, of the paper's pipeline, per validation; and of decoding an image."""
    files = chosen_files(options.data, options.images)
    images, decoding = decode_once(options.data, files, config)
    labels = torch.tensor([file.label for file in files])
    paper = PaperTraining(files, image_size_px=256, device=torch.device("cpu"))
    measurements = {PAPER: partial(seconds_per_image, paper, steps=options.steps, untimed_steps=1)}
    for size in sorted({config.image_size_at(epoch) for epoch in range(config.epochs)}):
        fixed = replace(config, image_size_px=size, first_image_size_px=None)
        whole_px = -(-size * images.shape[-1] // config.image_size_px)
        ours = OurTraining(shrink_images(images, whole_px), labels, fixed)
        measurements[str(size)] = partial(seconds_per_image, ours, steps=2 * options.steps, untimed_steps=1)
    prepared = shrink_images(images, config.image_size_px)

    def validate() -> float:
        in_bf16, memory_format = config.precision == "bf16", memory_format_of(config)
        validation_images = prepared.repeat(-(-640 // len(prepared)), 1, 1, 1)[:640]

        def work() -> None:
            if config.exact_batch_norm:
                clean = (part.contiguous(memory_format=memory_format) for part in ours.batches.clean(CLEAN_IMAGES))
                set_exact_batch_norm(ours.model, clean, in_bf16=in_bf16)
            predict_logits(ours.model, validation_images, memory_format=memory_format, in_bf16=in_bf16)

        seconds = seconds_of(work)
        ours.model.train()
        return seconds

    measurements[VALIDATION] = validate
    return measure_in_turn(measurements, repeats=options.repeats), decoding / len(files)


def report(options: argparse.Namespace) -> str:
    """Measure everything and return the section's text."""
    runs = [RunFolder(path) for path in options.runs]
    recipe = same_recipe(runs)
    config = resolve_by_measurement(replace(recipe, device="cpu", precision="auto", memory_format="auto"))
    times, decoding = measure(options, config)
    speed = {name: statistics.median(values) for name, values in times.items()}
    count = options.training_images
    paper_seconds = speed[PAPER] * count * PAPER_EPOCHS
    rows = [["seed", "best validation accuracy", "epochs to target", "minutes here", "of the paper's time"]]
    seconds: list[float] = []
    for run in runs:
        metrics = run.read_metrics()
        needed = epochs_to(options.target, metrics)
        best = max(row.validation_accuracy for row in metrics)
        seed = str(run.read_config()[0].seed)
        if needed is None:
            rows.append([seed, f"{best:.2%}", f"not in {len(metrics)}", "–", "–"])
            seconds.append(float("inf"))
            continue
        sizes = Counter(config.image_size_at(epoch) for epoch in range(needed))
        trained = sum(epochs * count * speed[str(size)] for size, epochs in sizes.items())
        seconds.append(trained + needed * speed[VALIDATION] + (count + 640) * decoding)
        rows.append(
            [seed, f"{best:.2%}", str(needed), f"{seconds[-1] / 60:.1f}", f"1/{paper_seconds / seconds[-1]:.0f}"]
        )
    middle = statistics.median(seconds)
    reached = (
        f"the median seed takes {middle / 60:.1f} minutes, {paper_seconds / middle:.1f} × less; wanted {WANTED} ×"
        if middle < float("inf")
        else "the median seed does not reach it"
    )
    return "\n".join(
        [
            f"## Time to {options.target:.1%} of 640 validation images",
            "",
            machine_line("cpu"),
            "",
            f"{recipe.experiment}, {recipe.epochs} epochs, {count} training images, {config.precision}; "
            f"medians of {options.repeats} turns. Decoding and a validation per epoch are counted.",
            "",
            table(rows),
            "",
            f"- The paper's pipeline reads {1 / speed[PAPER]:.2f} images/s at 256 px: {PAPER_EPOCHS} epochs take "
            f"{paper_seconds / 3600:.1f} hours; {reached}.",
            "- Images/s of ours by image size: "
            + ", ".join(f"{1 / value:.0f} at {name} px" for name, value in speed.items() if name.isdigit())
            + f"; a validation takes {speed[VALIDATION]:.1f} s.",
        ]
    )


def main() -> None:
    """Read the options, measure and write the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folders of runs, one per seed")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/pbc3200"), help="default: %(default)s")
    parser.add_argument("--target", type=float, default=0.975, help="accuracy, 0 to 1, default: %(default)s")
    parser.add_argument("--training-images", type=int, default=2560, help="per epoch, default: %(default)s")
    parser.add_argument("--images", type=int, default=320, help="different images to measure on, default: %(default)s")
    parser.add_argument("--steps", type=int, default=3, help="per turn, default: %(default)s")
    parser.add_argument("--repeats", type=int, default=5, help="turns, default: %(default)s")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE", help="default: %(default)s")
    options = parser.parse_args()
    write_section("time_to_accuracy_cpu", report(options), path=options.results)


if __name__ == "__main__":
    main()
