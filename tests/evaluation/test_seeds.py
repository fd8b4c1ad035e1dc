from dataclasses import replace
from pathlib import Path

import pytest

from bloodcell.errors import WeightsError
from bloodcell.evaluation.seeds import median_run, runs_of_one_recipe, seeds_entries
from bloodcell.models.registry import build_model
from bloodcell.models.weights_file import save_weights
from bloodcell.training.run_folder import RunFolder
from tests.models.test_weights_file import card_of


def _run(folder: Path, seed: int, **changes: object) -> RunFolder:
    recipe = {"experiment": "x", "seed": seed, "best_epoch": seed + 1, "epochs_done": 9, **changes}
    card = replace(
        card_of("simple_cnn", "best"),
        recipe=recipe,
        training_data={"fingerprint": "a"},
    )
    save_weights(folder, card, build_model("simple_cnn").state_dict())
    RunFolder(folder).write_outcome("finished", "")
    return RunFolder(folder)


def test_the_seed_in_the_middle_is_chosen_by_validation(tmp_path: Path) -> None:
    runs = runs_of_one_recipe([_run(tmp_path / str(seed), seed) for seed in (2, 0, 1)])
    assert [run.seed for run in runs] == [0, 1, 2]
    assert median_run(runs, [620, 610, 630]).seed == 0
    assert median_run(runs, [620, 620, 620]).seed == 1
    assert median_run(runs[1:], [620, 630]).seed == 1


@pytest.mark.parametrize("state", ["stopped", "failed", None])
def test_a_seed_that_has_not_finished_does_not_count_beside_others(tmp_path: Path, state: str | None) -> None:
    folders = [_run(tmp_path / str(seed), seed) for seed in range(2)]
    folders[1].begin()
    if state is not None:
        folders[1].write_json(folders[1].outcome, {"state": state, "reason": ""})
    with pytest.raises(WeightsError, match="run 1 has not finished"):
        runs_of_one_recipe(folders)
    assert len(runs_of_one_recipe(folders[1:])) == 1


def test_runs_that_differ_in_more_than_the_seed_say_nothing_together(tmp_path: Path) -> None:
    folders = [_run(tmp_path / "a", 0), _run(tmp_path / "b", 1, epochs=3)]
    with pytest.raises(WeightsError, match="a and b differ in more than their seed \\(epochs\\)"):
        runs_of_one_recipe(folders)


def test_a_seed_counts_once(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="same seed"):
        runs_of_one_recipe([_run(tmp_path / "a", 0), _run(tmp_path / "b", 0)])


def test_the_entries_hold_every_seed_and_their_spread(tmp_path: Path) -> None:
    runs = runs_of_one_recipe([_run(tmp_path / str(seed), seed) for seed in range(3)])
    validation = [(608, 640), (624, 640), (640, 640)]
    entries = seeds_entries(runs, runs[1], validation=validation, test=[(970, 1000), (980, 1000), (990, 1000)])
    assert [(run["seed"], run["ships"]) for run in entries["runs"]] == [(0, False), (1, True), (2, False)]
    assert entries["validation"]["mean"] == pytest.approx(0.975)
    assert entries["validation"]["standard_deviation"] == pytest.approx(0.025)
    assert entries["test"]["mean"] == pytest.approx(0.98)
    low, high = entries["test"]["interval"]
    assert low == pytest.approx(0.98 - 4.302652729911275 * 0.01 / 3**0.5)
    assert high == 1.0
    assert seeds_entries(runs, runs[0], validation=validation)["test"] is None
