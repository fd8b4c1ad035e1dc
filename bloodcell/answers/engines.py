"""What computes a model's features for answers: torch, or OpenVINO, each in one pass with what the gate looks at."""

from importlib.util import find_spec
from typing import Protocol

import torch
from torch import Tensor

from bloodcell.answers.engine_choice import EngineName
from bloodcell.answers.folded import FoldedClassifier
from bloodcell.answers.gate import stage_statistics
from bloodcell.config import Precision
from bloodcell.devices.precision import answers_in_bf16, pick_device, runs_bf16_natively
from bloodcell.errors import EngineUnavailable
from bloodcell.images.model_input import normalise
from bloodcell.images.normalisation import PixelScale
from bloodcell.models.cell_classifier import CellClassifier
from bloodcell.weights.answer_identity import ComputedPrecision
from bloodcell.weights.file import LoadedWeights

CPU_BATCH_SIZE = 4
"""Feature maps of larger batches are so large that glibc maps memory anew for each, unless `keep_freed_memory` was
called: in a thread of a server an image takes a sixth longer in batches of 8 (192 px, two EPYC
cores, November 2026)."""
GPU_BATCH_SIZE = 64
"""Few images do not fill a GPU."""


class Engine(Protocol):
    """Not safe to share between threads without a lock."""

    name: str
    """'torch' or 'openvino'."""
    precision: ComputedPrecision
    """What the convolutions are computed in."""
    device: torch.device
    """Where `features` leaves its tensors."""
    batch_size: int
    """How many images at once suit it."""
    head: CellClassifier
    """Its `forward_head` turns features into logits."""

    def features(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Compute the last feature map and the gate's statistics of the same pass.

        Args:
            images: (N, 3, S, S) uint8, prepared, on any device; S is the image size of the weights.

        Returns:
            (N, C, h, w) float32, and (N, D) float32, or None where there is no gate.
        """
        ...


class TorchEngine:
    """The folded model, on any device."""

    name = "torch"

    def __init__(
        self, model: CellClassifier, *, pixels: PixelScale, gate_stages: int, device: torch.device, in_bf16: bool
    ) -> None:
        """Fold a copy of the model; `gate_stages` is how many stages the gate looks at, 0 without a gate."""
        self.device = device
        self.precision: ComputedPrecision = "bf16" if in_bf16 else "fp32"
        self.batch_size = CPU_BATCH_SIZE if device.type == "cpu" else GPU_BATCH_SIZE
        self._pixels = pixels
        dtype = torch.bfloat16 if in_bf16 else torch.float32
        self.head: CellClassifier = FoldedClassifier(model, device=device, feature_dtype=dtype).eval()
        self._gate_stages = gate_stages

    def features(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """See `Engine`."""
        stages = self.head.forward_stages(normalise(images.to(self.device).float() / 255, *self._pixels))
        return stages[-1], stage_statistics(stages, self._gate_stages) if self._gate_stages else None


def make_engine(
    weights: LoadedWeights, *, gate_stages: int, device: str, precision: Precision, name: EngineName
) -> Engine:
    """Make the engine of a name, or the one that 'auto' means here.

    Raises:
        EngineUnavailable: OpenVINO is asked for and not installed, or asked for together with a GPU; or bf16 is asked
            for and is no arithmetic of the device.
        BloodcellError: a GPU is asked for and there is none.
    """
    if name == "openvino" and device == "cuda":
        raise EngineUnavailable("OpenVINO answers on the processor here. Choose the CPU, or torch as the engine.")
    on = torch.device("cpu") if name == "openvino" else pick_device(device)
    if precision == "bf16" and not runs_bf16_natively(on):
        raise EngineUnavailable("This processor does not compute in bf16. Choose fp32, or let it choose by itself.")
    pixels = (weights.card.mean, weights.card.std)
    in_bf16 = precision == "bf16" or (precision == "auto" and answers_in_bf16(on))
    if name == "openvino" or (name == "auto" and on.type == "cpu" and find_spec("openvino") is not None):
        from bloodcell.answers.openvino_engine import OpenVinoEngine

        return OpenVinoEngine(
            weights.model,
            pixels=pixels,
            image_size_px=weights.card.image_size_px,
            gate_stages=gate_stages,
            in_bf16=in_bf16,
        )
    return TorchEngine(weights.model, pixels=pixels, gate_stages=gate_stages, device=on, in_bf16=in_bf16)
