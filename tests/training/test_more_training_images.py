import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bloodcell.command_line import main
from bloodcell.datasets.drawn_cells import write_synthetic_dataset
from bloodcell.datasets.split import read_split
from bloodcell.errors import DatasetError
from bloodcell.publishing.publish import publish
from bloodcell.runs.run_folder import RunFolder
from bloodcell.training.train_run import TrainingWatch, start_run
from bloodcell.weights.card import read_card
from tests.conftest import quick_config, train_quietly


def watch_until(should_stop: Callable[[], bool]) -> TrainingWatch:
    return TrainingWatch(report=lambda status: None, progress=lambda what, done, total: None, should_stop=should_stop)


def train_with_more(drawn_dataset: Path, more: Path, run_dir: Path) -> RunFolder:
    folder = RunFolder(run_dir)
    assert start_run(
        quick_config(epochs=2),
        drawn_dataset,
        folder,
        watch_until(lambda: False),
        more_data=more,
    )
    return folder


@pytest.fixture
def more_images(tmp_path: Path) -> Path:
    folder = tmp_path / "more"
    write_synthetic_dataset(folder, per_class=3, size_px=64, seed=9)
    return folder


def test_a_second_folder_is_trained_on_and_validates_nothing(
    drawn_dataset: Path, more_images: Path, tmp_path: Path, finished_run: RunFolder
) -> None:
    folder = train_with_more(drawn_dataset, more_images, tmp_path / "run")
    split = read_split(folder.split)
    assert len(split.more_training) == 24
    assert split.validation == read_split(finished_run.split).validation
    assert split.training == read_split(finished_run.split).training
    card, plain = (read_card(run.best.with_suffix(".json")) for run in (folder, finished_run))
    assert card.training_data["training_images"] == 64 + 24
    assert card.training_data["fingerprint"] != plain.training_data["fingerprint"]


def test_copies_of_known_images_are_left_out_of_the_second_folder(
    drawn_dataset: Path, more_images: Path, tmp_path: Path, finished_run: RunFolder
) -> None:
    known = read_split(finished_run.split)
    for number, entry in enumerate((known.validation[0], known.training[0])):
        shutil.copy(drawn_dataset / entry.file, more_images / "platelet" / f"copy{number}.png")
    twin = next((more_images / "platelet").iterdir())
    shutil.copy(twin, twin.with_name("twin.png"))
    split = read_split(train_with_more(drawn_dataset, more_images, tmp_path / "run").split)
    hashes = [entry.sha256 for entry in (*split.all_training, *split.validation)]
    assert len(hashes) == len(set(hashes)) == 80 + 24


def test_a_run_with_a_second_folder_resumes_to_the_same_metrics(
    drawn_dataset: Path, more_images: Path, tmp_path: Path
) -> None:
    whole = train_with_more(drawn_dataset, more_images, tmp_path / "whole")
    asked = iter([False] * 3 + [True] * 99)
    halted = RunFolder(tmp_path / "halted")
    assert not start_run(
        quick_config(epochs=2),
        drawn_dataset,
        halted,
        watch_until(lambda: halted.checkpoint.exists() and next(asked)),
        more_data=more_images,
    )
    train_quietly(None, None, halted.path)
    columns = slice(0, 7)
    rows = [[line.split(",")[columns] for line in run.metrics.read_text().splitlines()] for run in (whole, halted)]
    assert rows[0] == rows[1]


def test_a_second_folder_that_is_gone_is_a_sentence(drawn_dataset: Path, more_images: Path, tmp_path: Path) -> None:
    folder = train_with_more(drawn_dataset, more_images, tmp_path / "run")
    folder.outcome.unlink()
    shutil.rmtree(more_images)
    with pytest.raises(DatasetError, match="cannot be read from"):
        train_quietly(None, None, folder.path)


def test_publishing_needs_the_second_folder_wherever_it_lies_now(
    drawn_dataset: Path, more_images: Path, tmp_path: Path
) -> None:
    run = train_with_more(drawn_dataset, more_images, tmp_path / "run")
    moved = more_images.rename(tmp_path / "moved")
    with pytest.raises(DatasetError, match="second folder, which is gone"):
        publish(run, "mine", to=tmp_path)
    card = publish(run, "mine", to=tmp_path, more_folder=moved)
    assert card.gate["fitted_on"] == 64 + 24


def test_the_command_line_takes_a_second_folder(drawn_dataset: Path, more_images: Path, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    options = ["--epochs", "1", "--image-size", "32", "--device", "cpu", "--more-data", str(more_images)]
    train = ["train", "--experiment", "fast_simple_cnn", "--data", str(drawn_dataset), "--run-dir", str(run_dir)]
    assert main([*train, *options]) == 0
    _, folders = RunFolder(run_dir).read_config()
    assert folders.more_training == more_images.resolve()
