import csv
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bloodcell.answers.labelled_table import read_labelled_table
from bloodcell.datasets.drawn_cells import write_synthetic_dataset
from bloodcell.errors import DatasetError, RunFolderError
from bloodcell.jobs.executors.executor import PlanWatch
from bloodcell.runs.run_folder import RunFolder
from bloodcell.suites.run_suite import SuiteEnd, run_suite
from bloodcell.suites.suite import Suite, SuiteFolder, build_suite
from bloodcell.weights.file import read_card
from tests.conftest import REPOSITORY, held_elsewhere

TIMINGS = ("images_per_second", "seconds_per_run")


def train_suite(
    folder: SuiteFolder,
    *,
    announce: Callable[[int, int, str], None] = lambda number, runs, name: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> SuiteEnd:
    watch = PlanWatch(
        announce=announce,
        report=lambda status: None,
        progress=lambda what, done, total: None,
        should_stop=should_stop,
    )
    return run_suite(folder, watch)


def start_ablate(folder: Path, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bloodcell", "ablate", "--out", folder, *arguments]
    return subprocess.Popen(
        list(map(str, command)), cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finish_ablate(folder: Path, *arguments: object) -> str:
    process = start_ablate(folder, *arguments)
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output
    return output


def kill_once(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Kill without mercy as soon as the condition holds, which it must while the process lives."""
    while not condition():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def table_without_timings(folder: Path) -> list[dict[str, str]]:
    with (folder / "table.csv").open(newline="") as stream:
        return [{key: row[key] for key in row if key not in TIMINGS} for row in csv.DictReader(stream)]


def trained_epochs(folder: Path) -> list[tuple[str, str]]:
    """Return (run, epoch) for every epoch that any process finished, from the logs."""
    return [
        (log.parent.name, epoch)
        for log in sorted(folder.glob("runs/*/train.log"))
        for epoch in re.findall(r"epoch (\d+) of \d+: loss", log.read_text())
    ]


def assert_killed_twice_equals_uninterrupted(tmp_path: Path, suite: Suite) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        SuiteFolder(folder).create(suite)
    finish_ablate(whole, "--resume")
    first, later = (parts / "runs" / f"{arm.name}-seed0" for arm in (suite.arms[0], suite.arms[-2]))
    kill_once((first / "metrics.csv").exists, start_ablate(parts, "--resume"))
    kill_once((later / "status.json").exists, start_ablate(parts, "--resume"))
    assert len(list(parts.glob("runs/*/outcome.json"))) < len(suite.arms)
    finish_ablate(parts, "--resume")
    assert table_without_timings(parts) == table_without_timings(whole)
    done = trained_epochs(parts)
    assert len(done) == len(set(done))
    assert {name for name, _ in done} == {path.name for path in (whole / "runs").iterdir()}
    for run in (whole / "runs").iterdir():
        assert (parts / "runs" / run.name / "best.safetensors").read_bytes() == (run / "best.safetensors").read_bytes()
        assert len(RunFolder(parts / "runs" / run.name).read_metrics()) == suite.arms[0].config.epochs


def test_a_suite_that_is_killed_twice_trains_nothing_twice_and_ends_as_if_uninterrupted(
    drawn_dataset: Path, tmp_path: Path
) -> None:
    suite = build_suite("smoke", data_folder=drawn_dataset, seeds=(0,), device="cpu")
    small = [replace(arm, config=arm.config.changed(image_size_px=16)) for arm in suite.arms]
    assert_killed_twice_equals_uninterrupted(tmp_path, replace(suite, arms=tuple(small)))


@pytest.mark.real_images
@pytest.mark.slow
def test_the_smoke_suite_on_real_images_survives_two_kills(real_data_folder: Path, tmp_path: Path) -> None:
    suite = build_suite("smoke", data_folder=real_data_folder / "pbc3200", seeds=(0,), epochs=1, device="cpu")
    assert_killed_twice_equals_uninterrupted(tmp_path, suite)


@pytest.fixture(scope="module")
def small_suite(drawn_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> SuiteFolder:
    """A finished suite of two arms and two seeds with test images. Read it, never write to it."""
    tests = tmp_path_factory.mktemp("tests")
    write_synthetic_dataset(tests, per_class=2, size_px=64, seed=9)
    folder = SuiteFolder(tmp_path_factory.mktemp("suites") / "small")
    folder.create(
        build_suite(
            "smoke", data_folder=drawn_dataset, test_folders=[tests], arms=["simple_cnn"], seeds=(0, 1), epochs=1,
            device="cpu",
        )
    )  # fmt: skip
    assert train_suite(folder).is_finished
    return folder


def test_every_run_answers_the_test_images(small_suite: SuiteFolder) -> None:
    tables = [read_labelled_table(path / "predictions_test.csv") for path in sorted(small_suite.runs.iterdir())]
    assert len(tables) == 4
    assert {len(table.files) for table in tables} == {16}


def test_all_runs_have_the_same_split(small_suite: SuiteFolder) -> None:
    assert len({(path / "split.csv").read_bytes() for path in small_suite.runs.iterdir()}) == 1


def test_all_arms_compute_in_the_same_precision(drawn_dataset: Path, tmp_path: Path) -> None:
    folder = SuiteFolder(tmp_path)
    folder.create(build_suite("quick", data_folder=drawn_dataset, arms=["simple_cnn"], seeds=(0,), device="cpu"))
    train_suite(folder, should_stop=lambda: True)
    chosen = {(arm.config.device, arm.config.precision, arm.config.memory_format) for arm in folder.read().arms}
    assert len(chosen) == 1
    assert "auto" not in chosen.pop()


def test_going_on_with_a_finished_suite_trains_nothing(small_suite: SuiteFolder, tmp_path: Path) -> None:
    shutil.copytree(small_suite.path, tmp_path / "copy")
    folder = SuiteFolder(tmp_path / "copy")
    before = {path: path.read_bytes() for path in folder.runs.rglob("*") if path.is_file()}
    assert train_suite(folder).is_finished
    assert {path: path.read_bytes() for path in folder.runs.rglob("*") if path.is_file()} == before


def test_a_stop_ends_the_suite_and_the_rest_is_trained_later(drawn_dataset: Path, tmp_path: Path) -> None:
    folder = SuiteFolder(tmp_path)
    folder.create(
        build_suite("smoke", data_folder=drawn_dataset, arms=["simple_cnn"], seeds=(0,), epochs=1, device="cpu")
    )
    begun: list[str] = []
    end = train_suite(
        folder, announce=lambda number, runs, name: begun.append(name), should_stop=lambda: len(begun) > 1
    )
    assert not end.is_finished
    assert begun == ["unet_encoder-seed0", "simple_cnn-seed0"]
    assert train_suite(folder).is_finished
    assert all((folder.run_path(name, 0) / "best.json").exists() for name in ("unet_encoder", "simple_cnn"))


def test_test_images_that_were_trained_on_are_refused(drawn_dataset: Path, tmp_path: Path) -> None:
    folder = SuiteFolder(tmp_path)
    folder.create(build_suite("smoke", data_folder=drawn_dataset, test_folders=[drawn_dataset], seeds=(0,)))
    with pytest.raises(DatasetError, match="All 80 test images are among the training"):
        train_suite(folder)


def test_test_images_that_were_trained_on_are_left_out_and_each_answer_names_its_set(
    drawn_dataset: Path, tmp_path: Path
) -> None:
    unseen, mixed = tmp_path / "unseen", tmp_path / "mixed"
    write_synthetic_dataset(unseen, per_class=1, size_px=64, seed=9)
    write_synthetic_dataset(mixed, per_class=1, size_px=64, seed=10)
    for folder in sorted(path for path in drawn_dataset.iterdir() if path.is_dir()):
        known = sorted(folder.iterdir())[0]
        shutil.copy(known, mixed / folder.name / f"known{known.suffix}")
    suite = SuiteFolder(tmp_path / "suite")
    suite.create(
        build_suite(
            "smoke", data_folder=drawn_dataset, test_folders=[unseen, mixed], arms=["simple_cnn"], seeds=(0,), epochs=1,
            device="cpu",
        )
    )  # fmt: skip
    assert train_suite(suite).is_finished
    assert suite.read().seen_test_images == 8
    files = read_labelled_table(suite.run_path("simple_cnn", 0) / "predictions_test.csv").files
    assert len(files) == 16
    assert {name.partition("/")[0] for name in files} == {"unseen", "mixed"}
    assert not any("known." in name for name in files)


def test_a_run_that_diverges_does_not_stop_the_others(drawn_dataset: Path, tmp_path: Path) -> None:
    folder = SuiteFolder(tmp_path)
    suite = build_suite("smoke", data_folder=drawn_dataset, arms=["simple_cnn"], seeds=(0,), epochs=1, device="cpu")
    wild = replace(
        suite.arms[0], config=replace(suite.arms[0].config, model="unet_encoder_no_batch_norm", learning_rate=1e30)
    )
    folder.create(replace(suite, arms=(wild, suite.arms[1])))
    end = train_suite(folder)
    assert end.diverged == ("unet_encoder-seed0",)
    assert (folder.run_path("simple_cnn", 0) / "best.json").exists()


def test_a_suite_is_not_trained_by_two_processes(small_suite: SuiteFolder) -> None:
    with held_elsewhere(RunFolder(small_suite.path).lock), pytest.raises(RunFolderError, match="Another process"):
        train_suite(small_suite)


def test_the_table_has_a_row_per_arm(small_suite: SuiteFolder) -> None:
    rows = table_without_timings(small_suite.path)
    assert [row["arm"] for row in rows] == ["unet_encoder", "simple_cnn"]
    assert [row["seeds"] for row in rows] == ["2", "2"]


def test_a_suite_stops_at_a_class_without_a_usable_image_and_goes_on_once_that_is_allowed(
    drawn_dataset: Path, tmp_path: Path
) -> None:
    data = shutil.copytree(drawn_dataset, tmp_path / "data")
    for path in (data / "neutrophil").iterdir():
        path.write_bytes(b"")
    folder = SuiteFolder(tmp_path / "suite")
    suite = build_suite("smoke", data_folder=data, arms=["unet_encoder"], seeds=(0,), epochs=1, device="cpu")
    suite = replace(suite, arms=tuple(replace(arm, config=arm.config.changed(image_size_px=32)) for arm in suite.arms))
    folder.create(suite)
    with pytest.raises(DatasetError, match="no usable image of Neutrophil"):
        train_suite(folder)
    folder.write(replace(folder.read(), allow_unusable=True))
    assert train_suite(folder).is_finished
    run = RunFolder(folder.run_path("unet_encoder", 0))
    assert run.read_config()[1].allow_unusable
    card = read_card(run.best.with_suffix(".json"))
    assert card.training_data["images_used"] == "70 of 80 images used (Neutrophil 0 of 10)"
