"""What a run leaves behind: its best weights with their card, and its answers on the validation images."""

from typing import Any

from torch import Tensor

from bloodcell import __version__
from bloodcell.answers.judging import judged_row
from bloodcell.answers.labelled_table import LabelledRow, write_labelled_table
from bloodcell.config import RunConfig
from bloodcell.datasets.data_use import DataUse
from bloodcell.devices.hardware import hardware_name
from bloodcell.measures.validation_figures import measure_validation
from bloodcell.models.cell_classifier import CellClassifier
from bloodcell.runs.checkpoint import LoopState
from bloodcell.runs.run_folder import RunFolder
from bloodcell.training.run_data import RunData
from bloodcell.weights.answer_identity import AnsweredBy
from bloodcell.weights.card import WeightsCard
from bloodcell.weights.file import save_weights


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
