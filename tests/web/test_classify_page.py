"""The Classify page, run from the router: empty, with cells, and when something is broken."""

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from bloodcell.answers.classifier import Classifier
from bloodcell.answers.prediction_table import COLUMNS, table_bytes
from bloodcell.cell_classes import CELL_CLASSES, CLASS_KEYS
from bloodcell.datasets.drawn_cells import draw_cell, write_synthetic_dataset
from bloodcell.datasets.example_cells import EXAMPLES_CREDIT, example_cells
from bloodcell.images.open_image import open_image
from bloodcell.models.registry import build_model
from bloodcell.paths import ELSEWHERE_WEIGHTS
from bloodcell.weights.card import WeightsCard
from bloodcell.weights.file import save_weights
from webui.classify import cells as cells_module
from webui.classify.cells import Cell
from webui.parts.model import DEFAULT_WEIGHTS
from webui.parts.session_keys import CLASSIFY_CHOSEN, cell_table_key

APP = str(Path(__file__).resolve().parents[2] / "app.py")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with untrained weights under the default name; the shipped ones are out of sight."""
    folder = tmp_path / "home"
    monkeypatch.setenv("BLOODCELL_HOME", str(folder))
    monkeypatch.delenv("BLOODCELL_DATA", raising=False)
    monkeypatch.setattr("bloodcell.weights.card.SHIPPED_WEIGHTS", tmp_path / "no shipped weights")
    save_weights(folder / "weights", _card(), build_model("simple_cnn").state_dict())
    return folder


@pytest.fixture
def open_page(home: Path) -> Callable[[], AppTest]:
    def run() -> AppTest:
        page = AppTest.from_file(APP, default_timeout=300).run()
        assert not page.exception
        return page

    return run


def _card() -> WeightsCard:
    return WeightsCard(
        name=DEFAULT_WEIGHTS,
        model="simple_cnn",
        image_size_px=32,
        field_of_view=0.75,
        recipe={},
        training_data={},
        metrics={
            "validation": {"n": 80, "accuracy": 0.9, "accuracy_interval": [0.81, 0.95]},
            "test": {"n": 1000, "accuracy": 0.97, "accuracy_interval": [0.957, 0.979]},
        },
        hardware="none",
        code_version="0",
        licence="none",
    )


def _png(label: int = 0, seed: int = 0) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(draw_cell(label, seed=seed, size_px=64)).save(stream, "PNG")
    return stream.getvalue()


def _upload(page: AppTest, **files: bytes) -> AppTest:
    for name, content in files.items():
        page.file_uploader[0].upload(name.replace("__", "."), content)
    page.run()
    assert not page.exception
    return page


def _cells(page: AppTest) -> list[Cell]:
    cells: list[Cell] = page.session_state["classify_cells"]
    return cells


def _metric(page: AppTest, label: str) -> str:
    return next(metric.value for metric in page.metric if metric.label == label)


def _texts(page: AppTest) -> str:
    return "\n".join(element.value for element in (*page.caption, *page.markdown, *page.error, *page.warning))


def test_empty_page_says_what_to_do_and_what_the_model_is_worth(open_page: Callable[[], AppTest]) -> None:
    page = open_page()
    assert "Drop images" in page.file_uploader[0].label
    assert page.button(key="classify_try_examples").label == "Try example cells"
    assert "97.0 % right on 1,000 test images (95 % interval 95.7 % to 97.9 %)" in _texts(page)
    assert not page.dataframe
    assert not page.error


def test_research_use_only_stands_on_the_page_once(open_page: Callable[[], AppTest]) -> None:
    assert _texts(open_page()).count("Research use only, not for diagnosis") == 1


@pytest.mark.parametrize("data", ["", "nowhere", "data"])
def test_examples_are_the_real_cells_that_ship_whatever_dataset_is_set(
    open_page: Callable[[], AppTest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: str
) -> None:
    write_synthetic_dataset(tmp_path / "data", per_class=3, size_px=64, seed=0)
    if data:
        monkeypatch.setenv("BLOODCELL_DATA", str(tmp_path / data))
    page = open_page().button(key="classify_try_examples").click().run()
    assert not page.exception
    assert [cell.row.file for cell in _cells(page)] == [file.path.name for file in example_cells()]
    assert [cell.label for cell in _cells(page)] == [label for label in range(len(CELL_CLASSES)) for _ in range(3)]
    assert set(page.dataframe[0].value["Labelled as"]) == {cell_class.display_name for cell_class in CELL_CLASSES}
    assert EXAMPLES_CREDIT in _texts(page)


def test_an_upload_is_answered_with_class_heat_map_and_top_three(open_page: Callable[[], AppTest]) -> None:
    page = _upload(open_page(), cell__png=_png())
    (cell,) = _cells(page)
    assert cell.row.file == "cell.png"
    assert cell.heat_maps is not None
    assert cell.heat_maps.shape[0] == len(CLASS_KEYS)
    assert len(page.get("plotly_chart")) == 1
    assert CELL_CLASSES[cell.row.predicted or 0].display_name in page.subheader[0].value
    assert len(page.get("image")) == 2


def test_a_broken_file_is_listed_with_its_reason_and_the_others_are_answered(open_page: Callable[[], AppTest]) -> None:
    page = _upload(open_page(), a__png=_png(), empty__png=b"", b__png=_png(1))
    assert [cell.row.status == "error" for cell in _cells(page)] == [False, True, False]
    assert (_metric(page, "Cells read"), _metric(page, "Unreadable")) == ("2", "1")
    assert f"`empty.png` {_cells(page)[1].row.reason}" in _texts(page)


def test_more_files_are_appended_and_names_may_repeat(open_page: Callable[[], AppTest]) -> None:
    page = _upload(open_page(), cell__png=_png())
    page = _upload(page, cell__png=_png(1), other__png=_png(2))
    assert [cell.row.file for cell in _cells(page)] == ["cell.png", "cell.png", "other.png"]
    assert len({cell.id for cell in _cells(page)}) == 3


def test_cells_stay_when_widgets_change(open_page: Callable[[], AppTest]) -> None:
    page = _upload(open_page(), a__png=_png(), b__png=_png(1))
    before = list(_cells(page))
    page.slider[0].set_value(0).run()
    page.selectbox[0].set_value(3).run()
    page.button_group(key="classify_order").set_value("As added").run()
    assert not page.exception
    assert _cells(page) == before
    assert list(page.dataframe[0].value["File"]) == ["a.png", "b.png"]


def test_the_chosen_cell_stays_chosen_in_another_order(open_page: Callable[[], AppTest]) -> None:
    page = _upload(open_page(), a__png=_png(), b__png=_png(1), c__png=_png(2))
    page.button(key="classify_next").click().run()
    chosen = page.session_state["classify_chosen"]
    page.button_group(key="classify_order").set_value("As added").run()
    assert page.session_state["classify_chosen"] == chosen
    ids = [cell.id for cell in _cells(page)]
    assert page.session_state[cell_table_key(ids)]["selection"]["rows"] == [ids.index(chosen)]


def test_after_remove_all_the_next_cells_choices_are_its_own(open_page: Callable[[], AppTest]) -> None:
    page = _upload(open_page(), a__png=_png(), b__png=_png(1, seed=1))
    first, second = _cells(page)
    other = next(label for label in range(len(CLASS_KEYS)) if label not in (first.row.predicted, second.row.predicted))
    page.button(key="classify_remove_all").click().run()
    page = _upload(page, a__png=_png())
    page.selectbox[0].set_value(other).run()
    page.button(key="classify_remove_all").click().run()
    page = _upload(page, b__png=_png(1, seed=1))
    assert second.row.predicted is not None
    assert page.selectbox[0].value == second.row.predicted
    explained = CELL_CLASSES[second.row.predicted].display_name
    assert page.subheader[0].value.startswith(f"{explained} ·")
    assert page.get("image")[1].proto.imgs[0].caption.endswith(f"speaks for {explained.lower()}")
    assert _cells(page)[0].id not in (first.id, second.id)


def _use(page: AppTest, name: str) -> AppTest:
    page = page.switch_page("pages/models.py").run()
    page.selectbox(key="models_chosen").set_value(name).run()
    page.button(key="models_use").click().run()
    return page.switch_page("pages/classify.py").run()


def test_cells_of_two_models_are_said_to_be_and_one_click_answers_them_anew(
    open_page: Callable[[], AppTest], home: Path
) -> None:
    save_weights(home / "weights", replace(_card(), name="mine"), build_model("simple_cnn").state_dict())
    page = _upload(open_page(), a__png=_png(), broken__png=b"no image")
    assert not page.warning
    before = list(_cells(page))
    page = _use(page, "mine")
    assert _cells(page) == before
    assert "keep their answers" in page.warning[0].value
    page = _upload(page, b__png=_png(1))
    assert [cell.row.model for cell in _cells(page)] == [DEFAULT_WEIGHTS, DEFAULT_WEIGHTS, "mine"]
    assert "answered by 2 models" in page.warning[0].value
    assert f"`{DEFAULT_WEIGHTS}` 1 cell; `mine` 1 cell" in page.warning[0].value
    page.button(key="classify_answer_anew").click().run()
    assert not page.exception
    assert not page.warning
    after = _cells(page)
    assert [(cell.id, cell.row.file) for cell in after[:2]] == [(cell.id, cell.row.file) for cell in before]
    assert [cell.row.model for cell in after if cell.row.status != "error"] == ["mine", "mine"]
    single = Classifier.load("mine").rows([open_image(_png())])[0]
    assert after[0].row.probabilities == pytest.approx(single.probabilities, abs=0.02)


def test_another_setting_of_the_same_model_is_said_too(open_page: Callable[[], AppTest], home: Path) -> None:
    page = _upload(open_page(), a__png=_png())
    card = home / "weights" / f"{DEFAULT_WEIGHTS}.json"
    entries = json.loads(card.read_text())
    card.write_text(json.dumps(entries | {"temperature": 3.0}))
    page = _upload(page, b__png=_png(1))
    assert "answered with 2 settings of one model" in page.warning[0].value
    page.button(key="classify_answer_anew").click().run()
    assert not page.warning
    assert len({cell.answered_by for cell in _cells(page)}) == 1


def test_files_beyond_the_bound_are_not_kept_and_the_page_says_so(
    open_page: Callable[[], AppTest], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_weights(home / "weights", replace(_card(), name="mine"), build_model("simple_cnn").state_dict())
    monkeypatch.setattr(cells_module, "MAXIMUM_FILE_BYTES", len(_png()) + 10)
    page = _use(_upload(open_page(), a__png=_png(), b__png=_png(1)), "mine")
    assert [cell.content is None for cell in _cells(page)] == [False, True]
    assert "The files of 1 cell are too large to be kept" in _texts(page)
    page.button(key="classify_answer_anew").click().run()
    assert [cell.row.model for cell in _cells(page)] == ["mine", DEFAULT_WEIGHTS]
    assert "answered by 2 models" in page.warning[0].value


def test_least_sure_cells_come_first_and_unreadable_files_last(open_page: Callable[[], AppTest]) -> None:
    page = _upload(open_page(), **{f"c{i}__png": _png(i, seed=i) for i in range(5)}, broken__png=b"no image")
    shown = page.dataframe[0].value
    confidences = list(shown["Confidence"])[:-1]
    assert confidences == sorted(confidences)
    assert shown["File"].iloc[-1] == "broken.png"


def test_only_unreadable_files_are_shown_on_demand(open_page: Callable[[], AppTest]) -> None:
    page = _upload(open_page(), a__png=_png(), broken__png=b"no image")
    page.button_group(key="classify_shown").set_value("Unreadable").run()
    assert not page.exception
    assert list(page.dataframe[0].value["File"]) == ["broken.png"]


def test_remove_all_leaves_an_empty_page(open_page: Callable[[], AppTest]) -> None:
    page = _upload(open_page(), a__png=_png(), b__png=_png(1))
    page.button(key="classify_remove_all").click().run()
    assert not page.exception
    assert _cells(page) == []
    assert not page.dataframe


def test_a_zip_is_read_like_its_images(open_page: Callable[[], AppTest]) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("b/two.png", _png(1))
        archive.writestr("a/one.png", _png())
        archive.writestr("notes.txt", "no image")
    page = _upload(open_page(), cells__zip=stream.getvalue())
    assert [cell.row.file for cell in _cells(page)] == ["a/one.png", "b/two.png"]
    assert _metric(page, "Unreadable") == "0"


def test_a_damaged_zip_is_listed_with_its_reason(open_page: Callable[[], AppTest]) -> None:
    page = _upload(open_page(), cells__zip=b"PK\x03\x04 and nothing more", a__png=_png())
    assert _cells(page)[0].row.reason == "The ZIP is damaged or not a ZIP. Make it again from the folder of images."
    assert _metric(page, "Cells read") == "1"


def test_a_hostile_name_is_neither_markdown_nor_a_path(open_page: Callable[[], AppTest]) -> None:
    page = open_page()
    page.file_uploader[0].upload("../**x** :smile: `<b>` $y$.png", _png())
    page.run()
    assert not page.exception
    assert "`**x** :smile: '<b>' $y$.png`" in _texts(page)
    assert table_bytes([_cells(page)[0].row]).decode().splitlines()[1].startswith("**x** :smile: `<b>` $y$.png,")


def test_the_page_keeps_a_bounded_number_of_cells(
    open_page: Callable[[], AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cells_module, "MAXIMUM_CELLS", 2)
    page = _upload(open_page(), a__png=_png(), b__png=_png(1), c__png=_png(2))
    assert [cell.row.file for cell in _cells(page)] == ["a.png", "b.png"]
    assert page.warning[0].value.startswith("1 file was left out")


def test_a_card_without_figures_is_no_obstacle(home: Path) -> None:
    card = WeightsCard.from_json((home / "weights" / f"{DEFAULT_WEIGHTS}.json").read_bytes())
    save_weights(home / "weights", replace(card, metrics={}), build_model("simple_cnn").state_dict())
    page = AppTest.from_file(APP, default_timeout=300).run()
    assert not page.exception
    assert "accuracy not measured" in _texts(page)


@pytest.mark.parametrize("suffix", ["safetensors", "json"])
@pytest.mark.parametrize("damage", ["missing", "damaged"])
def test_missing_or_damaged_weights_are_a_sentence_with_the_next_step(home: Path, suffix: str, damage: str) -> None:
    path = home / "weights" / f"{DEFAULT_WEIGHTS}.{suffix}"
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:100])
    page = AppTest.from_file(APP, default_timeout=300).run()
    assert not page.exception
    assert page.error[0].value.startswith("**No cell can be read now.**")
    assert "What to do" in _texts(page)
    assert page.button(key="classify_try_examples").disabled


def test_all_figures_in_the_csv_have_the_columns_of_the_contract(open_page: Callable[[], AppTest]) -> None:
    page = _upload(open_page(), a__png=_png(), broken__png=b"")
    data = table_bytes(cell.row for cell in _cells(page))
    header, *lines = data.decode().splitlines()
    assert tuple(header.split(",")) == COLUMNS
    assert [line.split(",")[0] for line in lines] == ["a.png", "broken.png"]


def _page_with_a_late_report_of_the_table() -> None:
    import time

    import streamlit as st

    from webui.classify.cell_table import _remember_choice
    from webui.parts.session_keys import CLASSIFY_CHOSEN, CLASSIFY_STEPPED, cell_table_key

    ids = ["a", "b", "c"]
    st.session_state[CLASSIFY_CHOSEN] = "b"
    for reported, shown, seconds_ago in ((0, 0, 0.0), (0, 1, 0.0), (1, 1, 0.0), (0, 1, 60.0)):
        st.session_state[cell_table_key(ids)] = {"selection": {"rows": [reported]}}
        st.session_state[CLASSIFY_STEPPED] = (0, time.monotonic() - seconds_ago)
        _remember_choice(ids, shown)
        st.text(f"{st.session_state[CLASSIFY_CHOSEN]}")


def test_a_late_report_of_the_row_before_does_not_undo_next() -> None:
    page = AppTest.from_function(_page_with_a_late_report_of_the_table, default_timeout=300).run()
    assert [text.value for text in page.text] == ["b", "b", "b", "a"]


def _encoded(image: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    return stream.getvalue()


def _of_another_laboratory(count: int) -> dict[str, bytes]:
    """Real cells whose colours no microscope of home gives."""
    files = example_cells()[:count]
    return {f"{file.path.stem}__png": _encoded(open_image(file.path.read_bytes())[..., [1, 2, 0]]) for file in files}


def test_a_refused_image_shows_the_reason_and_warns_of_its_probabilities() -> None:
    page = AppTest.from_file(APP, default_timeout=300).run()
    page = _upload(page, blank__png=_encoded(np.full((360, 360, 3), (240, 230, 225), dtype=np.uint8)))
    (cell,) = _cells(page)
    assert cell.row.status == "refused"
    assert page.subheader[0].value == "No answer"
    assert "not recognised as a single cell (score −" in _texts(page)
    assert "do not rely on it" in _texts(page)
    assert _metric(page, "Need a second look") == "1"


def test_a_tray_of_another_laboratory_is_said_to_be_one_and_nothing_in_it_is_sure() -> None:
    page = _upload(AppTest.from_file(APP, default_timeout=300).run(), **_of_another_laboratory(4))
    assert "4 of 4 cells are unlike those of the laboratory that the model knows" in _texts(page)
    assert _metric(page, "Need a second look") == "4"
    (what_differs,) = (expander for expander in page.expander if expander.label == "What differs")
    assert "background" in what_differs.markdown[0].value
    statuses = page.dataframe[0].value["Status"]
    assert set(statuses) == {"? Second look"}
    chosen = page.session_state[CLASSIFY_CHOSEN]
    row = next(cell.row for cell in _cells(page) if cell.id == chosen)
    assert row.predicted is not None
    assert row.model == ELSEWHERE_WEIGHTS
    assert "answered by `any_laboratory`" in _texts(page)


def test_a_sure_cell_is_for_review_as_soon_as_its_tray_is_of_another_laboratory() -> None:
    page = AppTest.from_file(APP, default_timeout=300).run()
    page.button(key="classify_try_examples").click().run()
    assert "no more than chance brings about there" in _texts(page)
    assert "✓ Sure" in set(page.dataframe[0].value["Status"])
    page = _upload(page, **_of_another_laboratory(4))
    assert "4 of 4 cells are unlike" in _texts(page)
    assert set(page.dataframe[0].value["Status"]) == {"? Second look"}


def test_an_engine_that_is_not_there_is_a_sentence(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLOODCELL_ENGINE", "abacus")
    page = AppTest.from_file(APP, default_timeout=300).run()
    assert not page.exception
    (error,) = page.error
    assert "is 'abacus', which is no engine" in error.value
    assert not any("safetensors" in caption.value for caption in page.caption)
