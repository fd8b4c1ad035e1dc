"""A run's best weights as weights under a name: half the size where answers stay the same."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bloodcell.data.image_cache import decode_images, labels_of
from bloodcell.data.split import Split, read_split
from bloodcell.errors import DatasetError, WeightsError
from bloodcell.evaluation.evaluate import evaluate
from bloodcell.measures.calibration import probabilities_of
from bloodcell.models.cell_classifier import CellClassifier
from bloodcell.models.weights_file import LoadedWeights, WeightsCard, load_weights, model_from_tensors, save_weights
from bloodcell.paths import SHIPPED_WEIGHTS, published_weights
from bloodcell.prediction.classifier import Classifier
from bloodcell.training.run_folder import RunFolder
from bloodcell.training.run_result import measure_validation
from bloodcell.training.validation import predict_logits

LARGEST_CHANGE = 5e-3
"""Most that a probability may move when tensors are stored in half precision."""
_NAME = re.compile(r"[a-z0-9][a-z0-9_]{0,63}")


def publish(
    folder: RunFolder,
    name: str,
    *,
    to: Path | None = None,
    data_folder: Path | None = None,
    test_folder: Path | None = None,
    source: str = "",
    licence: str = "not stated",
) -> WeightsCard:
    """Write NAME.safetensors and NAME.json from a run's best weights.

    Args:
        to: folder to write to; None: the user's published weights.
        data_folder: the run's dataset; None: where it was when the run began.
        test_folder: labelled images that chose nothing; their figures go into the card.
        source: where the training images come from, in words.

    Returns:
        The card as written.

    Raises:
        WeightsError: the name is not usable or taken by weights that ship, or the run has no weights.
        DatasetError: the run's images are gone or have changed, or test images were seen in training.
        RunFolderError: there is no run.
    """
    _refuse_name(name, to)
    _, recorded_folder = folder.read_config()
    best = load_weights(folder.best)
    split = read_split(folder.split)
    images = decode_images(
        data_folder or recorded_folder,
        split.validation,
        image_size_px=best.card.image_size_px,
        field_of_view=best.card.field_of_view,
    )
    tensors = half_precision_where_equal(best, images)
    model = model_from_tensors(best.card.model, tensors)
    measured, _ = measure_validation(_logits(model, images), labels_of(split.validation).numpy())
    measured["metrics"]["stored_as"] = _stored_as(tensors)
    training_data = {**best.card.training_data, "source": source}
    card = replace(best.card, name=name, licence=licence, training_data=training_data, **measured)
    if test_folder is not None:
        test = _measure_test(LoadedWeights(card=card, model=model), test_folder, split)
        card = replace(card, metrics={**card.metrics, "test": test})
    return save_weights(to or published_weights(), card, tensors)


def _measure_test(weights: LoadedWeights, test_folder: Path, split: Split) -> dict[str, Any]:
    classifier = Classifier(weights)
    evaluation = evaluate(classifier, test_folder)
    known = {entry.sha256 for entry in (*split.training, *split.validation)}
    if shared := sum(row.sha256 in known for row in evaluation.rows):
        raise DatasetError(
            f"{shared} of the {len(evaluation.rows)} test images were seen in training or validation, so they test "
            "nothing. Take them out of the test folder."
        )
    summary = evaluation.summary(classifier)
    return {key: value for key, value in summary.items() if key not in ("model", "model_sha256")}


def _stored_as(tensors: dict[str, Tensor]) -> str:
    return "float16" if any(tensor.dtype == torch.float16 for tensor in tensors.values()) else "float32"


def _logits(model: CellClassifier, images: Tensor) -> np.ndarray:
    channels_last = model.to(memory_format=torch.channels_last)
    return predict_logits(channels_last, images, memory_format=torch.channels_last).numpy()


def _refuse_name(name: str, to: Path | None) -> None:
    if not _NAME.fullmatch(name):
        raise WeightsError(f"'{name}' cannot be a name of weights. Use small letters, digits and underscores.")
    ships = to is not None and to.resolve() == SHIPPED_WEIGHTS
    if not ships and (SHIPPED_WEIGHTS / f"{name}.safetensors").exists():
        raise WeightsError(f"'{name}' is the name of weights that ship with the program. Choose another name.")


def half_precision_where_equal(weights: LoadedWeights, images: Tensor) -> dict[str, Tensor]:
    """Return the filters in float16 if every answer on the images stays the same, else all in float32.

    The same means: the same class, and no probability moves by more than `LARGEST_CHANGE`. Batch norm and biases stay
    float32: they are a thousandth of the size, and halving them as well doubles the change (measured on
    `unet_encoder`, 640 validation images).

    Args:
        images: (N, 3, S, S) uint8, prepared for the model.
    """
    full = weights.model.state_dict()
    half = {key: tensor.half() if tensor.ndim > 1 else tensor for key, tensor in full.items()}
    if not all(torch.isfinite(tensor).all() for tensor in half.values()):
        return full
    rounded = model_from_tensors(weights.card.model, half)
    before, after = (
        probabilities_of(_logits(model, images), weights.card.temperature) for model in (weights.model, rounded)
    )
    is_equal = (before.argmax(1) == after.argmax(1)).all() and np.abs(before - after).max() <= LARGEST_CHANGE
    return half if is_equal else full
