"""Where the main model's time goes: arithmetic, bytes and milliseconds of every stage, beside the machine's peak.

    python -m benchmarks.speed.stage_profile [--sizes 128,256] [--batch-size 8] [--training-batch-size 16] [--repeats 5]
        [--device cpu|cuda] [--results RESULTS.md]

Each stage is run by itself on the maps that drawn cells have there: once as answers are computed, batch norm folded and
ReLU fused, and once forward and backward as in training. Both are channels last, in fp32 and, where the device computes
in it natively, in bf16. The peaks are those of `machine_peak`, measured in the same run.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.results_file import RESULTS, machine_line, medians, table, time_in_turn, write_section
from benchmarks.speed.machine_peak import machine_peak
from benchmarks.speed.stage_costs import StageCost, stage_costs, stages_of
from benchmarks.speed.training_speed import PASSES_PER_TRAINING_STEP
from bloodcell.answers.engines import CPU_BATCH_SIZE
from bloodcell.answers.folded import FoldedClassifier
from bloodcell.datasets.drawn_cells import draw_cell
from bloodcell.devices.precision import pick_device, runs_bf16_natively
from bloodcell.images.model_input import as_images, model_input
from bloodcell.models.registry import build_model
from bloodcell.models.unet_encoder import UNetEncoder
from bloodcell.paths import DEFAULT_WEIGHTS
from bloodcell.weights.file import load_weights

MODEL = "unet_encoder"
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}

Work = Callable[[], object]


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """Milliseconds per image by precision and stage, the whole model's last."""

    answering: dict[str, list[float]]
    training: dict[str, list[float]]


def drawn_batch(count: int, side: int, device: torch.device) -> Tensor:
    """Return drawn cells as a model reads them, (N, 3, S, S) float32, channels last."""
    cells = np.stack([draw_cell(index % 8, seed=index, size_px=side) for index in range(count)])
    return model_input(as_images(cells).to(device)).contiguous(memory_format=torch.channels_last)


def inputs_of_stages(stages: Sequence[nn.Module], images: Tensor) -> list[Tensor]:
    """Return what each stage reads, the first the images."""
    maps = [images]
    with torch.no_grad():
        for stage in stages[:-1]:
            maps.append(stage(maps[-1]))
    return maps


def synchronised(work: Work, device: torch.device) -> Work:
    """Return the work, finished when it returns on a GPU too."""

    def finished() -> None:
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()

    return finished


def answering_work(images: Tensor, dtype: torch.dtype) -> list[Work]:
    """Return the forward pass of every stage of the folded model, then of the whole."""
    device = images.device
    folded = FoldedClassifier(build_model(MODEL), device=device, feature_dtype=dtype).eval()
    assert isinstance(folded.encoder, UNetEncoder)
    stages = list(stages_of(folded.encoder).values())

    def without_gradients(module: nn.Module, features: Tensor) -> None:
        with torch.no_grad():
            module(features)

    inputs = inputs_of_stages(stages, images.to(dtype))
    parts: list[tuple[nn.Module, Tensor]] = [*zip(stages, inputs, strict=True), (folded, images)]
    return [synchronised(partial(without_gradients, module, features), device) for module, features in parts]


def training_work(images: Tensor, dtype: torch.dtype) -> list[Work]:
    """Return forward and backward of every stage in training mode, then of the whole; the optimizer's step is none."""
    device = images.device
    model = build_model(MODEL).to(device).to(memory_format=torch.channels_last).train()
    assert isinstance(model, UNetEncoder)
    stages = list(stages_of(model).values())

    def forward_and_backward(module: nn.Module, features: Tensor) -> None:
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=dtype is torch.bfloat16):
            output = module(features)
        output.backward(torch.ones_like(output))
        model.zero_grad()
        features.grad = None

    first, *later = inputs_of_stages(stages, images)
    # The images need no gradient; what a stage reads from the one before comes in the precision of the run.
    inputs = [first, *(features.to(dtype).requires_grad_() for features in later)]
    parts: list[tuple[nn.Module, Tensor]] = [*zip(stages, inputs, strict=True), (model, images)]
    return [synchronised(partial(forward_and_backward, module, features), device) for module, features in parts]


def measure(options: argparse.Namespace, side: int, precisions: Sequence[str], device: torch.device) -> Measured:
    """Time all stages in turn, precision by precision."""

    def milliseconds(work: Sequence[Work], images: int) -> list[float]:
        seconds = medians(time_in_turn({str(index): part for index, part in enumerate(work)}, repeats=options.repeats))
        return [1000 * value / images for value in seconds.values()]

    answered = drawn_batch(options.batch_size, side, device)
    trained = drawn_batch(options.training_batch_size, side, device)
    return Measured(
        answering={name: milliseconds(answering_work(answered, DTYPES[name]), len(answered)) for name in precisions},
        training={name: milliseconds(training_work(trained, DTYPES[name]), len(trained)) for name in precisions},
    )


def rows_of(
    costs: Sequence[StageCost], measured: dict[str, list[float]], peak: dict[str, float], *, images: int, passes: int
) -> list[list[str]]:
    """Return the table of one kind of work: costs per stage and image, then time and shares by precision."""
    head = ["", "M multiply-adds", "MB of weights", "MB of activations"]
    for name in measured:
        head += [f"{name} ms", "of the product", "of the copy"]
    rows = [head]
    for index, cost in enumerate(costs):
        weights, activations = passes * 4 * cost.weights / images / 1e6, passes * 4 * cost.activations / 1e6
        rows.append([cost.name, f"{passes * cost.multiply_adds / 1e6:.0f}", f"{weights:.2f}", f"{activations:.2f}"])
        for name, times in measured.items():
            seconds = times[index] / 1000
            moved = (weights + activations) * 1e6 * DTYPES[name].itemsize / 4
            product = 2 * passes * cost.multiply_adds / seconds / 1e9 / peak[name]
            rows[-1] += [f"{times[index]:.3f}", f"{product:.0%}", f"{moved / seconds / 1e9 / peak['copy']:.0%}"]
    return rows


def report(options: argparse.Namespace) -> str:
    """Measure everything and return the section's text."""
    device = pick_device(options.device)
    precisions = ["fp32", "bf16"] if runs_bf16_natively(device) else ["fp32"]
    peak = machine_peak(device, side=2048 if device.type == "cpu" else 8192)
    lines = [
        *("## Stages", "", machine_line(options.device), ""),
        f"{MODEL}, per image, medians of {options.repeats}. Answers: batches of {options.batch_size}, batch norm "
        f"folded, ReLU fused. Training: batches of {options.training_batch_size}, forward and backward, counted as "
        f"{PASSES_PER_TRAINING_STEP} × the answers' arithmetic and bytes; batch norm, ReLU and the loss come on top. "
        "Bytes are those of fp32, in bf16 half as many: every layer reads and writes its maps once, its weights once "
        f"per batch. Peak: matrix product {', '.join(f'{peak[name]:.0f} GFLOP/s in {name}' for name in precisions)}, "
        f"copy {peak['copy']:.1f} GB/s. More than 100 % of the copy means that maps stayed in the caches.",
    ]
    for side in options.sizes:
        costs = stage_costs(build_model(MODEL), side)
        measured = measure(options, side, precisions, device)
        answering = rows_of(costs, measured.answering, peak, images=options.batch_size, passes=1)
        passes, batch = PASSES_PER_TRAINING_STEP, options.training_batch_size
        training = rows_of(costs, measured.training, peak, images=batch, passes=passes)
        lines += [
            "",
            f"Answers at {side} px:",
            "",
            table(answering),
            "",
            f"Training at {side} px:",
            "",
            table(training),
        ]
    return "\n".join(lines)


def main() -> None:
    """Read the options, measure and write the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--sizes",
        type=lambda text: [int(side) for side in text.split(",")],
        metavar="PX,…",
        help="image sizes, multiples of 16; default: that of the weights that ship, and 256",
    )
    parser.add_argument("--batch-size", type=int, default=CPU_BATCH_SIZE, help="default: %(default)s")
    parser.add_argument("--training-batch-size", type=int, default=16, help="default: %(default)s")
    parser.add_argument("--repeats", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="default: %(default)s")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE", help="default: %(default)s")
    options = parser.parse_args()
    options.sizes = options.sizes or [load_weights(DEFAULT_WEIGHTS).card.image_size_px, 256]
    write_section(f"stage_profile_{options.device}", report(options), path=options.results)


if __name__ == "__main__":
    main()
