"""The Models page, run from the router: with the weights that ship, with the user's own, and with broken ones."""

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from bloodcell.datasets.drawn_cells import draw_cell
from bloodcell.models.registry import build_model
from bloodcell.paths import DEFAULT_WEIGHTS, SHIPPED_WEIGHTS, home_folder, published_weights
from bloodcell.runs.run_folder import RunFolder
from bloodcell.weights.file import load_weights, save_weights
from bloodcell.weights.store import add_weights, choose_default_weights, default_weights
from tests.weights.test_file import card_of

APP = str(Path(__file__).resolve().parents[2] / "app.py")


def opened(page_file: str = "pages/models.py") -> AppTest:
    page = AppTest.from_file(APP, default_timeout=300).run().switch_page(page_file).run()
    assert not page.exception
    return page


def texts(page: AppTest) -> str:
    kinds = (page.caption, page.markdown, page.error, page.warning, page.success)
    return "\n".join(element.value for elements in kinds for element in elements)


def keys(page: AppTest) -> set[str]:
    return {button.key for button in page.button}


@pytest.fixture
def pair(tmp_path: Path) -> dict[str, bytes]:
    """File name → content of a pair made elsewhere."""
    save_weights(tmp_path / "elsewhere", card_of("simple_cnn", "theirs"), build_model("simple_cnn").state_dict())
    return {path.name: path.read_bytes() for path in (tmp_path / "elsewhere").iterdir()}


def upload(page: AppTest, files: dict[str, bytes], name: str) -> AppTest:
    for file_name, content in files.items():
        page.file_uploader[0].upload(file_name, content)
    page.text_input(key="models_upload_name").set_value(name)
    page.button(key="models_upload").click().run()
    assert not page.exception
    return page


def test_the_weights_that_ship_are_listed_with_figures_and_n() -> None:
    page = opened()
    listed = page.dataframe[0].value.set_index("Name")
    assert list(listed.index) == ["any_laboratory", "deep_cnn", "simple_cnn", "unet_encoder"]
    figures = load_weights("unet_encoder").card.metrics["test"]
    assert listed.loc["unet_encoder", "Right, test images"] == f"{100 * figures['accuracy']:.1f} % of 1,000"
    assert listed.loc["unet_encoder", "Answers on Classify"] == "✓ in this browser, server's default"
    assert "no finished run yet" in texts(page)


def test_weights_that_ship_offer_no_deletion() -> None:
    page = opened()
    assert "models_delete" not in keys(page)
    assert "cannot be deleted" in texts(page)


def test_the_card_shows_each_class_and_where_the_weights_come_from() -> None:
    page = opened()
    shown = "\n".join(element.value.to_string() for element in page.dataframe)
    assert "Immature granulocyte" in shown
    assert "CC BY 4.0" in shown
    card = load_weights(DEFAULT_WEIGHTS).card
    assert card.tensors_sha256 in shown
    assert f"knows {card.gate['fitted_on']:,} training images" in shown


def test_without_any_weights_the_page_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("card", "store"):
        monkeypatch.setattr(f"bloodcell.weights.{module}.SHIPPED_WEIGHTS", tmp_path / "nothing")
    page = opened()
    assert "no weights here" in page.warning[0].value
    assert page.file_uploader


def test_files_from_elsewhere_answer_on_classify_after_two_clicks(pair: dict[str, bytes]) -> None:
    page = upload(opened(), pair, "mine")
    assert "`mine` is added" in page.success[0].value
    assert page.selectbox(key="models_chosen").value == "mine"
    assert any("stated by whoever made the weights" in warning.value for warning in page.warning)
    page.button(key="models_use").click().run()
    assert "`mine` answers on the page Classify" in page.success[0].value
    page.switch_page("pages/classify.py").run()
    assert "Model `mine` · accuracy not measured" in texts(page)
    stream = io.BytesIO()
    Image.fromarray(draw_cell(0, seed=0, size_px=64)).save(stream, "PNG")
    page.file_uploader[0].upload("cell.png", stream.getvalue())
    page.run()
    assert not page.exception
    assert page.session_state["classify_cells"][0].row.model == "mine"
    assert "answered by `mine`" in texts(page)


def test_use_for_classify_counts_in_its_session_alone_or_by_its_address(pair: dict[str, bytes]) -> None:
    add_weights(pair, "mine")
    page, other = opened(), opened("pages/classify.py")
    page.selectbox(key="models_chosen").set_value("mine").run()
    page.button(key="models_use").click().run()
    assert "in this browser alone" in page.success[0].value
    assert default_weights() == DEFAULT_WEIGHTS
    assert f"Model `{DEFAULT_WEIGHTS}`" in texts(other.run())
    reloaded = AppTest.from_file(APP, default_timeout=300)
    reloaded.query_params["model"] = "mine"
    assert "Model `mine`" in texts(reloaded.run())


def test_the_servers_default_is_for_sessions_that_begin_later(pair: dict[str, bytes]) -> None:
    add_weights(pair, "mine")
    page, other = opened(), opened("pages/classify.py")
    page.selectbox(key="models_chosen").set_value("mine").run()
    page.button(key="models_make_default").click().run()
    assert "Those that are open, this one too, keep their model" in page.success[0].value
    listed = page.dataframe[0].value.set_index("Name")["Answers on Classify"]
    assert (listed["mine"], listed[DEFAULT_WEIGHTS]) == ("server's default", "✓ in this browser")
    assert f"Model `{DEFAULT_WEIGHTS}`" in texts(other.run())
    assert "Model `mine`" in texts(opened("pages/classify.py"))


@pytest.mark.parametrize("name", ["../weights/unet_encoder", "/etc/passwd", "a.safetensors", "<b>", ""])
def test_an_address_names_weights_and_no_file(name: str) -> None:
    page = AppTest.from_file(APP, default_timeout=300)
    page.query_params["model"] = name
    assert f"Model `{DEFAULT_WEIGHTS}`" in texts(page.run())
    assert not page.exception
    assert not page.warning


def test_without_a_name_the_files_name_is_taken(pair: dict[str, bytes]) -> None:
    upload(opened(), pair, "")
    assert load_weights("theirs").card.name == "theirs"


def _with_a_broken_gate(pair: dict[str, bytes]) -> dict[str, bytes]:
    card = json.loads(pair["theirs.json"]) | {"gate": {"threshold": 3.0, "stages": 3}}
    return {**pair, "theirs.json": json.dumps(card).encode()}


def _as_pickle(pair: dict[str, bytes]) -> dict[str, bytes]:
    return {"model.pt": b"\x80\x04.", "theirs.json": pair["theirs.json"]}


def _truncated(pair: dict[str, bytes]) -> dict[str, bytes]:
    return {**pair, "theirs.safetensors": pair["theirs.safetensors"][:-8]}


def _alone(pair: dict[str, bytes]) -> dict[str, bytes]:
    return {"theirs.safetensors": pair["theirs.safetensors"]}


@pytest.mark.parametrize(
    ("spoil", "name", "reason"),
    [
        (_as_pickle, "mine", "can run foreign code"),
        (_truncated, "mine", "damaged"),
        (_alone, "mine", "Two files are needed"),
        (dict, "unet_encoder", "ship with the program"),
        (dict, "no name", "cannot be a name"),
        (_with_a_broken_gate, "mine", "The gate of the weights 'theirs' cannot be read."),
    ],
)
def test_files_or_names_that_cannot_be_used_are_a_sentence(
    pair: dict[str, bytes], spoil: Callable[[dict[str, bytes]], dict[str, bytes]], name: str, reason: str
) -> None:
    page = upload(opened(), spoil(pair), name)
    assert reason in page.error[0].value
    assert not published_weights().exists()


def test_a_finished_run_is_published_and_listed(finished_run: RunFolder) -> None:
    shutil.copytree(finished_run.path, home_folder() / "runs" / "first_run")
    page = opened()
    assert "first_run" in page.selectbox(key="models_run").options[0]
    page.text_input(key="models_publish_name").set_value("mine")
    page.text_input(key="models_publish_source").set_value("drawn cells")
    page.button(key="models_publish").click().run()
    assert not page.exception
    assert "`mine` is published" in page.success[0].value
    card = load_weights("mine").card
    assert card.training_data["source"] == "drawn cells"
    assert page.dataframe[0].value["Name"].tolist()[-1] == "mine"
    assert page.dataframe[0].value["From"].tolist()[-1] == "published here"


def test_a_name_that_was_not_typed_is_missed_once_publish_is_pressed(finished_run: RunFolder) -> None:
    shutil.copytree(finished_run.path, home_folder() / "runs" / "first_run")
    page = opened()
    assert not page.error
    page.button(key="models_publish").click().run()
    assert page.error[0].value == "Give the weights a name: small letters, digits and underscores."
    assert not published_weights().exists()


def test_a_name_that_is_taken_publishes_nothing(finished_run: RunFolder, pair: dict[str, bytes]) -> None:
    shutil.copytree(finished_run.path, home_folder() / "runs" / "first_run")
    before = add_weights(pair, "mine")
    page = opened()
    page.text_input(key="models_publish_name").set_value("mine")
    page.button(key="models_publish").click().run()
    assert "already" in page.error[0].value
    assert load_weights("mine").card == before


def test_a_run_that_is_damaged_or_failed_is_not_offered(finished_run: RunFolder) -> None:
    for name, file, content in (
        ("a", "outcome.json", "{"),
        ("b", "best.json", "{}"),
        ("c", "outcome.json", '{"state": "failed"}'),
    ):
        folder = home_folder() / "runs" / name
        shutil.copytree(finished_run.path, folder)
        (folder / file).write_text(content)
    assert "no finished run yet" in texts(opened())


def test_deletion_asks_first_and_then_the_weights_that_ship_answer_again(pair: dict[str, bytes]) -> None:
    add_weights(pair, "mine")
    choose_default_weights("mine")
    page = opened()
    assert "Delete `mine` for good?" in texts(page)
    assert f"`{DEFAULT_WEIGHTS}` will take its place" in texts(page)
    assert load_weights("mine")
    page.button(key="models_delete").click().run()
    assert not page.exception
    assert "`mine` is deleted" in page.success[0].value
    assert list(published_weights().iterdir()) == []
    assert default_weights() == DEFAULT_WEIGHTS


@pytest.mark.parametrize("damage", ["deleted", "damaged", "without card"])
def test_where_the_chosen_weights_cannot_answer_those_that_ship_do_and_a_notice_says_so(
    pair: dict[str, bytes], damage: str
) -> None:
    add_weights(pair, "mine")
    choose_default_weights("mine")
    tensors = published_weights() / "mine.safetensors"
    if damage == "deleted":
        tensors.unlink()
    elif damage == "damaged":
        tensors.write_bytes(b"x")
    else:
        tensors.with_suffix(".json").unlink()
    page = opened("pages/classify.py")
    assert f"`mine` cannot answer; `{DEFAULT_WEIGHTS}` does instead" in page.warning[0].value
    assert f"Model `{DEFAULT_WEIGHTS}`" in texts(page)
    assert not page.error


def test_damaged_weights_are_listed_with_the_reason_and_can_be_deleted(pair: dict[str, bytes]) -> None:
    add_weights(pair, "mine")
    (published_weights() / "mine.json").write_text("{}")
    page = opened()
    page.selectbox(key="models_chosen").set_value("mine").run()
    assert "does not describe weights" in page.error[0].value
    assert page.button(key="models_use").disabled
    page.button(key="models_delete").click().run()
    assert "`mine` is deleted" in page.success[0].value


def test_damaged_weights_are_shown_without_the_figures_of_their_card() -> None:
    shipped = SHIPPED_WEIGHTS / "simple_cnn"
    add_weights({f"mine{end}": shipped.with_suffix(end).read_bytes() for end in (".safetensors", ".json")}, "mine")
    page = opened()
    figures = ["Right, test images", "Right, validation images"]
    before = page.dataframe[0].value.set_index("Name").loc["mine", figures].tolist()
    assert all(" of " in words for words in before)
    (published_weights() / "mine.safetensors").write_bytes(b"x")
    page = opened()
    assert page.dataframe[0].value.set_index("Name").loc["mine", figures].tolist() == ["–", "–"]
    page.selectbox(key="models_chosen").set_value("mine").run()
    assert "These weights cannot answer" in page.error[0].value
    assert len(page.dataframe) == 1


def test_a_card_with_hostile_texts_is_shown_as_plain_text(pair: dict[str, bytes]) -> None:
    card = json.loads(pair["theirs.json"])
    card |= {"licence": "<img src=x> :smile:", "training_data": {"**x**": {"y": 1}}, "metrics": {"test": {"n": "many"}}}
    card["metrics"]["validation"] = {"per_class": [{"label": 99, "support": 1, "precision": 1, "recall": 1, "f1": 1}]}
    page = upload(opened(), {**pair, "theirs.json": json.dumps(card).encode()}, "mine")
    assert "states no accuracy" in texts(page)
    assert "<img" not in texts(page)


def test_an_onnx_file_is_made_compared_and_offered(pair: dict[str, bytes]) -> None:
    add_weights(pair, "mine")
    page = opened()
    page.selectbox(key="models_chosen").set_value("mine").run()
    page.button(key="models_export").click().run()
    assert not page.exception
    assert "64 drawn cells: the same class for every one" in texts(page)
    assert page.session_state["models_onnx"][1]


def test_the_list_names_each_models_network_in_plain_words() -> None:
    table = opened().dataframe[0].value
    assert list(table["Model"]) == ["efficientnet_lite", "deep_cnn", "simple_cnn", "unet_encoder"]
    assert list(table["Name"]) == ["any_laboratory", "deep_cnn", "simple_cnn", "unet_encoder"]
