"""OpenVINO (Apache-2.0) as the engine that answers on a processor; optional, requirements-openvino.txt.

Its graph begins with the bytes of prepared images, so that normalising them costs no pass of its own, and ends in the
last feature map and, per stage, in means and variances: whole maps of the stages would have to be laid out anew on
their way out, which takes a tenth of the time of an answer in float32.
"""

import contextlib
import copy
import sys
import warnings
from collections import deque
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bloodcell.answers.folded import fold_batch_norm
from bloodcell.answers.gate import statistics_of_moments
from bloodcell.errors import EngineUnavailable
from bloodcell.images.normalisation import PixelScale
from bloodcell.models.cell_classifier import CellClassifier
from bloodcell.weights.answer_identity import ComputedPrecision

MOST_STREAMS = 8
"""Images that are computed side by side. Each has a thread of its own where there are no more threads than that: they
wait for each other once per batch and not in every layer, and an image's maps stay in its core's cache."""
_BATCH_SIZE = 16
"""Images between two waits of all streams for each other."""


class OpenVinoEngine:
    """The folded model, compiled for one image at a time and this processor, with as many threads as torch has."""

    name = "openvino"

    def __init__(
        self,
        model: CellClassifier,
        *,
        pixels: PixelScale,
        image_size_px: int,
        gate_stages: int,
        in_bf16: bool,
    ) -> None:
        """Compile a copy of the model, a second or two.

        Args:
            image_size_px: of the only images that it will take.
            gate_stages: how many stages the gate looks at, 0 without a gate.

        Raises:
            EngineUnavailable: OpenVINO is not installed.
        """
        openvino = import_openvino()
        self.device = torch.device("cpu")
        self.batch_size = _BATCH_SIZE
        self.head: CellClassifier = copy.deepcopy(model).eval().requires_grad_(False)
        fold_batch_norm(self.head)
        example = torch.zeros(1, 3, image_size_px, image_size_px)
        with torch.no_grad(), warnings.catch_warnings():
            # OpenVINO traces the module, and torch warns that tracing will be replaced one day.
            warnings.simplefilter("ignore")
            graph = openvino.convert_model(
                _FeaturesAndMoments(self.head, gate_stages), example_input=example, input=[tuple(example.shape)]
            )
        streams = min(MOST_STREAMS, torch.get_num_threads())
        settings: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": "bf16" if in_bf16 else "f32",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "NUM_STREAMS": streams,
        }
        compiled = openvino.Core().compile_model(_reading_bytes(graph, *pixels), "CPU", settings)
        # What is asked for is a hint: a processor without such arithmetic computes in float32.
        is_bf16 = compiled.get_property("INFERENCE_PRECISION_HINT") == openvino.Type.bf16
        self.precision: ComputedPrecision = "bf16" if is_bf16 else "fp32"
        # Twice as many as are computed: a stream that is done finds its next image waiting.
        self._requests = [compiled.create_infer_request() for _ in range(2 * streams)]

    def features(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """See `Engine`."""
        # As (N, S, S, 3), which is how prepared images lie in memory.
        pixels = images.permute(0, 2, 3, 1).contiguous().numpy()
        outputs: list[list[np.ndarray]] = []
        working: deque[Any] = deque()
        try:
            for index in range(len(pixels)):
                if len(working) == len(self._requests):
                    outputs.append(_outputs_of(working.popleft()))
                request = self._requests[index % len(self._requests)]
                request.start_async([pixels[index : index + 1]], share_inputs=True)
                working.append(request)
            while working:
                outputs.append(_outputs_of(working.popleft()))
        except BaseException:
            # A request that still works reads the pixels, and cannot be started again.
            for request in self._requests:
                with contextlib.suppress(RuntimeError):  # the first error is being told already
                    request.wait()
            raise
        features, *moments = (torch.from_numpy(np.concatenate(parts)) for parts in zip(*outputs, strict=True))
        pairs = list(zip(moments[::2], moments[1::2], strict=True))
        return features, statistics_of_moments(pairs) if pairs else None


def _outputs_of(request: Any) -> list[np.ndarray]:
    """Wait for a request; return copies, because its own memory is written anew by its next image."""
    request.wait()
    return [tensor.data.copy() for tensor in request.output_tensors]


def _reading_bytes(graph: Any, mean: tuple[float, ...], std: tuple[float, ...]) -> Any:
    """Return a graph of normalised (N, 3, S, S) float32 images as one of (N, S, S, 3) uint8 images."""
    from openvino import Layout, Type
    from openvino.preprocess import PrePostProcessor

    steps = PrePostProcessor(graph)
    steps.input().tensor().set_element_type(Type.u8).set_layout(Layout("NHWC"))
    steps.input().model().set_layout(Layout("NCHW"))
    scaled = steps.input().preprocess().convert_element_type(Type.f32)
    scaled.mean([255 * value for value in mean]).scale([255 * value for value in std])
    return steps.build()


class _FeaturesAndMoments(nn.Module):
    """(N, 3, S, S) → the last map (N, C, h, w), then mean and variance (N, C) of every stage that the gate looks at."""

    def __init__(self, model: CellClassifier, gate_stages: int) -> None:
        super().__init__()
        self.model = model
        self.gate_stages = gate_stages

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """See the class."""
        stages = self.model.forward_stages(images)
        outputs = [stages[-1]]
        for features in stages[: self.gate_stages]:
            mean = features.mean(dim=(2, 3), keepdim=True)
            outputs += [mean.flatten(1), (features - mean).square().mean(dim=(2, 3))]
        return tuple(outputs)


def import_openvino() -> ModuleType:
    """Import OpenVINO without the package by which it reports its use.

    Raises:
        EngineUnavailable: it is not installed.
    """
    if find_spec("openvino") is None:
        raise EngineUnavailable(
            "OpenVINO is not installed. Install it with: pip install -r requirements-openvino.txt, or answer with "
            "torch (--engine torch, or BLOODCELL_ENGINE=torch)."
        )
    # `import openvino` alone tells a server on the internet that it happened; without this package it does nothing.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino
