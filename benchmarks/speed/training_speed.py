"""Training images per second against the paper's pipeline, in one run on the same images, model and batch size.

    python -m benchmarks.speed.training_speed [DATA] [--image-size 256] [--steps 4] [--repeats 5] [--images 640]
        [--device cpu|cuda] [--results RESULTS.md]

Ours decodes every image once before the first epoch; that time is reported besides. They take turns of a few steps;
timm's training of the same model takes part where timm is installed. Before a turn of a pipeline with workers is timed,
it takes some steps untimed, and afterwards its workers get time to fill their queue: neither the queue's content nor
their work then falls into another's turn. Ours has no workers, so on a processor its turns begin at once; it has a
process of its own, because it tells the allocator to keep freed memory and threads to spin briefly, as `train` does.
All take one step before the first round. A GPU needs more steps than a processor, for example `--steps 40`, or the
queue would hold all that a turn reads. At 256 px, a processor that takes ten seconds per step needs 13 minutes for
this, 8 with `--steps 2`.
"""

import argparse
import hashlib
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.results_file import RESULTS, machine_line, measure_in_turn, ratio_text, seconds_of, table, write_section
from benchmarks.speed.machine_peak import machine_peak
from benchmarks.speed.own_process import OwnProcess
from benchmarks.speed.paper_pipeline import PaperTraining
from benchmarks.speed.timm_pipeline import TimmTraining
from bloodcell.config import RunConfig
from bloodcell.datasets.folder_scan import LabelledFile, scan_dataset
from bloodcell.datasets.image_cache import decode_images
from bloodcell.datasets.split import SplitFile
from bloodcell.devices.allocator import keep_freed_memory
from bloodcell.devices.precision import memory_format_of, resolve_by_measurement
from bloodcell.experiments import paper_unet_encoder
from bloodcell.models.architecture_table import count_multiply_adds
from bloodcell.models.registry import build_model
from bloodcell.training.batches import TrainingBatches, whole_image_size_px
from bloodcell.training.optimizer import Optimization
from bloodcell.training.trainer import take_step

PAPER, TIMM, OURS = "paper's pipeline", "timm", "ours"
UNTIMED_STEPS = {"cpu": 1, "cuda": 8}
OUR_UNTIMED_STEPS = {"cpu": 0, "cuda": 8}
"""On a processor a step takes seconds, beside which caches that another's turn left cold weigh nothing."""
SETTLING_SECONDS = 2.0
"""Two workers fill their queue of four batches within this on two cores."""
PASSES_PER_TRAINING_STEP = 3
"""Forward, gradient of the features, gradient of the filters: each as many multiply-adds."""


class OurTraining:
    """The trainer's step on the trainer's batches, without validation and files."""

    def __init__(self, images: Tensor, labels: Tensor, config: RunConfig) -> None:
        """Take whole images, uint8 (N, 3, S, S), and a config without 'auto' in it."""
        self.config = config
        self.device = torch.device(config.device)
        model = build_model(config.model).to(self.device)
        self.model = model.to(memory_format=memory_format_of(config)).train()
        self.batches = TrainingBatches(images, labels, config, self.device)
        self.optimization = Optimization(self.model, config, total_steps=config.epochs * len(self.batches))
        self._batches = self._endless()

    def take_steps(self, count: int) -> int:
        """Train on the next `count` batches; return their images."""
        seen = 0
        loss_sum = torch.zeros((), dtype=torch.float64, device=self.device)
        for _ in range(count):
            images, labels = next(self._batches)
            loss, _ = take_step(self.model, self.optimization, images, labels, self.config)
            loss_sum += loss.detach() * len(labels)
            seen += len(labels)
        loss_sum.item()
        return seen

    def _endless(self) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            yield from self.batches.epoch(0)


def chosen_files(folder: Path, count: int) -> list[LabelledFile]:
    """Return up to `count` files, evenly spread over the sorted list and so over the classes."""
    files = scan_dataset(folder).files
    count = min(count, len(files))
    return [files[index * len(files) // count] for index in range(count)]


def decode_once(folder: Path, files: Sequence[LabelledFile], config: RunConfig) -> tuple[Tensor, float]:
    """Return whole images as training reads them, and the seconds it took, hash check included."""
    entries = [
        SplitFile(file=file.relative_path, label=file.label, sha256=hashlib.sha256(file.path.read_bytes()).hexdigest())
        for file in files
    ]
    start = time.perf_counter()
    images = decode_images(folder, entries, image_size_px=whole_image_size_px(config, config.image_size_px))
    return images, time.perf_counter() - start


class TrainingProcess:
    """Our training in a process of its own, as `train` is one."""

    def __init__(self, folder: Path, files: Sequence[LabelledFile], config: RunConfig) -> None:
        """Start the process; return once its images are decoded."""
        self.take_steps = OwnProcess(partial(_make_training, folder, files, config))
        self.decoding_seconds: float = self.take_steps.said_first


def _make_training(
    folder: Path, files: Sequence[LabelledFile], config: RunConfig
) -> tuple[Callable[[int], int], float]:
    keep_freed_memory(config.device)
    images, seconds = decode_once(folder, files, config)
    return OurTraining(images, torch.tensor([file.label for file in files]), config).take_steps, seconds


Training = PaperTraining | TimmTraining | OurTraining | TrainingProcess


def seconds_per_image(training: Training, *, steps: int, untimed_steps: int) -> float:
    """Time a turn. All read the loss at its end, so a GPU has finished."""
    training.take_steps(untimed_steps)
    start = time.perf_counter()
    seen = training.take_steps(steps)
    return (time.perf_counter() - start) / seen


def measure(options: argparse.Namespace, config: RunConfig) -> tuple[dict[str, list[float]], float, int]:
    """Return seconds per image by contestant and round, the seconds of decoding an image once, and the images."""
    files = chosen_files(options.data, options.images)
    paper = PaperTraining(files, image_size_px=config.image_size_px, device=torch.device(config.device))
    ours = TrainingProcess(options.data, files, config)
    untimed = UNTIMED_STEPS[config.device]

    def turn_with_workers(training: PaperTraining | TimmTraining) -> float:
        seconds = seconds_per_image(training, steps=options.steps, untimed_steps=untimed)
        time.sleep(SETTLING_SECONDS)
        return seconds

    def first_step(training: Training) -> None:
        training.take_steps(1)
        time.sleep(SETTLING_SECONDS)

    turns = {PAPER: partial(turn_with_workers, paper)}
    first_steps = {PAPER: partial(first_step, paper), OURS: partial(first_step, ours)}
    if find_spec("timm") is not None:
        timm = TimmTraining(options.data, image_size_px=config.image_size_px, device=torch.device(config.device))
        turns[TIMM], first_steps[TIMM] = partial(turn_with_workers, timm), partial(first_step, timm)
    our_untimed = OUR_UNTIMED_STEPS[config.device]
    turns[OURS] = partial(seconds_per_image, ours, steps=options.steps, untimed_steps=our_untimed)
    times = measure_in_turn(turns, repeats=options.repeats, warm_up=first_steps)
    return times, ours.decoding_seconds / len(files), len(files)


def report(options: argparse.Namespace, config: RunConfig, resolving_seconds: float) -> str:
    """Measure everything and return the section's text."""
    times, decoding, count = measure(options, config)
    device = torch.device(config.device)
    peak = machine_peak(device, side=2048 if device.type == "cpu" else 8192)
    operations = 2 * count_multiply_adds(build_model(config.model), config.image_size_px)
    rows = [["", "images/s", "GFLOP/s", "of the fp32 peak", "of the bf16 peak"]]
    for name in times:
        speed = 1 / statistics.median(times[name])
        achieved = PASSES_PER_TRAINING_STEP * operations * speed / 1e9
        shares = (f"{achieved / peak[precision]:.0%}" for precision in ("fp32", "bf16"))
        rows.append([name, f"{speed:.2f}", f"{achieved:.0f}", *shares])
    wanted = 3 if device.type == "cpu" else 15
    return "\n".join(
        [
            f"## Training at {config.image_size_px} px, {config.device}",
            "",
            machine_line(config.device),
            "",
            f"{config.model}, batches of {config.batch_size}, {count} images, medians of {options.repeats} turns of "
            f"{options.steps} steps. Paper's pipeline: fp32, contiguous, DataLoader with 2 workers. timm: "
            f"{'its loader with 2 workers, AdamW, autocast, channels last' if TIMM in times else 'not installed'}. "
            f"Ours: {config.precision}, {config.memory_format}, chosen by measurement in {resolving_seconds:.1f} s.",
            "",
            table(rows),
            "",
            f"- Ours trains {ratio_text(times[PAPER], times[OURS])} as many images per second; wanted {wanted} ×.",
            *([f"- Against timm: {ratio_text(times[TIMM], times[OURS])}."] if TIMM in times else []),
            f"- Decoding, paid once per run: {decoding * 1000:.1f} ms per image, "
            f"{decoding / statistics.median(times[OURS]):.1%} of one training step's time per image.",
            f"- Peak: matrix product {peak['fp32']:.0f} GFLOP/s in fp32 and {peak['bf16']:.0f} in bf16, copy "
            f"{peak['copy']:.1f} GB/s. One image is {operations / 2e9:.2f} G multiply-adds forward, "
            f"{PASSES_PER_TRAINING_STEP} × that in training.",
        ]
    )


def main() -> None:
    """Read the options, measure and write the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = Path("../shared/data/pbc3200")
    parser.add_argument("data", type=Path, nargs="?", default=data, help="folder with class folders (%(default)s)")
    parser.add_argument("--image-size", type=int, default=256, metavar="PX", help="default: %(default)s")
    parser.add_argument("--steps", type=int, default=4, help="per turn, default: %(default)s")
    parser.add_argument("--repeats", type=int, default=5, help="turns, default: %(default)s")
    parser.add_argument("--images", type=int, default=640, help="at least 32, default: %(default)s")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="default: %(default)s")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE", help="default: %(default)s")
    options = parser.parse_args()
    if options.images < 32:
        parser.error("a batch needs 32 images")
    asked = replace(
        paper_unet_encoder(),
        image_size_px=options.image_size,
        precision="auto",
        memory_format="auto",
        device=options.device,
    )
    resolved: list[RunConfig] = []
    resolving_seconds = seconds_of(lambda: resolved.append(resolve_by_measurement(asked)))
    body = report(options, resolved[0], resolving_seconds)
    write_section(f"training_speed_{options.device}_{options.image_size}px", body, path=options.results)


if __name__ == "__main__":
    main()
