import csv
import json
import math
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bloodcell.answers.labelled_table import read_labelled_table
from bloodcell.config import Precision, RunConfig
from bloodcell.datasets.drawn_cells import write_synthetic_dataset
from bloodcell.datasets.split import read_split
from bloodcell.errors import DatasetError, RunFolderError, TrainingDiverged
from bloodcell.runs.checkpoint import LoopState, load_checkpoint
from bloodcell.runs.run_folder import RunFolder, RunStatus
from bloodcell.weights.file import load_weights
from tests.answers.computing import needs_bf16
from tests.conftest import held_elsewhere, quick_config, train_or_resume, train_quietly


def metrics_of(folder: RunFolder) -> list[dict[str, str]]:
    with folder.metrics.open(newline="") as stream:
        return list(csv.DictReader(stream))


def without_timings(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{key: row[key] for key in row if key not in ("images_per_second", "seconds")} for row in rows]


def train_until(folder: RunFolder, config: RunConfig | None, data: Path | None, *, steps: int) -> bool:
    """Train, and ask for a stop after a number of steps."""
    # Also asked once for each of the 80 images that are checked and then decoded, and at the end of an epoch.
    asked = iter(range(10**6))
    return train_or_resume(config, data, folder, should_stop=lambda: next(asked) >= 160 + steps)


MAIN_MODEL = quick_config(
    model="unet_encoder",
    epochs=6,
    optimizer="muon",
    schedule="one_cycle",
    augmentation="mild",
    exact_batch_norm=True,
    memory_format="channels_last",
    first_image_size_px=16,
    field_of_view=0.8,
)


@pytest.mark.parametrize(
    "config", [MAIN_MODEL, replace(quick_config(epochs=6), model="unet_encoder")], ids=["fast", "paper"]
)
def test_six_epochs_equal_three_plus_resume_plus_three_bit_for_bit(
    config: RunConfig, drawn_dataset: Path, tmp_path: Path
) -> None:
    whole = train_quietly(config, drawn_dataset, tmp_path / "whole")
    parts = RunFolder(tmp_path / "parts")
    # 64 training images in batches of 16: the stop falls into the fourth epoch, which is trained anew.
    assert not train_until(parts, config, drawn_dataset, steps=3 * 5 + 2)
    assert len(metrics_of(parts)) == 3
    train_quietly(None, None, parts.path)
    assert without_timings(metrics_of(parts)) == without_timings(metrics_of(whole))
    assert parts.best.read_bytes() == whole.best.read_bytes()
    assert parts.predictions.read_bytes() == whole.predictions.read_bytes()
    _, one, _ = load_checkpoint(whole)
    _, other, _ = load_checkpoint(parts)
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_finished_run_leaves_all_its_files(finished_run: RunFolder) -> None:
    names = {path.name for path in finished_run.path.iterdir()}
    assert names == {
        *(
            ".lock",
            "config.json",
            "split.csv",
            "images.json",
            "metrics.csv",
            "status.json",
            "train.log",
            "last.pt",
            "outcome.json",
        ),
        *("best.safetensors", "best.json", "predictions_validation.csv"),
    }
    assert finished_run.read_outcome() is not None
    assert json.loads(finished_run.outcome.read_bytes())["state"] == "finished"


def test_a_model_learns_drawn_cells(finished_run: RunFolder) -> None:
    losses = [float(row["training_loss"]) for row in metrics_of(finished_run)]
    assert losses[-1] < 0.9 * losses[0]


def test_the_best_weights_are_those_of_the_best_epoch(finished_run: RunFolder) -> None:
    rows = metrics_of(finished_run)
    best = max(rows, key=lambda row: (float(row["validation_accuracy"]), -float(row["validation_loss"])))
    card = load_weights(finished_run.best).card
    assert card.recipe["best_epoch"] == int(best["epoch"])
    assert card.metrics["validation"]["accuracy"] == pytest.approx(float(best["validation_accuracy"]))


def test_a_tie_in_accuracy_goes_to_the_lower_loss() -> None:
    state = LoopState(best_accuracy=0.9, best_loss=0.5)
    assert state.is_better(0.9, 0.4)
    assert not state.is_better(0.9, 0.5)
    assert not state.is_better(0.8, 0.1)


def test_validation_predictions_are_those_of_the_split(finished_run: RunFolder) -> None:
    table, split = read_labelled_table(finished_run.predictions), read_split(finished_run.split)
    assert table.files == tuple(entry.file for entry in split.validation)
    assert table.labels.tolist() == [entry.label for entry in split.validation]
    assert table.sha256 == tuple(entry.sha256 for entry in split.validation)


def test_the_config_of_a_run_names_what_was_chosen_by_measurement(drawn_dataset: Path, tmp_path: Path) -> None:
    config = quick_config(epochs=1, precision="auto", memory_format="auto", device="auto")
    recorded, _ = train_quietly(config, drawn_dataset, tmp_path / "run").read_config()
    assert "auto" not in (recorded.precision, recorded.memory_format, recorded.device)


def test_a_stop_ends_the_run_cleanly_and_is_recorded(drawn_dataset: Path, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    assert not train_until(folder, quick_config(epochs=50), drawn_dataset, steps=12)
    outcome = folder.read_outcome()
    assert outcome is not None
    assert outcome["state"] == "stopped"


def test_a_second_run_does_not_overwrite_a_first(finished_run: RunFolder, drawn_dataset: Path) -> None:
    before = finished_run.metrics.read_bytes()
    with pytest.raises(RunFolderError, match="already holds a run"):
        train_quietly(quick_config(), drawn_dataset, finished_run.path)
    assert finished_run.metrics.read_bytes() == before


def test_resuming_where_there_is_no_run_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="no run"):
        train_quietly(None, None, tmp_path / "empty")


def test_a_run_that_is_being_trained_is_not_trained_twice(drawn_dataset: Path, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    train_until(folder, quick_config(epochs=9), drawn_dataset, steps=7)
    before = folder.outcome.read_bytes()
    with held_elsewhere(folder.lock), pytest.raises(RunFolderError, match="Another process"):
        train_quietly(None, None, folder.path)
    assert folder.outcome.read_bytes() == before


def test_resuming_a_finished_run_changes_nothing(finished_run: RunFolder, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in finished_run.path.iterdir()}
    train_quietly(None, tmp_path / "data that is gone", finished_run.path)
    assert {path.name: path.read_bytes() for path in finished_run.path.iterdir()} == before


def test_a_stop_is_heard_while_images_are_read(drawn_dataset: Path, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    assert not train_or_resume(quick_config(), drawn_dataset, folder, should_stop=lambda: True)
    assert not folder.metrics.exists()
    train_quietly(None, None, folder.path)
    assert len(metrics_of(folder)) == 2


def test_divergence_in_the_last_step_of_an_epoch_overwrites_no_checkpoint(drawn_dataset: Path, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(TrainingDiverged):
        train_quietly(quick_config(batch_size=64, learning_rate=1e30), drawn_dataset, folder.path)
    assert not folder.checkpoint.exists()


def test_file_names_that_are_no_utf8_are_trained_on(drawn_dataset: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(drawn_dataset, data)
    named = next((data / "platelet").iterdir())
    named.rename(os.fsdecode(os.fsencode(data / "platelet") + b"/\xff\x1b[31m.jpg"))
    split = read_split(train_quietly(quick_config(epochs=1), data, tmp_path / "run").split)
    assert len(split.training) + len(split.validation) == 80


def test_a_damaged_config_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(RunFolderError, match="damaged"):
        train_quietly(None, None, tmp_path)


def test_a_damaged_checkpoint_is_a_sentence(drawn_dataset: Path, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    train_until(folder, quick_config(epochs=9), drawn_dataset, steps=7)
    folder.checkpoint.write_bytes(folder.checkpoint.read_bytes()[:1000])
    with pytest.raises(RunFolderError, match="checkpoint"):
        train_quietly(None, None, folder.path)


def test_changed_images_are_noticed_on_resume(drawn_dataset: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(drawn_dataset, data)
    folder = RunFolder(tmp_path / "run")
    train_until(folder, quick_config(epochs=9), data, steps=7)
    changed = data / read_split(folder.split).training[0].file
    changed.write_bytes(changed.read_bytes() + b"\0")
    with pytest.raises(DatasetError, match="has changed"):
        train_quietly(None, None, folder.path)


def test_divergence_stops_the_run_and_keeps_the_last_good_checkpoint(drawn_dataset: Path, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    config = quick_config(epochs=40, model="unet_encoder_no_batch_norm", learning_rate=1e30)
    with pytest.raises(TrainingDiverged, match="lower learning rate"):
        train_quietly(config, drawn_dataset, folder.path)
    outcome = folder.read_outcome()
    assert outcome is not None
    assert outcome["state"] == "failed"
    assert "lower learning rate" in outcome["reason"]
    assert all(
        math.isfinite(float(row["training_loss"])) for row in (metrics_of(folder) if folder.metrics.exists() else [])
    )


def test_the_seed_moves_training_and_not_the_split(
    drawn_dataset: Path, tmp_path: Path, finished_run: RunFolder
) -> None:
    other = train_quietly(quick_config(epochs=6, seed=1), drawn_dataset, tmp_path / "run")
    assert other.split.read_bytes() == finished_run.split.read_bytes()
    assert without_timings(metrics_of(other)) != without_timings(metrics_of(finished_run))


def test_the_split_seed_moves_the_split(drawn_dataset: Path, tmp_path: Path, finished_run: RunFolder) -> None:
    other = train_quietly(quick_config(epochs=1, split_seed=1), drawn_dataset, tmp_path / "run")
    assert other.split.read_bytes() != finished_run.split.read_bytes()


def test_a_run_reports_where_it_is(drawn_dataset: Path, tmp_path: Path) -> None:
    seen: list[RunStatus] = []
    train_or_resume(quick_config(), drawn_dataset, RunFolder(tmp_path / "run"), report=seen.append)
    status = json.loads((tmp_path / "run" / "status.json").read_bytes())
    assert seen[0].epochs == 2
    assert status["pid"] > 0
    assert {"start_ticks", "boot_id", "host", "heartbeat", "epoch", "eta_seconds"} <= set(status)
    assert seen[0].eta_seconds is not None
    assert seen[0].eta_seconds >= 0


def test_unusable_images_are_left_out_of_a_run(drawn_dataset: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(drawn_dataset, data)
    write_synthetic_dataset(data, per_class=15, size_px=64, seed=0)
    (data / "platelet" / "broken.jpg").write_bytes(b"not an image")
    split = read_split(train_quietly(quick_config(epochs=1), data, tmp_path / "run").split)
    names = [entry.file for entry in (*split.training, *split.validation)]
    assert len(names) == 120
    assert "platelet/broken.jpg" not in names


# Validation computes in fp32; where bf16 answers, it rounds.
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-5), pytest.param("bf16", 2e-2, marks=needs_bf16)])
def test_answers_of_the_stored_weights_equal_the_stored_predictions(
    finished_run: RunFolder, drawn_dataset: Path, precision: Precision, tolerance: float
) -> None:
    from bloodcell.answers.classifier import Classifier
    from bloodcell.images.open_image import read_image_file

    table = read_labelled_table(finished_run.predictions)
    images = [read_image_file(drawn_dataset / name) for name in table.files]
    answered = Classifier.load(finished_run.best, device="cpu", precision=precision).probabilities(images)
    np.testing.assert_allclose(answered, table.probabilities, rtol=0, atol=tolerance)
