"""The same weights in the engines that people answer with: plain PyTorch, ONNX Runtime, OpenVINO.

An engine is a function from normalised images, (N, 3, S, S) float32 tensor, to logits (N, K) float32 array.
"""

import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bloodcell.answers.openvino_engine import import_openvino
from bloodcell.models.cell_classifier import CellClassifier
from bloodcell.weights.file import LoadedWeights

Engine = Callable[[Tensor], np.ndarray]
EAGER = "PyTorch eager fp32"
OPENVINO_BF16 = "OpenVINO bf16"


def available_engines(weights: LoadedWeights, folder: Path, *, threads: int) -> tuple[dict[str, Engine], list[str]]:
    """Return the engines that can be made here by name, and the names of the packages that are not installed.

    Args:
        folder: where the ONNX file is written; it must outlive the engines.
        threads: processor threads per engine.
    """
    engines: dict[str, Engine] = {EAGER: eager_engine(weights.model.eval())}
    missing = [name for name in ("onnx", "onnxruntime", "openvino") if find_spec(name) is None]
    if "onnx" in missing:
        return engines, missing
    path = onnx_path(folder)
    export_onnx(weights.model.eval(), weights.card.image_size_px, path)
    if "onnxruntime" not in missing:
        engines["ONNX Runtime fp32"] = onnx_runtime_engine(path, threads=threads)
    if "openvino" not in missing:
        for name, hint in (("fp32", "f32"), ("bf16", "bf16")):
            engines[f"OpenVINO {name}"] = openvino_engine(path, precision_hint=hint, threads=threads)
        engines["OpenVINO bf16, many requests"] = openvino_queue_engine(path, precision_hint="bf16", threads=threads)
    return engines, missing


def onnx_path(folder: Path) -> Path:
    """Return where `available_engines` writes the ONNX file."""
    return folder / "model.onnx"


def export_onnx(model: CellClassifier, image_size_px: int, path: Path) -> None:
    """Write the model for any batch size at one image size."""
    with warnings.catch_warnings():
        # The exporter in use is the older of torch's two, and says so; its graph is the one that folds batch norm.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            (torch.zeros(2, 3, image_size_px, image_size_px),),
            str(path),
            input_names=["images"],
            output_names=["logits"],
            dynamic_axes={"images": {0: "batch"}, "logits": {0: "batch"}},
            dynamo=False,
        )


def eager_engine(model: CellClassifier) -> Engine:
    """PyTorch as it comes: the module called, fp32, contiguous."""

    def answer(images: Tensor) -> np.ndarray:
        with torch.no_grad():
            return model(images).numpy()

    return answer


def onnx_runtime_engine(path: Path, *, threads: int) -> Engine:
    """ONNX Runtime on the processor, all its graph optimisations on, as is its default."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def answer(images: Tensor) -> np.ndarray:
        return session.run(["logits"], {"images": images.numpy()})[0]

    return answer


def openvino_engine(path: Path, *, precision_hint: str, threads: int) -> Engine:
    """OpenVINO on the processor; one request at a time uses all threads. Without a hint it picks bf16 where it can."""
    core = import_openvino().Core()
    properties = {"INFERENCE_PRECISION_HINT": precision_hint, "INFERENCE_NUM_THREADS": threads}
    compiled = core.compile_model(core.read_model(str(path)), "CPU", properties)

    def answer(images: Tensor) -> np.ndarray:
        return np.array(compiled(images.numpy())[0])

    return answer


def openvino_queue_engine(path: Path, *, precision_hint: str, threads: int) -> Engine:
    """OpenVINO as tuned for throughput by its own hint: an image per request, as many requests as it asks for."""
    openvino = import_openvino()
    core = openvino.Core()
    properties = {
        "INFERENCE_PRECISION_HINT": precision_hint,
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "THROUGHPUT",
    }
    queue = openvino.AsyncInferQueue(core.compile_model(core.read_model(str(path)), "CPU", properties))

    def answer(images: Tensor) -> np.ndarray:
        logits: list[np.ndarray] = [np.empty(0)] * len(images)

        def keep(request: Any, index: int) -> None:
            logits[index] = request.get_output_tensor(0).data.copy()

        queue.set_callback(keep)
        pixels = images.numpy()
        for index in range(len(pixels)):
            queue.start_async([pixels[index : index + 1]], index, share_inputs=True)
        queue.wait_all()
        return np.concatenate(logits)

    return answer
