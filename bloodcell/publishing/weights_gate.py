"""Giving weights their gate: fitted on the images that they were trained on, found again by their fingerprint."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from bloodcell.answers.folded import FoldedClassifier
from bloodcell.answers.gate import stage_statistics
from bloodcell.answers.other_cell import OtherCellQuestion
from bloodcell.answers.unlikeness import TrainingLooks, measured_traits
from bloodcell.config import RunConfig
from bloodcell.datasets.folder_scan import DataFolders
from bloodcell.datasets.image_cache import decode_images
from bloodcell.datasets.split import Split, SplitFile
from bloodcell.devices.precision import pick_device
from bloodcell.errors import DatasetError, WeightsError
from bloodcell.images.model_input import normalise
from bloodcell.publishing.gate_fit import FEWEST_IMAGES, fit_gate
from bloodcell.publishing.other_cell_fit import HELD_OUT_SHARE, fit_other_cell, with_threshold
from bloodcell.training.run_data import Progress, split_dataset, split_fingerprint
from bloodcell.weights.card import WeightsCard
from bloodcell.weights.elsewhere import CELL_QUESTION
from bloodcell.weights.file import LoadedWeights, load_weights

_CHUNK = 32
"""Images decoded and looked at together; thousands at once would fill the memory."""


def with_gate(weights: LoadedWeights, folders: DataFolders, split: Split, progress: Progress) -> LoadedWeights:
    """Return weights with a gate; without one where they were trained on fewer images than a gate needs.

    Raises:
        DatasetError: images of the dataset are gone or have changed.
    """
    sides = [(folders.dataset, split.training)]
    if split.more_training:
        if folders.more_training is None or not folders.more_training.is_dir():
            raise DatasetError(
                "These weights also learned from images of a second folder, which is gone. Put it back, or name it "
                "(--more-data)."
            )
        sides.append((folders.more_training, split.more_training))
    training = [entry for _, entries in sides for entry in entries]
    if len(training) < FEWEST_IMAGES:
        return replace(weights, card=replace(weights.card, gate={}), gate_tensors={})
    measured = _measured(weights, [*sides, (folders.dataset, split.validation)], progress)
    labels, n = np.array([entry.label for entry in training]), len(training)
    gate, scores = fit_gate(measured.statistics[:n], labels, measured.statistics[n:])
    gate = replace(gate, looks=TrainingLooks.of_traits(measured.traits[:n]))
    question = _question(measured.averages[:n], labels, measured.averages[n:])
    entries = {
        **gate.entries(),
        **({} if question is None else question.entries()),
        "fitted_on": len(training),
        "held_out": len(scores),
        "held_out_refused": int((scores > 1).sum()),
    }
    tensors = {**gate.tensors(), **({} if question is None else question.tensors())}
    return replace(weights, card=replace(weights.card, gate=entries), gate_tensors=tensors)


def _question(averages: np.ndarray, labels: np.ndarray, held_out: np.ndarray) -> OtherCellQuestion | None:
    """Return the question whether a cell is one of the eight; None where too few are held out to tell how it flags."""
    if len(held_out) * HELD_OUT_SHARE < 1:
        return None
    return with_threshold(fit_other_cell(averages, labels), held_out)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Measured:
    """What is asked of N images."""

    statistics: np.ndarray
    """(N, D) float32, what the gate looks at."""
    averages: np.ndarray
    """(N, C) float32, of the last feature map."""
    traits: np.ndarray
    """(N, T)."""


def _measured(
    weights: LoadedWeights, sides: Sequence[tuple[Path, Sequence[SplitFile]]], progress: Progress
) -> _Measured:
    """Measure all images of the sides, in their order."""
    card, device = weights.card, pick_device("auto")
    model = FoldedClassifier(weights.model, device=device, feature_dtype=torch.float32).eval()
    total = sum(len(entries) for _, entries in sides)
    found: list[np.ndarray] = []
    averages: list[np.ndarray] = []
    traits: list[np.ndarray] = []
    done = 0
    for folder, entries in sides:
        for start in range(0, len(entries), _CHUNK):
            images = decode_images(
                folder,
                entries[start : start + _CHUNK],
                image_size_px=card.image_size_px,
                field_of_view=card.field_of_view,
            )
            with torch.no_grad():
                pixels = normalise(images.to(device).float() / 255, card.mean, card.std)
                maps = model.forward_stages(pixels)
                found.append(stage_statistics(maps).cpu().numpy())
                averages.append(maps[-1].float().mean(dim=(2, 3)).cpu().numpy())
            traits += [measured_traits(image) for image in images.permute(0, 2, 3, 1).numpy()]
            done += len(images)
            progress("fitting the gate to images", done, total)
    return _Measured(statistics=np.concatenate(found), averages=np.concatenate(averages), traits=np.stack(traits))


def gate_for(name_or_path: str | Path, folders: DataFolders, progress: Progress) -> tuple[LoadedWeights, Split]:
    """Fit a gate for weights that exist already, and return them with it and the split that they were trained on.

    Raises:
        WeightsError: the weights cannot be read, their gate is of another kind, or their card does not say how they
            were trained.
        DatasetError: the folders do not hold the images that the weights were trained on.
    """
    weights = load_weights(name_or_path)
    if weights.card.gate.get("kind") == CELL_QUESTION:
        raise WeightsError(
            f"'{weights.card.name}' asks whether an image shows a cell, in any laboratory; that was learnt with its "
            "classes and is not fitted to a dataset."
        )
    split = split_of(weights.card, folders, progress)
    return with_gate(weights, folders, split, progress), split


def split_of(card: WeightsCard, folders: DataFolders, progress: Progress) -> Split:
    """Return the split that weights were trained on, found again by its fingerprint.

    Raises:
        WeightsError: the card does not say how the weights were trained.
        DatasetError: the folders do not hold the images that the weights were trained on.
    """
    recipe = {key: value for key, value in card.recipe.items() if key not in ("best_epoch", "epochs_done")}
    try:
        config = RunConfig.from_dict(recipe)
    except (ValueError, TypeError) as error:
        raise WeightsError(f"The card of '{card.name}' does not say how it was trained: {error}.") from error
    # The fingerprint tells whether these are the images; how many beside them are unusable says nothing.
    split = split_dataset(config, replace(folders, allow_unusable=True), progress)
    if split_fingerprint(split) != card.training_data.get("fingerprint"):
        raise DatasetError(
            f"{folders.dataset} does not hold the images that '{card.name}' was trained on. Name the folders of its "
            "training."
        )
    return split
