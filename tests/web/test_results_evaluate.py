"""Evaluations that are started from the Results page, run to their end in their own process."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Button

from bloodcell.answers.labelled_table import read_labelled_table
from bloodcell.jobs import list_jobs, read_job, stop_job
from bloodcell.paths import home_folder, laboratories_folder, published_weights
from bloodcell.runs.run_folder import RunFolder
from bloodcell.weights.file import load_weights, save_weights
from webui.results.answers import EVALUATION_TABLE, evaluations_folder
from webui.results.evaluate import measurable_models
from webui.results.views import EVALUATE, MISTAKES

APP = str(Path(__file__).resolve().parents[2] / "app.py")


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    """Stop what a failed test leaves in the queue."""
    yield
    for job in list_jobs():
        if job.is_active:
            stop_job(job.folder)


@pytest.fixture
def own_model(finished_run: RunFolder, drawn_dataset: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A home with a dataset and weights of its own; shipped records are out of sight."""
    monkeypatch.delenv("BLOODCELL_DATA", raising=False)
    monkeypatch.setattr("webui.results.sources.SHIPPED_RECORDS", tmp_path / "no records")
    shutil.copytree(drawn_dataset, home_folder() / "data" / "drawn")
    weights = load_weights(finished_run.best)
    save_weights(published_weights(), weights.card, weights.model.state_dict())
    return weights.card.name


def _opened() -> AppTest:
    page = AppTest.from_file(APP, default_timeout=300).run().switch_page("pages/results.py").run()
    assert not page.exception
    return page


def _ended(folder: Path) -> None:
    deadline = time.monotonic() + 300
    while read_job(folder).is_active:
        assert time.monotonic() < deadline, read_job(folder)
        time.sleep(0.2)


def _button(page: AppTest, label: str) -> Button:
    return next(button for button in page.button if button.label == label)


def test_a_dataset_becomes_a_laboratory_on_which_models_are_measured(own_model: str) -> None:
    page = _opened()
    page.text_input(key="results_laboratory_name").set_value("no name")
    _button(page, "Add").click().run()
    assert "name is up to 60 letters" in page.error[0].value
    page.text_input(key="results_laboratory_name").set_value("north")
    _button(page, "Add").click().run()
    assert not page.exception
    assert "Laboratory `north` was added." in page.success[0].value
    assert page.selectbox(key="results_evaluation_data").options[0] == "Laboratory north"
    (laboratories_folder() / "north.json").write_bytes(b"{}")
    assert "Laboratory north" not in _opened().selectbox(key="results_evaluation_data").options


def test_a_model_is_measured_in_the_background_and_its_mistakes_are_shown(own_model: str, drawn_dataset: Path) -> None:
    page = _opened()
    page.selectbox(key="results_evaluation_model").set_value(f"Model {own_model}")
    page.button[0].click().run()
    assert not page.exception
    assert "waits for its turn" in page.success[0].value
    (folder,) = evaluations_folder().iterdir()
    assert folder.name == f"{own_model}_on_drawn"
    _ended(folder)
    table = read_labelled_table(folder / EVALUATION_TABLE)
    assert len(table.files) == 80
    page = _opened()
    assert page.segmented_control(key="results_view").value == MISTAKES
    page.segmented_control(key="results_view").set_value(EVALUATE).run()
    page.button(key=f"results_open_{folder.name}").click().run()
    assert not page.exception
    assert page.selectbox(key="results_answers").value == f"{folder.name} · evaluated images"
    wrong = int((table.probabilities.argmax(axis=1) != table.labels).sum())
    assert len(page.dataframe[0].value if wrong else []) == wrong


def test_pictures_and_heat_maps_of_an_evaluation_are_shown_where_they_are_at_hand(own_model: str) -> None:
    page = _opened()
    page.selectbox(key="results_evaluation_model").set_value(f"Model {own_model}")
    page.button[0].click().run()
    (folder,) = evaluations_folder().iterdir()
    _ended(folder)
    page = _opened()
    table = read_labelled_table(folder / EVALUATION_TABLE)
    place = int(table.labels[0])
    answer = int(table.probabilities[0].argmax())
    page.selectbox(key="results_truth").set_value(place)
    page.selectbox(key="results_answered_as").set_value(answer).run()
    shown = len(page.get("image"))
    assert shown == min(12, int(((table.labels == place) & (table.probabilities.argmax(axis=1) == answer)).sum()))
    page.toggle(key="results_heat_maps").set_value(True).run()
    assert not page.exception
    assert len(page.get("image")) == shown


def test_runs_with_weights_can_be_measured_too(finished_run: RunFolder) -> None:
    shutil.copytree(finished_run.path, home_folder() / "runs" / "mine")
    shutil.copytree(finished_run.path, home_folder() / "suites" / "quick" / "runs" / "main-seed0")
    models = measurable_models()
    assert models["Run mine"].arguments == ("--run-dir", str(home_folder() / "runs" / "mine"))
    assert models["Run quick / main-seed0"].arguments[0] == "--run-dir"
    assert models["Model unet_encoder"].arguments == ("--weights", "unet_encoder")


def test_without_a_dataset_the_form_says_how_to_get_one() -> None:
    page = _opened()
    page.segmented_control(key="results_view").set_value(EVALUATE).run()
    assert not page.exception
    assert "There is no dataset yet" in page.info[0].value
    assert page.button[0].disabled
