"""Weights as an ONNX file: from pixels to calibrated probabilities, and proof that it answers as the program does.

The graph holds all that follows the cut and the resizing: normalisation, model, temperature, softmax. What a reader has
to do before, and what the numbers mean, stands in the file's metadata.
"""

import json
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from bloodcell.cell_classes import CLASS_COUNT
from bloodcell.datasets.drawn_cells import draw_cell
from bloodcell.datasets.folder_scan import LabelledFile, scan_dataset
from bloodcell.errors import WeightsError
from bloodcell.images.model_input import as_images, normalise, prepare_image
from bloodcell.images.open_image import open_image, read_image_bytes
from bloodcell.measures.calibration import probabilities_of
from bloodcell.models.cell_classifier import CellClassifier
from bloodcell.paths import write_atomically
from bloodcell.weights.card import WeightsCard
from bloodcell.weights.file import LoadedWeights

NEEDED_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
LARGEST_DIFFERENCE = 1e-3
"""Most by which a probability of the file may differ from the program's."""
BF16_DIFFERENCE = 0.01
"""Measured: at most 0.0075 on 256 images of PBC (`benchmarks.speed.classify_speed`)."""
IMAGES_COMPARED = 64
_BATCHES = (1, 2, 5, 16)
"""Sizes in turn, so that the comparison also proves that any number of images goes in."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Parity:
    """How closely an ONNX file answers as the program does."""

    image_count: int
    is_real: bool
    """Images of a dataset; else drawn cells."""
    largest_difference: float
    """Of any probability."""

    def sentence(self) -> str:
        """Return it in words."""
        kind = "images of the dataset" if self.is_real else "drawn cells"
        return (
            f"Compared with the program on {self.image_count} {kind}: the same class for every one, "
            f"probabilities within {self.largest_difference:.0e}. Both computed in fp32; where the processor has bf16, "
            f"classify uses it, and its probabilities differ from these by up to about {BF16_DIFFERENCE}."
        )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ComparedImages:
    """Images that file and program both answer for."""

    images: tuple[np.ndarray, ...]
    """uint8 RGB (H, W, 3) each."""
    is_real: bool


def images_to_compare(data_folder: Path | None, count: int = IMAGES_COMPARED) -> ComparedImages:
    """Return images of a dataset, as many of each class, or drawn cells where there is no dataset.

    Raises:
        DatasetError: the folder holds no dataset.
        UnreadableImage: one of the images cannot be read.
    """
    if data_folder is None:
        cells = tuple(draw_cell(index % CLASS_COUNT, seed=index) for index in range(count))
        return ComparedImages(images=cells, is_real=False)
    by_class: dict[int, list[LabelledFile]] = {}
    for file in scan_dataset(data_folder).files:
        by_class.setdefault(file.label, []).append(file)
    share = max(1, count // len(by_class))
    chosen = [file for files in by_class.values() for file in files[:: max(1, len(files) // share)][:share]]
    return ComparedImages(images=tuple(open_image(read_image_bytes(file.path)) for file in chosen), is_real=True)


def export_onnx(weights: LoadedWeights, path: Path, compared: ComparedImages) -> Parity:
    """Write weights as ONNX, if the file answers as the program does.

    Raises:
        WeightsError: a package is missing, or the file would answer otherwise; nothing is written then.
        OSError: the file cannot be written.
    """
    data, parity = onnx_bytes(weights, compared)
    write_atomically(path, data)
    return parity


def missing_packages() -> list[str]:
    """Return the packages that an ONNX file needs and that are not installed."""
    return [name for name in NEEDED_PACKAGES if find_spec(name) is None]


def onnx_bytes(weights: LoadedWeights, compared: ComparedImages) -> tuple[bytes, Parity]:
    """Return the ONNX file's content and how it compares.

    Raises:
        WeightsError: as `export_onnx`.
    """
    if missing := missing_packages():
        raise WeightsError(
            f"ONNX files need packages that are not installed: {', '.join(missing)}. "
            "Install them with: pip install -r requirements-onnx.txt"
        )
    data = _with_metadata(_exported(weights), weights.card)
    return data, compare_with_program(data, weights, compared)


class PixelsToProbabilities(nn.Module):
    """(N, 3, S, S) float32 RGB from 0 to 1 → (N, K) calibrated probabilities."""

    def __init__(self, weights: LoadedWeights) -> None:
        super().__init__()
        self.card = weights.card
        self.model: CellClassifier = weights.model

    def forward(self, images: Tensor) -> Tensor:
        logits = self.model(normalise(images, self.card.mean, self.card.std))
        return torch.softmax(logits / self.card.temperature, dim=1)


def _exported(weights: LoadedWeights) -> bytes:
    side = weights.card.image_size_px
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # Whatever torch's exporter warns of, the comparison decides.
        warnings.simplefilter("ignore")
        path = Path(folder) / "model.onnx"
        torch.onnx.export(
            PixelsToProbabilities(weights).eval(),
            (torch.zeros(2, 3, side, side),),
            path,
            dynamo=True,
            external_data=False,
            verbose=False,
            input_names=["images"],
            output_names=["probabilities"],
            dynamic_shapes={"images": {0: torch.export.Dim("batch")}},
        )
        return path.read_bytes()


def _with_metadata(data: bytes, card: WeightsCard) -> bytes:
    import onnx

    model = onnx.load_model_from_string(data)
    # The exporter notes for every node which line of which file on this machine it came from.
    for part in (model, model.graph, *model.graph.node, *model.graph.input, *model.graph.output):
        del part.metadata_props[:]
    for value in (*model.graph.value_info, *model.graph.initializer):
        del value.metadata_props[:]
    side = card.image_size_px
    onnx.helper.set_model_props(
        model,
        {
            "name": card.name,
            "model": str(card.model),
            "weights_sha256": card.tensors_sha256,
            "class_keys": json.dumps(card.class_keys),
            "input": (
                f"images: float32 (N, 3, {side}, {side}), RGB, 0 to 1. Cut the central {card.field_of_view:g} of each "
                f"side out of the image and resize it to {side} x {side} px, bilinear with antialiasing. "
                "Normalisation is inside."
            ),
            "output": "probabilities: float32 (N, 8), calibrated, in the order of class_keys",
            "image_size_px": str(side),
            "field_of_view": repr(card.field_of_view),
            "mean_inside": json.dumps(card.mean),
            "std_inside": json.dumps(card.std),
            "temperature_inside": repr(card.temperature),
            "review_threshold": repr(card.review_threshold),
            "not_inside": "The gate, by which the program tells other laboratories and what is no single blood cell.",
            "licence": card.licence,
            "use": "Research use only, not for diagnosis.",
        },
    )
    onnx.checker.check_model(model)
    return model.SerializeToString()


def compare_with_program(data: bytes, weights: LoadedWeights, compared: ComparedImages) -> Parity:
    """Answer with ONNX Runtime and with the model itself, both float32 on the CPU.

    Raises:
        WeightsError: a class differs, or a probability by more than `LARGEST_DIFFERENCE`.
    """
    card = weights.card
    prepared = [
        prepare_image(image, image_size_px=card.image_size_px, field_of_view=card.field_of_view)
        for image in compared.images
    ]
    pixels = as_images(np.stack(prepared)).float().contiguous() / 255
    ours = _answers_of_program(weights, pixels)
    theirs = _answers_of_file(data, pixels.numpy())
    largest = float(np.abs(ours - theirs).max())
    other_class = int((ours.argmax(1) != theirs.argmax(1)).sum())
    if other_class or not largest <= LARGEST_DIFFERENCE:
        raise WeightsError(
            f"The ONNX file would answer otherwise than the program: another class for {other_class} of {len(ours)} "
            f"images, probabilities up to {largest:.1e} apart. It was not written."
        )
    return Parity(image_count=len(ours), is_real=compared.is_real, largest_difference=largest)


def _answers_of_program(weights: LoadedWeights, pixels: Tensor) -> np.ndarray:
    with torch.inference_mode():
        logits = [
            weights.model(normalise(batch, weights.card.mean, weights.card.std)).numpy() for batch in pixels.split(16)
        ]
    return probabilities_of(np.concatenate(logits), weights.card.temperature)


def _answers_of_file(data: bytes, pixels: np.ndarray) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    answers: list[np.ndarray] = []
    for batch in _batches(pixels, _BATCHES):
        answers.append(session.run(["probabilities"], {"images": batch})[0])
    return np.concatenate(answers)


def _batches(pixels: np.ndarray, sizes: Sequence[int]) -> list[np.ndarray]:
    batches: list[np.ndarray] = []
    start = 0
    while start < len(pixels):
        size = sizes[len(batches) % len(sizes)]
        batches.append(pixels[start : start + size])
        start += size
    return batches
