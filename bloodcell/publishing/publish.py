"""A run's best weights as weights under a name: half the size where answers stay the same."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bloodcell.answers.classifier import Classifier
from bloodcell.datasets.folder_scan import DataFolders
from bloodcell.datasets.image_cache import decode_images, labels_of
from bloodcell.datasets.split import Split, read_split
from bloodcell.errors import DatasetError
from bloodcell.laboratories.evaluate import Evaluation, evaluate
from bloodcell.measures.calibration import probabilities_of
from bloodcell.measures.validation_figures import measure_validation
from bloodcell.models.cell_classifier import CellClassifier
from bloodcell.paths import published_weights
from bloodcell.publishing.known_pictures import known_pictures
from bloodcell.publishing.seeds import SeedRun, median_run, runs_of_one_recipe, seeds_entries
from bloodcell.publishing.weights_gate import gate_for, with_gate
from bloodcell.runs.run_folder import RunFolder
from bloodcell.training.run_data import Progress
from bloodcell.training.validation import BATCH_SIZE, predict_logits
from bloodcell.weights.card import WeightsCard, read_card
from bloodcell.weights.file import LoadedWeights, load_weights, model_from_tensors, save_weights, stored_tensors
from bloodcell.weights.measured_here import is_measured_here, remember_measured
from bloodcell.weights.store import refuse_name, refuse_taken_name

LARGEST_CHANGE = 5e-3
"""Most that a probability may move when tensors are stored in half precision."""


def publish(
    folder: RunFolder,
    name: str,
    *,
    other_seeds: Sequence[RunFolder] = (),
    to: Path | None = None,
    data_folder: Path | None = None,
    more_folder: Path | None = None,
    test_folder: Path | None = None,
    source: str = "",
    licence: str = "not stated",
    replace_published: bool = False,
    progress: Progress = lambda what, done, total: None,
) -> WeightsCard:
    """Write NAME.safetensors and NAME.json from a run's best weights.

    Args:
        other_seeds: runs of the same recipe with other seeds. Then the run with the median validation accuracy of all
            is published (of equally good ones the seed's number decides), temperature and threshold are fitted on all,
            and the card states every seed.
        to: folder to write to; None: the user's published weights.
        data_folder: the run's dataset; None: where it was when the run began.
        more_folder: the run's second folder of training images, likewise.
        test_folder: labelled images that chose nothing; their figures go into the card.
        source: where the training images come from, in words.
        replace_published: overwrite weights of that name.
        progress: called while images are read and answered.

    Returns:
        The card as written.

    Raises:
        WeightsError: the name is not usable or taken, a run has no weights, or they are not of one recipe.
        DatasetError: the run's images are gone or have changed, or test images were seen in training.
        RunFolderError: there is no run.
    """
    (refuse_name if replace_published else refuse_taken_name)(name, to=to)
    _, recorded = folder.read_config()
    runs = runs_of_one_recipe([folder, *other_seeds])
    folders = DataFolders(dataset=data_folder or recorded.dataset, more_training=more_folder or recorded.more_training)
    split = read_split(folder.split)
    seeds = _answer_validation(runs, folders.dataset, split, progress)
    chosen = median_run(runs, seeds.correct)
    weights, tensors = _calibrated(chosen, runs, seeds, progress)
    training_data = {**weights.card.training_data, "source": source}
    card = replace(weights.card, name=name, licence=licence, training_data=training_data)
    weights = with_gate(replace(weights, card=card), folders, split, progress)
    weights = replace(weights, known_pictures=known_pictures(folders, split, progress))
    if test_folder is not None:
        weights = with_test_figures(weights, test_folder, split, progress)
    if other_seeds:
        test = None if test_folder is None else _test_answers(runs, chosen, weights, test_folder, progress)
        weights = _with_metric(weights, "seeds", seeds_entries(runs, chosen, validation=seeds.is_right, test=test))
    parts = (weights.card, tensors, weights.gate_tensors, split.known_sha256, weights.known_pictures)
    saved = save_weights(to or published_weights(), *parts)
    if to is None:
        remember_measured(saved)
    return saved


def _with_metric(weights: LoadedWeights, key: str, value: object) -> LoadedWeights:
    metrics = {**weights.card.metrics, key: value}
    return replace(weights, card=replace(weights.card, metrics=metrics))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _ValidationAnswers:
    images: Tensor
    """(M, 3, S, S) uint8."""
    labels: np.ndarray
    """(M,)"""
    logits: list[np.ndarray]
    """(M, K) per run, all computed alike."""

    @property
    def is_right(self) -> np.ndarray:
        """(runs, M) booleans."""
        return np.stack([logits.argmax(axis=1) == self.labels for logits in self.logits])

    @property
    def correct(self) -> list[int]:
        """Right answers of each run."""
        return [int(count) for count in self.is_right.sum(axis=1)]


def _answer_validation(runs: Sequence[SeedRun], dataset: Path, split: Split, progress: Progress) -> _ValidationAnswers:
    """Answer the validation images with the best weights of every run."""
    card = runs[0].card
    images = decode_images(
        dataset,
        split.validation,
        image_size_px=card.image_size_px,
        field_of_view=card.field_of_view,
        progress=lambda done, total: progress("reading validation images", done, total),
    )
    logits = [_logits(load_weights(run.folder.best).model, images, progress) for run in runs]
    return _ValidationAnswers(images=images, labels=labels_of(split.validation).numpy(), logits=logits)


def _calibrated(
    chosen: SeedRun, runs: Sequence[SeedRun], seeds: _ValidationAnswers, progress: Progress
) -> tuple[LoadedWeights, dict[str, Tensor]]:
    """Return the chosen run's weights as they are stored, with what validation decides, and their tensors."""
    best = load_weights(chosen.folder.best)
    tensors = half_precision_where_equal(best, seeds.images, progress)
    model = model_from_tensors(best.card.model, tensors)
    measured, _ = measure_validation(
        _logits(model, seeds.images, progress),
        seeds.labels,
        of_other_seeds=[logits for run, logits in zip(runs, seeds.logits, strict=True) if run is not chosen],
    )
    measured["metrics"]["stored_as"] = _stored_as(tensors)
    return LoadedWeights(card=replace(best.card, **measured), model=model), tensors


def _test_answers(
    runs: Sequence[SeedRun], chosen: SeedRun, published: LoadedWeights, test_folder: Path, progress: Progress
) -> np.ndarray:
    """Return whether each run has each test image right, (runs, images); the chosen one as it is published."""
    answers = []
    for run in runs:
        evaluation = evaluate(
            Classifier(published if run is chosen else load_weights(run.folder.best)),
            test_folder,
            progress=lambda done, total: progress("measuring all seeds on test images", done, total),
        )
        answers.append(evaluation.is_right)
    return np.stack(answers)


def publish_gate(
    name: str,
    *,
    to: Path | None = None,
    folders: DataFolders,
    test_folder: Path | None = None,
    progress: Progress = lambda what, done, total: None,
) -> WeightsCard:
    """Fit the gate of weights that are published already anew, and write them with it.

    Args:
        to: folder of the weights; None: the user's published weights.
        folders: what the weights were trained on.
        test_folder: as for `publish`.

    Returns:
        The card as written.

    Raises:
        WeightsError: there are no such weights, or they ship with the program and `to` is not their folder.
        DatasetError: the folders do not hold the images of the training.
    """
    refuse_name(name, to=to)
    path = (to or published_weights()) / f"{name}.safetensors"
    was_measured_here = is_measured_here(read_card(path))
    weights, split = gate_for(path, folders, progress)
    pictures = known_pictures(folders, split, progress)
    weights = replace(weights, known_pictures=pictures)
    if test_folder is not None:
        weights = with_test_figures(weights, test_folder, split, progress)
    tensors = stored_tensors(path)
    saved = save_weights(path.parent, weights.card, tensors, weights.gate_tensors, split.known_sha256, pictures)
    if was_measured_here:
        remember_measured(saved)
    return saved


def with_test_figures(weights: LoadedWeights, test_folder: Path, split: Split, progress: Progress) -> LoadedWeights:
    """Return the weights with their figures on labelled images that chose nothing.

    Raises:
        DatasetError: the folder holds no dataset, or images that were seen in training.
    """
    test = _measure_test(weights, test_folder, split, progress)
    return replace(weights, card=replace(weights.card, metrics={**weights.card.metrics, "test": test}))


def _measure_test(weights: LoadedWeights, test_folder: Path, split: Split, progress: Progress) -> dict[str, Any]:
    classifier = Classifier(weights)
    evaluation = evaluate(
        classifier,
        test_folder,
        known_sha256=split.known_sha256,
        progress=lambda done, total: progress("measuring on test images", done, total),
    )
    if evaluation.seen_before:
        raise DatasetError(
            f"{evaluation.seen_before} of the {len(evaluation.rows)} test images were seen in training or validation, "
            "as they are or as copies, so they test nothing. Take them out of the test folder."
        )
    return test_entries(evaluation, classifier)


def test_entries(evaluation: Evaluation, classifier: Classifier) -> dict[str, Any]:
    """Return what a card holds of an evaluation on test images, plain JSON values."""
    summary = evaluation.summary(classifier)
    # The published file has another hash, which its own card holds.
    return {key: value for key, value in summary.items() if key not in ("model", "model_sha256", "answer_sha256")}


def _stored_as(tensors: dict[str, Tensor]) -> str:
    return "float16" if any(tensor.dtype == torch.float16 for tensor in tensors.values()) else "float32"


def _logits(model: CellClassifier, images: Tensor, progress: Progress) -> np.ndarray:
    channels_last = model.to(memory_format=torch.channels_last)
    logits, done = [], 0
    for batch in images.split(BATCH_SIZE):
        logits.append(predict_logits(channels_last, batch, memory_format=torch.channels_last).numpy())
        done += len(batch)
        progress("answering for validation images", done, len(images))
    return np.concatenate(logits)


def half_precision_where_equal(
    weights: LoadedWeights,
    images: Tensor,
    progress: Progress = lambda what, done, total: None,
    *,
    largest_change: float = LARGEST_CHANGE,
) -> dict[str, Tensor]:
    """Return the filters in float16 if every answer on the images stays the same, else all in float32.

    The same means: the same class, and no probability moves by more than `largest_change`. Batch norm and biases stay
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
        probabilities_of(_logits(model, images, progress), weights.card.temperature)
        for model in (weights.model, rounded)
    )
    is_equal = (before.argmax(1) == after.argmax(1)).all() and np.abs(before - after).max() <= largest_change
    return half if is_equal else full
