"""OpenVINO (Apache-2.0) as the engine that answers on a processor; optional, requirements-openvino.txt.

Its graph ends in the last feature map and, per stage, in means and variances: whole maps of the stages would have to be
laid out anew on their way out, which takes a tenth of the time of an answer in float32.
"""

import copy
import sys
import warnings
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from bloodcell.errors import EngineUnavailable
from bloodcell.models.cell_classifier import CellClassifier
from bloodcell.prediction.folded import fold_batch_norm
from bloodcell.prediction.gate import statistics_of_moments


class OpenVinoEngine:
    """The folded model, compiled for this processor with as many threads as torch has."""

    def __init__(self, model: CellClassifier, *, image_size_px: int, gate_stages: int, in_bf16: bool) -> None:
        """Compile a copy of the model, a second or two.

        Args:
            image_size_px: of the only images that it will take; their number is free.
            gate_stages: how many stages the gate looks at, 0 without a gate.

        Raises:
            EngineUnavailable: OpenVINO is not installed.
        """
        openvino = import_openvino()
        self.device = torch.device("cpu")
        self.head: CellClassifier = copy.deepcopy(model).eval().requires_grad_(False)
        fold_batch_norm(self.head)
        example = torch.zeros(2, 3, image_size_px, image_size_px)
        with torch.no_grad(), warnings.catch_warnings():
            # OpenVINO traces the module, and torch warns that tracing will be replaced one day.
            warnings.simplefilter("ignore")
            graph = openvino.convert_model(
                _FeaturesAndMoments(self.head, gate_stages), example_input=example, input=[(-1, *example.shape[1:])]
            )
        settings: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": "bf16" if in_bf16 else "f32",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        }
        self._request = openvino.Core().compile_model(graph, "CPU", settings).create_infer_request()

    def features(self, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
        """See `Engine`."""
        results = self._request.infer([pixels.contiguous().numpy()], share_inputs=True)
        features, *moments = (torch.from_numpy(results[index]) for index in range(len(results)))
        pairs = list(zip(moments[::2], moments[1::2], strict=True))
        return features, statistics_of_moments(pairs) if pairs else None


class _FeaturesAndMoments(nn.Module):
    """(N, 3, S, S) → the last map (N, C, h, w), then mean and variance (N, C) of every stage that the gate looks at."""

    def __init__(self, model: CellClassifier, gate_stages: int) -> None:
        super().__init__()
        self.model = model
        self.gate_stages = gate_stages

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
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
