"""What a run leaves behind: its best weights with their card, and its answers on the validation images."""

import platform
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bloodcell import __version__
from bloodcell.config import RunConfig
from bloodcell.data.data_use import DataUse
from bloodcell.data.prediction_table import LabelledRow, PredictionRow, write_labelled_table
from bloodcell.measures.calibration import fit_temperature, probabilities_of, review_threshold
from bloodcell.measures.metrics import classification_figures
from bloodcell.models.answer_identity import AnsweredBy
from bloodcell.models.cell_classifier import CellClassifier
from bloodcell.models.weights_card import WeightsCard
from bloodcell.models.weights_file import save_weights
from bloodcell.training.checkpoint import LoopState
from bloodcell.training.run_data import RunData
from bloodcell.training.run_folder import RunFolder

REVIEW_SHARE = 0.05
"""Share of the validation images whose confidence lies below the review threshold."""


def write_best(
    folder: RunFolder, config: RunConfig, data: RunData, state: LoopState, model: CellClassifier, logits: Tensor
) -> None:
    """Write best.safetensors, best.json and predictions_validation.csv of the best epoch so far.

    Args:
        logits: (M, K) of the validation images, in their order.
    """
    measured, probabilities = measure_validation(logits.numpy(), data.validation_labels.numpy())
    card = WeightsCard(
        name=folder.best.stem,
        model=config.model,
        image_size_px=config.image_size_px,
        field_of_view=config.field_of_view,
        recipe={**config.to_dict(), "best_epoch": state.best_epoch, "epochs_done": state.epoch},
        training_data={
            "fingerprint": data.fingerprint,
            "training_images": len(data.split.all_training),
            "validation_images": len(data.split.validation),
            **_use_entries(data.split.use),
        },
        hardware=hardware_name(config.device),
        code_version=__version__,
        licence="not stated",
        **measured,
    )
    card = save_weights(folder.path, card, model.state_dict())
    answered_by = AnsweredBy.of(card, precision="bf16" if config.precision == "bf16" else "fp32", engine="torch")
    rows = [
        LabelledRow(
            prediction=judged_row(entry.file, tuple(row), card=card, answered_by=answered_by),
            label=entry.label,
            sha256=entry.sha256,
        )
        for entry, row in zip(data.split.validation, probabilities.tolist(), strict=True)
    ]
    write_labelled_table(rows, folder.predictions)


def _use_entries(use: DataUse | None) -> dict[str, Any]:
    return {} if use is None else {"images_used": use.sentence(), "unused_images": use.unused}


def measure_validation(
    logits: np.ndarray, labels: np.ndarray, *, of_other_seeds: Sequence[np.ndarray] = ()
) -> tuple[dict[str, Any], np.ndarray]:
    """Return the entries of a card that validation images decide, and the calibrated probabilities (N, K).

    Args:
        logits: (N, K).
        labels: (N,) class indices.
        of_other_seeds: logits (N, K) of the same images from other seeds of the recipe. Temperature and threshold are
            then fitted on all of them: one seed makes too few mistakes to say how sure it may be.
    """
    pooled = np.concatenate([logits, *of_other_seeds])
    temperature = fit_temperature(pooled, np.tile(labels, 1 + len(of_other_seeds)))
    probabilities = probabilities_of(logits, temperature)
    figures = classification_figures(labels, probabilities).to_dict()
    note = "These images also chose the epoch, the temperature and the review threshold: the figures are optimistic."
    measured = {
        "temperature": temperature,
        "review_threshold": review_threshold(probabilities_of(pooled, temperature), REVIEW_SHARE),
        "metrics": {"validation": {**figures, "note": note}},
    }
    return measured, probabilities


def judged_row(
    file: str, probabilities: tuple[float, ...], *, card: WeightsCard, answered_by: AnsweredBy
) -> PredictionRow:
    """Return what is said about an image that was read: sure, or worth a second look.

    Args:
        probabilities: (K,), calibrated.
    """
    confidence = max(probabilities)
    is_sure = confidence >= card.review_threshold
    return PredictionRow(
        file=file,
        status="ok" if is_sure else "review",
        reason="" if is_sure else f"confidence below {card.review_threshold:.1%}".replace("%", " %"),
        predicted=probabilities.index(confidence),
        confidence=confidence,
        probabilities=probabilities,
        model=card.name,
        model_sha256=card.tensors_sha256,
        **asdict(answered_by),
    )


def hardware_name(device: str) -> str:
    """Return what computes, in words: the GPU's name, or the processor and its cores."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    threads = torch.get_num_threads()
    cores = f"{threads} thread{'' if threads == 1 else 's'}"
    return f"{platform.machine()} CPU with {torch.backends.cpu.get_cpu_capability()}, {cores}"
