import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bloodcell.config import RunConfig
from bloodcell.report.arms import ArmRecords, best_row, group_arms, spread_words
from bloodcell.report.paper_tables import ablation_pair, main_arm
from bloodcell.report.paper_values import NO_DROPOUT
from bloodcell.suites.run_record import list_records
from tests.builders.drawn_records import write_drawn_record, write_drawn_suite


def _config(**changes: object) -> RunConfig:
    values = {"experiment": "mine", "model": "unet_encoder", "image_size_px": 64, "epochs": 4, **changes}
    return RunConfig.from_dict(values)


def test_runs_of_a_suite_are_arms_by_the_names_of_their_folders(tmp_path: Path) -> None:
    write_drawn_suite(tmp_path, seeds=3, epochs=3, images=16)
    arms = group_arms(list_records(tmp_path))
    assert len(arms) == 6
    assert {arm.name: [run.config.seed for run in arm.runs] for arm in arms}["unet_encoder"] == [0, 1, 2]


def test_loose_runs_are_one_arm_where_only_their_seeds_differ(tmp_path: Path) -> None:
    write_drawn_record(tmp_path / "a", _config(seed=0), images=16)
    write_drawn_record(tmp_path / "b", _config(seed=1), images=16)
    write_drawn_record(tmp_path / "c", _config(seed=1, learning_rate=1e-2), images=16)
    arms = group_arms(list_records(tmp_path))
    assert [[run.name for run in arm.runs] for arm in arms] == [["a", "b"], ["c"]]
    assert len({arm.name for arm in arms}) == 2


def test_arms_of_two_suites_have_different_names(tmp_path: Path) -> None:
    write_drawn_suite(tmp_path / "one", seeds=2, epochs=2, images=16)
    write_drawn_suite(tmp_path / "two", seeds=2, epochs=2, images=16)
    names = [arm.name for arm in group_arms(list_records(tmp_path / "one", tmp_path / "two"))]
    assert len(names) == len(set(names)) == 12


def _arm(tmp_path: Path, name: str, **changes: object) -> ArmRecords:
    write_drawn_record(tmp_path / name, _config(**changes), images=16)
    (arm,) = group_arms(list_records(tmp_path / name))
    return ArmRecords(name=name, runs=arm.runs)


def test_an_ablation_is_compared_with_the_main_arm_that_differs_in_least(tmp_path: Path) -> None:
    other = _arm(tmp_path, "other", learning_rate=1e-2)
    main = _arm(tmp_path, "main", epochs=6)
    ablated = _arm(tmp_path, "ablated", model="unet_encoder_no_dropout", epochs=4)
    pair = ablation_pair([other, main, ablated], NO_DROPOUT)
    assert pair is not None
    assert [arm.name for arm in pair] == ["main", "ablated"]


def test_the_main_arm_is_the_one_with_the_baselines_settings_and_most_epochs(tmp_path: Path) -> None:
    arms = [
        _arm(tmp_path, "short", epochs=4),
        _arm(tmp_path, "other", label_smoothing=0.0, epochs=9),
        _arm(tmp_path, "long", epochs=6),
        _arm(tmp_path, "deep", model="deep_cnn", epochs=4),
    ]
    main = main_arm(arms)
    assert main is not None
    assert main.name == "long"


def test_the_best_epoch_counts_up_to_a_given_one_only(tmp_path: Path) -> None:
    run = _arm(tmp_path, "run", epochs=8).runs[0]
    assert best_row(run).validation_accuracy == max(row.validation_accuracy for row in run.metrics)
    assert best_row(run, up_to=2).epoch <= 2
    assert best_row(run, up_to=0) is None


@pytest.mark.parametrize(
    ("values", "words"),
    [((), "–"), ((0.9875,), "98.75 %"), ((0.9, 0.92), "91.00 % (90.00 % to 92.00 %)")],
)
def test_a_spread_is_its_mean_and_range(values: tuple[float, ...], words: str) -> None:
    assert spread_words(values) == words


def test_copies_of_a_run_are_one_seed(tmp_path: Path) -> None:
    write_drawn_record(tmp_path / "first", _config(), images=16)
    for number in range(3):
        shutil.copytree(tmp_path / "first", tmp_path / f"copy{number}")
    write_drawn_record(tmp_path / "other", replace(_config(), seed=1), images=16)
    (arm,) = group_arms(list_records(tmp_path))
    assert sorted(run.config.seed for run in arm.runs) == [0, 1]
