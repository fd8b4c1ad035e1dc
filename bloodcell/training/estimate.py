"""How long a run will take and how much memory it will need, from past runs or from a few timed steps."""

import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace

import torch

from bloodcell.cell_classes import CLASS_COUNT
from bloodcell.config import RunConfig
from bloodcell.devices.free_memory import free_memory_mib
from bloodcell.devices.precision import pick_device, resolve_by_measurement
from bloodcell.errors import BloodcellError
from bloodcell.models.registry import build_model
from bloodcell.runs.run_folder import RunFolder
from bloodcell.training.batches import whole_image_size_px
from bloodcell.training.optimizer import Optimization
from bloodcell.training.trainer import take_step

_LEAST_TRIAL_PX, _MOST_TRIAL_PX = 64, 128
"""Of the larger of two trial sizes. At 64 px the maps of the simple CNN still fit into a cache: a run at 128 px took
3.6 times what steps of 32 and 64 px foretold (two AVX2 cores, November 2026)."""
_TRIAL_BATCH = 8
_TRIAL_STEPS = 2
_VALIDATION_SHARE_OF_A_STEP = 1 / 3
"""A forward pass alone, next to forward and backward."""
_PROCESS_MIB = 800
"""What a training process holds beside tensors that grow with settings: libraries, and buffers of convolutions.

Measured on two Intel Xeon cores, torch 2.15, November 2026: 763 to 957 MiB in seven runs of three models."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingSpeed:
    """What a training step costs: a fixed part, and a part that grows with the pixels."""

    seconds_per_step: float
    seconds_per_pixel: float
    """Of an image at the size that is trained, without channels."""
    rests_on: str
    """Where it was measured, in words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunEstimate:
    """What a run will need."""

    seconds: float
    memory_mib: float
    """Of the whole process on the CPU, of the GPU on a GPU."""
    rests_on: str


def speed_of_past_runs(config: RunConfig, runs: Iterable[RunFolder]) -> TrainingSpeed | None:
    """Return the speed of the first of the runs that computed alike, or None.

    Alike are the same model, optimizer, device, precision, batch and image size: at other sizes another part of a step
    is the slow one, and a guess from there was once four times too long.

    Args:
        config: its device may be 'auto'.
        runs: the most telling first; one that cannot be read is passed over.
    """
    device = pick_device(config.device).type
    for run in runs:
        try:
            past, rows = run.read_config()[0], run.read_metrics()
        except BloodcellError:
            continue
        is_alike = _kind(past) == _kind(config) and past.device == device
        if rows and is_alike and config.precision in ("auto", past.precision):
            seconds = statistics.median(1 / (row.images_per_second * row.image_size_px**2) for row in rows)
            return TrainingSpeed(
                seconds_per_step=0,
                seconds_per_pixel=seconds,
                rests_on=f"the speed of the run {run.path.name}, which trained alike at {past.image_size_px} px",
            )
    return None


def _kind(config: RunConfig) -> tuple[object, ...]:
    sizes = (config.image_size_px, config.first_image_size_px)
    return (config.model, config.optimizer, config.batch_size, config.exact_batch_norm, *sizes)


def timed_speed(config: RunConfig) -> TrainingSpeed:
    """Time a few training steps of the real model at two sizes up to its own; a few seconds.

    Global random state is left as it was.

    Raises:
        BloodcellError: the device cannot be used.
    """
    large = min(_MOST_TRIAL_PX, max(_LEAST_TRIAL_PX, config.image_size_px))
    small = large // 2
    with torch.random.fork_rng():
        config = resolve_by_measurement(config.changed(image_size_px=small, first_image_size_px=small))
        seconds = [_step_seconds(config, side) for side in (small, large)]
    per_pixel = (seconds[1] - seconds[0]) / (_TRIAL_BATCH * (large**2 - small**2))
    if per_pixel <= 0:  # a GPU that such small batches do not fill
        per_pixel = seconds[1] / (_TRIAL_BATCH * large**2)
    return TrainingSpeed(
        seconds_per_step=max(0.0, seconds[1] - per_pixel * _TRIAL_BATCH * large**2),
        seconds_per_pixel=per_pixel,
        rests_on=f"a few training steps of {small} and {large} px that were timed here at {time.strftime('%H:%M')}",
    )


def estimate_run(config: RunConfig, image_count: int, speed: TrainingSpeed) -> RunEstimate:
    """Return what a run over a dataset of so many images will need."""
    validating = round(config.validation_share * image_count)
    training = image_count - validating
    steps = training // config.batch_size or 1
    pixels = [config.image_size_at(epoch) ** 2 for epoch in range(config.epochs)]
    training_seconds = sum(
        steps * speed.seconds_per_step + training * speed.seconds_per_pixel * area for area in pixels
    )
    validation_pixels = config.epochs * validating * config.image_size_px**2
    return RunEstimate(
        seconds=training_seconds + validation_pixels * speed.seconds_per_pixel * _VALIDATION_SHARE_OF_A_STEP,
        memory_mib=_memory_mib(config, training, validating),
        rests_on=speed.rests_on,
    )


def memory_shortage(config: RunConfig, image_count: int) -> str:
    """Return a sentence where a run over so many images needs more memory than is free here; else nothing.

    Raises:
        BloodcellError: the device cannot be used.
    """
    most = image_count if config.images_per_class is None else CLASS_COUNT * config.images_per_class
    image_count = min(image_count, most)
    validating = round(config.validation_share * image_count)
    needed, free = (
        _memory_mib(config, image_count - validating, validating),
        free_memory_mib(pick_device(config.device)),
    )
    if free is None or needed <= free:
        return ""
    return (
        f"Training would need about {_gigabytes(needed)} GB of memory, and {_gigabytes(free)} GB are free here: the "
        "system may end it, or all that runs beside it. Smaller images, a smaller batch or fewer images need less."
    )


def _gigabytes(mebibytes: float) -> str:
    return f"{mebibytes * 2**20 / 1e9:,.1f}"


def saved_bytes_per_image(config: RunConfig) -> float:
    """Return how many bytes a forward pass keeps for the backward pass, per image at the config's full size."""
    # A multiple of every network's strides: maps that are rounded up would count too much.
    side, batch = 64, 2
    found: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        found[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.random.fork_rng():
        model = build_model(config.model).train()
        parameters = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            outputs = model(torch.zeros(batch, 3, side, side))
    kept = sum(size for storage, size in found.items() if storage not in parameters)
    del outputs
    half = 0.5 if config.precision == "bf16" else 1.0
    return half * kept / batch * (config.image_size_px / side) ** 2


def _memory_mib(config: RunConfig, training: int, validating: int) -> float:
    with torch.random.fork_rng():
        parameters = sum(parameter.numel() for parameter in build_model(config.model).parameters())
    # Weights, gradients and two moments, 4 bytes each; images wait as bytes.
    states = 4 * 4 * parameters
    activations = config.batch_size * saved_bytes_per_image(config)
    images = 3 * (
        training * whole_image_size_px(config, config.image_size_px) ** 2 + validating * config.image_size_px**2
    )
    if pick_device(config.device).type == "cuda":
        return float(states + activations + images) / 2**20
    return _PROCESS_MIB + float(states + activations + images) / 2**20


def _step_seconds(config: RunConfig, side: int) -> float:
    """Time a training step with its optimizer, the fastest of a few after a first that warms up."""
    config = replace(config, image_size_px=side, first_image_size_px=None, batch_size=_TRIAL_BATCH)
    device = torch.device(config.device)
    model = build_model(config.model).to(device).train()
    optimization = Optimization(model, config, total_steps=_TRIAL_STEPS + 1)
    images = torch.zeros(_TRIAL_BATCH, 3, side, side, device=device)
    labels = torch.zeros(_TRIAL_BATCH, dtype=torch.int64, device=device)
    seconds: list[float] = []
    for _ in range(_TRIAL_STEPS + 1):
        start = time.perf_counter()
        take_step(model, optimization, images, labels, config)
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])
