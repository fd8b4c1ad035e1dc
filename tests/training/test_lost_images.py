"""Images that are lost, before, while and after they are read: no figure comes of what is left by accident."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bloodcell.cell_classes import CLASS_KEYS
from bloodcell.command_line import main
from bloodcell.datasets.data_use import read_data_use
from bloodcell.datasets.folder_scan import DataFolders, scan_dataset
from bloodcell.datasets.split import read_split
from bloodcell.errors import DatasetError
from bloodcell.runs.run_folder import RunFolder
from bloodcell.training.train_run import TrainingWatch, resume_run, start_run
from bloodcell.weights.file import read_card
from tests.conftest import quick_config, train_quietly

NEUTROPHIL = CLASS_KEYS.index("neutrophil")


@pytest.fixture
def data(drawn_dataset: Path, tmp_path: Path) -> Path:
    return shutil.copytree(drawn_dataset, tmp_path / "data")


def watch_that(does: Callable[[str, int, int], None], should_stop: Callable[[], bool] = lambda: False) -> TrainingWatch:
    return TrainingWatch(report=lambda status: None, progress=does, should_stop=should_stop)


def start(data: Path, run: RunFolder, *, allow_unusable: bool = False, **changes: object) -> bool:
    watch = watch_that(lambda *_: None)
    return start_run(quick_config(epochs=1, **changes), data, run, watch, allow_unusable=allow_unusable)


def resume(run: RunFolder, *, allow_unusable: bool = False) -> bool:
    return resume_run(run, watch_that(lambda *_: None), allow_unusable=allow_unusable)


def empty_class(data: Path, name: str) -> None:
    for path in (data / name).iterdir():
        path.write_bytes(b"")


def reason_of(run: RunFolder) -> str:
    outcome = run.read_outcome()
    assert outcome is not None
    assert outcome["state"] == "failed"
    return str(outcome["reason"])


def assert_nothing_was_trained(run: RunFolder) -> None:
    assert not run.split.exists()
    assert not run.checkpoint.exists()
    assert not run.best.exists()


def when(phrase: str, number: int, act: Callable[[], object]) -> TrainingWatch:
    """Act once, while the given image of the given phase is reported."""

    def progress(what: str, done: int, total: int) -> None:
        if what == phrase and done == number:
            act()

    return watch_that(progress)


@pytest.mark.parametrize(
    ("phrase", "number"), [("checking images", 1), ("reading training images", 1), ("reading training images", 64)]
)
def test_a_dataset_that_is_moved_away_ends_the_run_before_a_split_and_trains_whole_once_it_is_back(
    phrase: str, number: int, data: Path, tmp_path: Path
) -> None:
    """After the last of 64 training images the validation images are to be read."""
    away, run = data.with_name("away"), RunFolder(tmp_path / "run")
    with pytest.raises(DatasetError) as told:
        start_run(quick_config(epochs=1), data, run, when(phrase, number, lambda: data.rename(away)))
    assert str(data) in str(told.value)
    assert reason_of(run) == str(told.value)
    assert_nothing_was_trained(run)
    away.rename(data)
    assert resume(run)
    split = read_split(run.split)
    assert len(split.training) + len(split.validation) == 80
    assert {entry.label for entry in split.validation} == set(range(8))


def test_a_share_that_is_emptied_while_it_is_checked_ends_the_run(data: Path, tmp_path: Path) -> None:
    def empty() -> None:
        for folder in data.iterdir():
            shutil.rmtree(folder)

    run = RunFolder(tmp_path / "run")
    with pytest.raises(DatasetError, match="stopped at"):
        start_run(quick_config(epochs=1), data, run, when("checking images", 1, empty))
    assert_nothing_was_trained(run)


@pytest.mark.parametrize("target", ["/proc/self/mem", "nowhere.png", "loop"])
def test_what_the_disk_refuses_ends_the_run_and_is_no_bad_image(target: str, data: Path, tmp_path: Path) -> None:
    """/proc/self/mem is a file of which reading the first byte is an input/output error, by the kernel itself."""
    victim = sorted((data / "monocyte").iterdir())[-1]
    victim.unlink()
    victim.symlink_to(victim.name if target == "loop" else target)
    run = RunFolder(tmp_path / "run")
    with pytest.raises(DatasetError, match=f"stopped at monocyte/{victim.name}"):
        start(data, run, allow_unusable=True)
    assert_nothing_was_trained(run)


def test_a_class_whose_files_are_empty_stops_the_run(data: Path, tmp_path: Path) -> None:
    empty_class(data, "neutrophil")
    run = RunFolder(tmp_path / "run")
    with pytest.raises(DatasetError, match="no usable image of Neutrophil") as told:
        start(data, run)
    assert "--allow-unusable" in str(told.value)
    assert_nothing_was_trained(run)


def test_a_class_that_is_not_there_stops_the_run(data: Path, tmp_path: Path) -> None:
    shutil.rmtree(data / "neutrophil")
    with pytest.raises(DatasetError, match="no usable image of Neutrophil"):
        start(data, RunFolder(tmp_path / "run"))


@pytest.mark.parametrize(("bad", "stops"), [(2, True), (1, False)])
def test_more_than_one_percent_unreadable_stops_the_run(bad: int, stops: bool, data: Path, tmp_path: Path) -> None:
    for index in range(20):
        for folder in sorted(data.iterdir()):
            shutil.copy(sorted(folder.iterdir())[0], folder / f"copy_{index}.jpg")
    for index in range(bad):
        (data / "platelet" / f"bad{index}.jpg").write_bytes(b"no image")
    assert len(scan_dataset(data).files) == 240 + bad
    run = RunFolder(tmp_path / "run")
    folders = DataFolders(dataset=data)
    from bloodcell.training.run_data import split_dataset

    if not stops:
        use = split_dataset(quick_config(), folders, lambda *_: None).use
        assert use is not None
        assert (sum(use.dataset.used), sum(use.dataset.found), use.dataset.unreadable) == (240, 241, 1)
        return
    (data / "platelet" / "bad2.jpg").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"3 of 243 images .* cannot be read"):
        start(data, run)
    assert_nothing_was_trained(run)


def test_unusable_images_can_be_allowed_and_the_run_keeps_that(data: Path, tmp_path: Path) -> None:
    empty_class(data, "neutrophil")
    run = RunFolder(tmp_path / "run")
    assert start(data, run, allow_unusable=True)
    assert run.read_config()[1].allow_unusable
    run.outcome.unlink()
    run.split.unlink()
    assert resume(run)
    assert not any(entry.label == NEUTROPHIL for entry in read_split(run.split).training)


def test_a_run_that_was_stopped_by_unusable_images_goes_on_once_they_are_allowed(data: Path, tmp_path: Path) -> None:
    empty_class(data, "neutrophil")
    run = RunFolder(tmp_path / "run")
    with pytest.raises(DatasetError):
        start(data, run)
    with pytest.raises(DatasetError):
        resume(run)
    assert resume(run, allow_unusable=True)
    assert run.read_config()[1].allow_unusable


def test_the_command_line_allows_unusable_images(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty_class(data, "neutrophil")
    train = ["train", "--experiment", "paper_simple_cnn", "--data", str(data), "--run-dir", str(tmp_path / "run")]
    options = ["--epochs", "1", "--image-size", "32", "--device", "cpu"]
    assert main([*train, *options]) == 1
    assert "Neutrophil" in capsys.readouterr().err
    assert main(["train", "--run-dir", str(tmp_path / "run"), "--resume", "--allow-unusable"]) == 0


def test_how_many_images_are_used_is_recorded_per_class_in_folder_and_card(data: Path, tmp_path: Path) -> None:
    empty_class(data, "neutrophil")
    (data / "platelet" / "broken.jpg").write_bytes(b"no image")
    run = RunFolder(tmp_path / "run")
    start(data, run, allow_unusable=True)
    use = read_data_use(run.data_use)
    assert use is not None
    platelet = CLASS_KEYS.index("platelet")
    assert [use.dataset.used[label] for label in (0, NEUTROPHIL, platelet)] == [10, 0, 10]
    assert [use.dataset.found[label] for label in (0, NEUTROPHIL, platelet)] == [10, 10, 11]
    assert use.dataset.unreadable == 11
    assert use.sentence().startswith("70 of 81 images used")
    assert "Neutrophil 0 of 10" in use.sentence()
    assert "Platelet 10 of 11" in use.sentence()
    card = read_card(run.best.with_suffix(".json"))
    assert card.training_data["images_used"] == use.sentence()
    assert card.training_data["unused_images"] == 11


def test_a_run_that_uses_all_images_says_so(finished_run: RunFolder) -> None:
    use = read_data_use(finished_run.data_use)
    assert use is not None
    assert use.sentence() == "80 of 80 images used"


def test_a_split_of_a_few_images_of_a_dataset_that_is_whole_again_is_not_trained_on(data: Path, tmp_path: Path) -> None:
    """As a version of this program left it that took lost images for bad ones."""
    run = RunFolder(tmp_path / "run")
    run.create(quick_config(epochs=1), DataFolders(dataset=data))
    whole = train_quietly(quick_config(epochs=1), data, tmp_path / "whole")
    lines = whole.split.read_text().splitlines()
    basophils = [line for line in lines if "basophil/" in line]
    run.split.write_text("\n".join([lines[0], *basophils]) + "\n")
    with pytest.raises(DatasetError, match=r"holds 80 images .* this run began with 10"):
        resume(run)
    assert not run.checkpoint.exists()
    assert resume(run, allow_unusable=True)


def test_a_dataset_that_has_grown_since_the_run_began_is_not_resumed_by_accident(data: Path, tmp_path: Path) -> None:
    run = train_quietly(quick_config(epochs=1), data, tmp_path / "run")
    run.outcome.unlink()
    for index in range(3):
        shutil.copy(next((data / "platelet").iterdir()), data / "platelet" / f"new{index}.jpg")
    with pytest.raises(DatasetError, match=r"holds 83 images .* this run began with 80"):
        resume(run)


def test_an_image_that_is_gone_is_named_on_resume(data: Path, tmp_path: Path) -> None:
    run = train_quietly(quick_config(epochs=1), data, tmp_path / "run")
    run.outcome.unlink()
    gone = data / read_split(run.split).training[0].file
    gone.unlink()
    with pytest.raises(DatasetError, match=gone.name):
        resume(run)


def test_a_second_folder_may_lack_classes_and_not_one_percent_of_its_images(data: Path, tmp_path: Path) -> None:
    more = tmp_path / "more"
    shutil.copytree(data / "monocyte", more / "monocyte")
    (more / "monocyte" / "broken.jpg").write_bytes(b"")
    run = RunFolder(tmp_path / "run")
    watch = watch_that(lambda *_: None)
    with pytest.raises(DatasetError, match="1 of 11 images"):
        start_run(quick_config(epochs=1), data, run, watch, more_data=more)
    (more / "monocyte" / "broken.jpg").unlink()
    assert resume(run)
    use = read_data_use(run.data_use)
    assert use is not None
    assert use.more_training is not None
    # Copies of images of the dataset are not trained on twice.
    assert (sum(use.more_training.used), sum(use.more_training.found)) == (0, 10)


def test_the_recorded_use_goes_through_json_unchanged(finished_run: RunFolder) -> None:
    use = read_data_use(finished_run.data_use)
    assert use is not None
    assert use.to_dict() == json.loads(finished_run.data_use.read_bytes())
