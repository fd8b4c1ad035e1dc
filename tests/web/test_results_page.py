"""The Results page, run from the router: empty, with runs, and when something is damaged."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from bloodcell.answers.labelled_table import read_labelled_table
from bloodcell.cell_classes import CELL_CLASSES, CLASS_COUNT
from bloodcell.config import RunConfig
from tests.builders.drawn_records import write_drawn_record, write_drawn_suite
from webui.results.answers import VALIDATION, Answers, AnswerSource
from webui.results.compare import common_images
from webui.results.images import picture_bytes
from webui.results.mistakes import images_table
from webui.results.views import CLASSES, COMPARE, CURVES, EVALUATE, MISTAKES, PAPER, SUBTYPES

APP = str(Path(__file__).resolve().parents[2] / "app.py")
HOSTILE_FILES = ["=cmd|'/c calc'!A0.jpg", "<script>alert(1)</script>.jpg", "../../etc/passwd", "**x** :smile:.jpg"]

OpenPage = Callable[[], AppTest]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without anything; shipped records are out of sight."""
    monkeypatch.setenv("BLOODCELL_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("BLOODCELL_DATA", raising=False)
    monkeypatch.setattr("webui.results.sources.SHIPPED_RECORDS", tmp_path / "no records")
    return tmp_path / "home"


@pytest.fixture
def open_page(home: Path) -> OpenPage:
    def run() -> AppTest:
        page = AppTest.from_file(APP, default_timeout=300).run().switch_page("pages/results.py").run()
        assert not page.exception
        return page

    return run


@pytest.fixture
def suite(home: Path) -> Path:
    write_drawn_suite(home / "suites" / "drawn", seeds=2, epochs=None, images=80, name="paper")
    return home / "suites" / "drawn"


def _see(page: AppTest, view: str) -> AppTest:
    page.segmented_control(key="results_view").set_value(view).run()
    assert not page.exception
    return page


def _table(page: AppTest, column: str) -> pd.DataFrame:
    """Return the table that has a column."""
    return next(frame.value for frame in page.dataframe if column in frame.value.columns)


def _texts(page: AppTest) -> str:
    return "\n".join(element.value for element in (*page.caption, *page.markdown, *page.error, *page.info))


def test_without_runs_the_page_says_what_to_do(open_page: OpenPage) -> None:
    page = open_page()
    assert "Train a model" in _texts(page)
    assert page.segmented_control(key="results_view").options == [EVALUATE]
    assert not page.error


def test_a_suite_shows_its_runs_and_where_they_come_from(open_page: OpenPage, suite: Path) -> None:
    page = open_page()
    assert page.multiselect(key="results_sources").value == ["Suite drawn"]
    runs = _table(page, "Run")
    assert len(runs) == 12
    assert set(runs["State"]) == {"finished"}
    page.session_state["results_origin_shown"] = True
    page.run()
    assert not page.exception
    assert "drawn, not measured" in set(_table(page, "Value")["Value"])


def test_a_suites_arms_are_compared_with_a_verdict_each(open_page: OpenPage, suite: Path) -> None:
    verdicts = _table(open_page(), "Verdict").set_index("Arm")["Verdict"]
    assert "never learned" in verdicts["Without batch norm"]
    assert "cannot be told apart" in verdicts["Without dropout"]
    assert verdicts["U-Net encoder"] == "–"


def test_sentences_in_tables_are_wrapped_and_not_cut(open_page: OpenPage, suite: Path) -> None:
    page = open_page()
    frame = next(frame for frame in page.dataframe if "Verdict" in frame.value)
    longest = max(map(len, frame.value["Verdict"]))
    assert longest > 40
    width = json.loads(frame.proto.columns)["Verdict"]["width"]
    lines = frame.proto.row_height // 21
    assert frame.proto.row_height > 64  # Lower rows do not wrap in Streamlit.
    assert 6.3 * longest <= lines * (width - 17)
    assert json.loads(frame.proto.columns)["Arm"]["pinned"]


def test_the_papers_tables_stand_beside_ours(open_page: OpenPage, suite: Path) -> None:
    page = _see(open_page(), PAPER)
    assert "in the paper's order" in _texts(page)
    third, fourth, *_ = (frame.value for frame in page.dataframe)
    assert list(third["Validation, paper"]) == ["71.25 %", "90.00 %", "98.75 %"]
    assert list(fourth["Δ, paper"]) == ["–", "−86.25"]


def test_every_figure_of_the_classes_is_explained_where_it_stands(open_page: OpenPage, suite: Path) -> None:
    page = _see(open_page(), CLASSES)
    words = " ".join(caption.value for caption in page.caption)
    for name in (*_table(page, "AUC").columns[1:-1], "macro-F1", "expected calibration error"):
        assert f"{name}:" in words or f"{name} (" in words or f"The {name} is" in words, name


@pytest.mark.parametrize(
    ("view", "columns"),
    [(CLASSES, ["Class"]), (MISTAKES, ["truth", "answer"]), (COMPARE, ["truth", "first answer", "second answer"])],
)
def test_tables_and_their_csv_name_classes_as_every_page_does(
    open_page: OpenPage, suite: Path, view: str, columns: list[str]
) -> None:
    table = _table(_see(open_page(), view), columns[0])
    for column in columns:
        assert set(table[column]) <= {cell_class.display_name for cell_class in CELL_CLASSES}, column


@pytest.mark.parametrize("view", [CURVES, PAPER, MISTAKES, CLASSES, SUBTYPES, COMPARE, EVALUATE])
def test_every_view_opens(open_page: OpenPage, suite: Path, view: str) -> None:
    page = _see(open_page(), view)
    assert not page.error


def test_only_the_chosen_arms_are_shown(open_page: OpenPage, suite: Path) -> None:
    page = open_page()
    page.multiselect(key="results_arms").set_value(["deep_cnn"]).run()
    assert not page.exception
    assert set(_table(page, "Run")["Arm"]) == {"deep_cnn"}


def test_arms_of_runs_that_are_added_are_chosen_and_those_left_out_stay_out(
    open_page: OpenPage, suite: Path, home: Path
) -> None:
    config = RunConfig(experiment="fast_unet_encoder", model="unet_encoder", image_size_px=96, epochs=4)
    write_drawn_record(home / "runs" / "mine", config, images=80)
    page = open_page()
    arms = page.multiselect(key="results_arms").value
    assert "fast_unet_encoder" not in arms
    page.multiselect(key="results_arms").set_value([arm for arm in arms if arm != "deep_cnn"]).run()
    page.multiselect(key="results_sources").set_value(["Suite drawn", "Trained runs"]).run()
    chosen = page.multiselect(key="results_arms").value
    assert "fast_unet_encoder" in chosen
    assert "deep_cnn" not in chosen


def test_a_view_comes_back_with_the_runs_that_it_needs(open_page: OpenPage, suite: Path) -> None:
    page = _see(open_page(), PAPER)
    page.multiselect(key="results_sources").set_value([]).run()
    assert not page.exception
    assert "Choose runs and arms above" in _texts(page)
    assert page.segmented_control(key="results_view").value == EVALUATE
    page.multiselect(key="results_sources").set_value(["Suite drawn"]).run()
    assert page.segmented_control(key="results_view").value == PAPER
    assert "in the paper's order" in _texts(page)


def test_a_chosen_cell_lists_exactly_the_images_of_the_predictions_file(open_page: OpenPage, suite: Path) -> None:
    page = _see(open_page(), MISTAKES)
    name = page.selectbox(key="results_answers").value.split(" · ")[0]
    table = read_labelled_table(suite / "runs" / name / "predictions_validation.csv")
    predicted = table.probabilities.argmax(axis=1)
    for truth in range(CLASS_COUNT):
        page.selectbox(key="results_truth").set_value(truth)
        page.selectbox(key="results_answered_as").set_value(truth).run()
        wanted = {file for file, a, b in zip(table.files, table.labels, predicted, strict=True) if a == b == truth}
        assert wanted
        assert set(page.dataframe[0].value["file"]) == wanted


def test_before_a_choice_all_mistakes_are_listed_the_least_expected_first(open_page: OpenPage, suite: Path) -> None:
    page = _see(open_page(), MISTAKES)
    name = page.selectbox(key="results_answers").value.split(" · ")[0]
    table = read_labelled_table(suite / "runs" / name / "predictions_validation.csv")
    listed = page.dataframe[0].value
    assert len(listed) == int((table.probabilities.argmax(axis=1) != table.labels).sum()) > 0
    assert list(listed["probability of truth"]) == sorted(listed["probability of truth"])


def test_a_run_compared_with_itself_has_no_image_that_changed_sides(open_page: OpenPage, suite: Path) -> None:
    page = _see(open_page(), COMPARE)
    first = page.selectbox(key="results_first").value
    page.selectbox(key="results_second").set_value(first).run()
    metrics = {metric.label: metric.value for metric in page.metric}
    assert metrics["Only the first is right"] == metrics["Only the second is right"] == "0"
    assert metrics["Images in common"] == "80"
    assert "two runs, not two arms" in _texts(page)


@pytest.mark.parametrize("name", ["metrics.csv", "config.json", "best.json"])
def test_a_damaged_record_is_named_and_the_others_are_shown(open_page: OpenPage, suite: Path, name: str) -> None:
    damaged = suite / "runs" / "deep_cnn-seed1" / name
    damaged.write_bytes(damaged.read_bytes()[:-30])
    page = open_page()
    assert "1 run cannot be read" in page.expander[0].label
    assert len(_table(page, "Run")) == 11


def test_damaged_predictions_are_a_sentence(open_page: OpenPage, suite: Path) -> None:
    for path in suite.glob("runs/*/predictions_validation.csv"):
        path.write_bytes(path.read_bytes()[:500])
    for view in (MISTAKES, CLASSES, SUBTYPES):
        page = _see(open_page(), view)
        assert "cannot be read" in page.error[0].value


def test_hostile_file_names_are_text_and_safe_in_the_csv(open_page: OpenPage, home: Path) -> None:
    config = RunConfig(experiment="mine", model="unet_encoder_no_batch_norm", image_size_px=64, epochs=2)
    path = write_drawn_record(home / "runs" / "<b>x", config, files=[f"{name}" for name in HOSTILE_FILES * 8])
    page = _see(open_page(), MISTAKES)
    table = read_labelled_table(path / "predictions_validation.csv")
    assert "<script" not in "".join(markdown.value for markdown in page.markdown)
    assert set(page.dataframe[0].value["file"]) <= set(table.files)
    answers = _answers(path)
    cells = images_table(answers, range(len(table.files)), name="x").to_csv().decode().splitlines()
    assert not any(line.startswith(("=", '"=')) for line in cells)
    assert any(line.startswith(("'=", "\"'=")) for line in cells)


def test_two_runs_are_matched_by_the_hashes_of_their_images(suite: Path) -> None:
    first, second = (_answers(suite / "runs" / f"{name}-seed0") for name in ("deep_cnn", "simple_cnn"))
    common = common_images(first, second)
    ours = [first.table.sha256[place] for place in common.first_places]
    assert ours == [second.table.sha256[place] for place in common.second_places]
    assert len(ours) == 80
    np.testing.assert_array_equal(common.first_is_right, first.is_right)


def _answers(path: Path) -> Answers:
    table = read_labelled_table(path / "predictions_validation.csv")
    source = AnswerSource(title="x", images=VALIDATION, record=None, folder=path)
    return Answers(source=source, table=table, predicted=table.probabilities.argmax(axis=1), model_sha256="")


def test_a_picture_is_found_by_name_and_hash_also_where_answers_are_for_several_folders(drawn_dataset: Path) -> None:
    path = sorted(drawn_dataset.rglob("*.jpg"))[0]
    data, file = path.read_bytes(), path.relative_to(drawn_dataset).as_posix()
    sha256 = hashlib.sha256(data).hexdigest()
    folders = (str(drawn_dataset / "nowhere"), str(drawn_dataset))
    assert picture_bytes(folders, file, sha256) == data
    assert picture_bytes(folders, f"{drawn_dataset.name}/{file}", sha256) == data
    assert picture_bytes(folders, f"{drawn_dataset.name}/{file}", "0" * 64) is None
