"""Records of runs that were never trained: drawn curves and answers, for benchmarks and tests of what shows them."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from bloodcell.answers.judging import judged_row
from bloodcell.answers.labelled_table import LabelledRow, write_labelled_table
from bloodcell.cell_classes import CLASS_COUNT
from bloodcell.config import RunConfig
from bloodcell.datasets.folder_scan import DataFolders
from bloodcell.datasets.subtype import SUBTYPES
from bloodcell.figures.run_curves import best_row
from bloodcell.measures.metrics import classification_figures
from bloodcell.runs.run_folder import EpochMetrics, RunFolder
from bloodcell.suites.suite import SuiteFolder, build_suite
from bloodcell.weights.answer_identity import AnsweredBy
from bloodcell.weights.card import WeightsCard

DATA_FOLDER = Path("/data/drawn")
FINAL_ACCURACY = {
    "simple_cnn": 0.80,
    "deep_cnn": 0.91,
    "unet_encoder": 0.97,
    "unet_encoder_no_batch_norm": 0.125,
    "unet_encoder_shallow": 0.93,
    "unet_encoder_no_dropout": 0.965,
}
"""Key of NAMED_MODELS → validation accuracy towards which a drawn curve rises."""


def write_drawn_suite(
    folder: Path, *, seeds: int = 2, epochs: int | None = 8, images: int = 160, name: str = "quick"
) -> Path:
    """Write a suite of the paper's six arms with drawn runs; return its folder.

    Args:
        epochs: of every run; None: the suite's own.
        name: key of SUITES. The drawn runs of `paper` may stand beside the paper's figures.
    """
    suite = build_suite(name, data_folder=DATA_FOLDER, seeds=range(seeds), epochs=epochs, device="cpu")
    suite_folder = SuiteFolder(folder)
    suite_folder.create(suite)
    for arm, seed in suite.planned_runs():
        write_drawn_record(suite_folder.run_path(arm.name, seed), replace(arm.config, seed=seed), images=images)
    return folder


def write_drawn_record(path: Path, config: RunConfig, *, images: int = 160, files: list[str] | None = None) -> Path:
    """Write one drawn run; the same config gives the same record.

    Args:
        files: names of the validation images, whose subtypes give the labels; None: drawn names.
    """
    chance = np.random.default_rng([config.seed, *str(config.model).encode()])
    folder = RunFolder(path)
    folder.create(config, DataFolders(dataset=DATA_FOLDER))
    metrics = _drawn_metrics(config, chance)
    folder.write_metrics(metrics)
    names, labels = _drawn_files(images) if files is None else _labelled(files)
    probabilities = _drawn_probabilities(labels, FINAL_ACCURACY[str(config.model)], chance)
    card = _card(config, metrics, labels, probabilities)
    (path / "best.json").write_bytes(card.to_json())
    rows = [
        LabelledRow(
            prediction=judged_row(
                name, tuple(row), card=card, answered_by=AnsweredBy.of(card, precision="fp32", engine="torch")
            ),
            label=int(label),
            sha256=hashlib.sha256(name.encode()).hexdigest(),
        )
        for name, label, row in zip(names, labels, probabilities.tolist(), strict=True)
    ]
    write_labelled_table(rows, folder.predictions)
    folder.write_outcome("finished", "")
    return path


def _drawn_metrics(config: RunConfig, chance: np.random.Generator) -> list[EpochMetrics]:
    final = FINAL_ACCURACY[str(config.model)]
    rows = []
    for epoch in range(1, config.epochs + 1):
        rise = 1 - np.exp(-4 * epoch / config.epochs)
        accuracy = 0.125 + (final - 0.125) * rise + chance.normal(0, 0.01)
        accuracy = float(np.clip(round(accuracy * 640) / 640, 0.05, 1))
        rows.append(
            EpochMetrics(
                epoch=epoch,
                image_size_px=config.image_size_px,
                training_loss=2.1 - 1.5 * rise,
                training_accuracy=max(0.1, accuracy - 0.03),
                validation_loss=2.1 - 1.9 * rise,
                validation_accuracy=accuracy,
                learning_rate=1e-3,
                images_per_second=100.0,
                seconds=30.0,
            )
        )
    return rows


def _drawn_files(images: int) -> tuple[list[str], np.ndarray]:
    """Names and labels, as many of each class, its subtypes in turn."""
    names = []
    for index in range(images):
        label = index % CLASS_COUNT
        subtypes = [subtype for subtype in SUBTYPES if subtype.label == label]
        names.append(f"class_{label}/{subtypes[index // CLASS_COUNT % len(subtypes)].code}_{index:04d}.jpg")
    return _labelled(names)


def _labelled(files: list[str]) -> tuple[list[str], np.ndarray]:
    return files, np.arange(len(files)) % CLASS_COUNT


def _drawn_probabilities(labels: np.ndarray, accuracy: float, chance: np.random.Generator) -> np.ndarray:
    wrong = (labels + chance.integers(1, CLASS_COUNT, len(labels))) % CLASS_COUNT
    answers = np.where(chance.random(len(labels)) < accuracy, labels, wrong)
    logits = chance.normal(0, 1, (len(labels), CLASS_COUNT))
    logits[np.arange(len(labels)), answers] += 4 + chance.normal(0, 0.5, len(labels))
    raised = np.exp(logits)
    return raised / raised.sum(axis=1, keepdims=True)


def _card(config: RunConfig, metrics: list[EpochMetrics], labels: np.ndarray, probabilities: np.ndarray) -> WeightsCard:
    return WeightsCard(
        name="best",
        model=config.model,
        image_size_px=config.image_size_px,
        field_of_view=config.field_of_view,
        review_threshold=0.6,
        recipe={**config.to_dict(), "best_epoch": best_row(metrics).epoch, "epochs_done": len(metrics)},
        training_data={"fingerprint": "d" * 64, "training_images": 2560, "validation_images": len(labels)},
        metrics={"validation": classification_figures(labels, probabilities).to_dict()},
        hardware="drawn, not measured",
        code_version="0",
        licence="none",
        tensors_sha256=hashlib.sha256(repr(config).encode()).hexdigest(),
    )
