from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bloodcell.errors import WeightsError
from bloodcell.measures.crossed import crossed_accuracy
from bloodcell.models.registry import build_model
from bloodcell.publishing.seeds import median_run, runs_of_one_recipe, seeds_entries
from bloodcell.runs.run_folder import RunFolder
from bloodcell.weights.file import save_weights
from tests.weights.test_file import card_of


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


def _answers(*wrong: tuple[int, ...], n: int) -> np.ndarray:
    """(runs, n), all right but the places named per run."""
    right = np.ones((len(wrong), n), dtype=bool)
    for run, places in enumerate(wrong):
        right[run, list(places)] = False
    return right


def test_the_entries_hold_every_seed_and_their_spread(tmp_path: Path) -> None:
    runs = runs_of_one_recipe([_run(tmp_path / str(seed), seed) for seed in range(3)])
    validation = _answers(tuple(range(32)), tuple(range(16)), (), n=640)
    test = _answers(tuple(range(30)), tuple(range(20)), tuple(range(10)), n=1000)
    entries = seeds_entries(runs, runs[1], validation=validation, test=test)
    assert [(run["seed"], run["ships"]) for run in entries["runs"]] == [(0, False), (1, True), (2, False)]
    assert [run["validation"]["correct"] for run in entries["runs"]] == [608, 624, 640]
    assert entries["validation"]["mean"] == pytest.approx(0.975)
    assert entries["validation"]["standard_deviation"] == pytest.approx(0.025)
    assert entries["test"]["mean"] == pytest.approx(0.98)
    assert entries["test"]["interval"] == list(crossed_accuracy(test).interval)
    assert seeds_entries(runs, runs[0], validation=validation)["test"] is None


def test_seeds_that_agree_on_every_image_are_as_unsure_as_the_images_are_few(tmp_path: Path) -> None:
    runs = runs_of_one_recipe([_run(tmp_path / str(seed), seed) for seed in range(3)])
    same = _answers((3, 5), (3, 5), (3, 5), n=200)
    low, high = seeds_entries(runs, runs[0], validation=same)["validation"]["interval"]
    assert high - low > 0.02
    assert low < 0.975
