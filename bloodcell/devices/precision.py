"""Device, precision and memory format of a run: what is asked for, or the fastest by measurement."""

import functools
import time
from dataclasses import replace

import torch
import torch.nn.functional as F

from bloodcell.config import Device, MemoryFormat, Precision, RunConfig
from bloodcell.errors import BloodcellError
from bloodcell.models.registry import build_model

TRIAL_BATCH = 8
TRIAL_STEPS = 3
TRIAL_CONVOLUTIONS = 5
LEAST_GAIN = 1.1
"""By which bf16 has to be faster than fp32 before its coarser numbers are worth it. Of the processors
seen so far, AMD cores with AVX512-bf16 are 1.8 times as fast in it, Intel cores with it and without AMX 0.6 times."""


def pick_device(wanted: str) -> torch.device:
    """Return the device that 'auto', 'cpu' or 'cuda' means here.

    Raises:
        BloodcellError: a GPU is asked for and torch sees none.
    """
    if wanted == "cuda" and not torch.cuda.is_available():
        raise BloodcellError("No GPU can be used here. Choose the CPU, or check the NVIDIA driver with nvidia-smi.")
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    # Otherwise "fp32" convolutions would keep 10 bits of each number on GPUs from 2020 on.
    torch.backends.cudnn.allow_tf32 = False
    return torch.device(wanted)


def runs_bf16_natively(device: torch.device) -> bool:
    """Tell whether bf16 is arithmetic of the device; emulated bf16 is many times slower than fp32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.backends.mkldnn.is_available() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


@functools.lru_cache
def answers_in_bf16(device: torch.device) -> bool:
    """Tell whether answers are computed in bf16: where it is arithmetic of the device and, on a processor, faster too.

    Some processors have the instructions and compute more slowly with them. One convolution is timed in both
    precisions, a tenth of a second, once per process.
    """
    if not runs_bf16_natively(device) or device.type == "cuda":
        return runs_bf16_natively(device)
    features = torch.ones(4, 64, 64, 64).contiguous(memory_format=torch.channels_last)
    filters = torch.ones(64, 64, 3, 3).contiguous(memory_format=torch.channels_last)
    seconds: dict[torch.dtype, list[float]] = {torch.float32: [], torch.bfloat16: []}
    with torch.no_grad():
        for _ in range(TRIAL_CONVOLUTIONS + 1):
            for dtype, series in seconds.items():
                inputs, weights = features.to(dtype), filters.to(dtype)
                start = time.perf_counter()
                F.conv2d(inputs, weights, padding=1)
                series.append(time.perf_counter() - start)
    return min(seconds[torch.float32][1:]) > LEAST_GAIN * min(seconds[torch.bfloat16][1:])


def memory_format_of(config: RunConfig) -> torch.memory_format:
    """Return torch's constant for a resolved config's memory format."""
    return torch.channels_last if config.memory_format == "channels_last" else torch.contiguous_format


def resolve_by_measurement(config: RunConfig) -> RunConfig:
    """Replace 'auto' in device, precision and memory format by what is fastest here; a few seconds at most.

    A training step of the real model at the real size is timed for each candidate. Wrong choices cost time, never
    correctness, so noise is acceptable. Global random state is left as it was.
    """
    device = pick_device(config.device)
    precisions: list[Precision] = [config.precision]
    if config.precision == "auto":
        precisions = ["fp32", "bf16"] if runs_bf16_natively(device) else ["fp32"]
    formats: list[MemoryFormat] = [config.memory_format]
    if config.memory_format == "auto":
        formats = ["contiguous", "channels_last"]
    on_device: Device = "cuda" if device.type == "cuda" else "cpu"
    candidates = [
        replace(config, device=on_device, precision=precision, memory_format=memory_format)
        for precision in precisions
        for memory_format in formats
    ]
    if len(candidates) == 1:
        return candidates[0]
    with torch.random.fork_rng():
        return min(candidates, key=_step_seconds)


def _step_seconds(config: RunConfig) -> float:
    """Time a training step, the fastest of a few after a first that warms up."""
    device = torch.device(config.device)
    model = build_model(config.model).to(device).to(memory_format=memory_format_of(config)).train()
    side = config.image_size_px
    images = torch.zeros(TRIAL_BATCH, 3, side, side, device=device).contiguous(memory_format=memory_format_of(config))
    labels = torch.zeros(TRIAL_BATCH, dtype=torch.int64, device=device)
    seconds = []
    for _ in range(TRIAL_STEPS + 1):
        start = time.perf_counter()
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=config.precision == "bf16"):
            loss = F.cross_entropy(model(images), labels)
        loss.backward()
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])
