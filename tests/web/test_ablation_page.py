"""The Ablation page, run from the router: empty, with suites, and when something is damaged."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from bloodcell.errors import DatasetError
from bloodcell.jobs import read_job, stop_job
from bloodcell.paths import suites_folder
from bloodcell.processes.device_lock import device_locked
from bloodcell.suites.suite import Arm, SuiteFolder, build_suite
from tests.conftest import quick_config
from tests.jobs.conftest import wait_for_state
from tests.suites.drawn_suites import write_drawn_suite
from tests.suites.test_run_suite import train_suite

APP = str(Path(__file__).resolve().parents[2] / "app.py")

OpenPage = Callable[..., AppTest]


@pytest.fixture
def open_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenPage:
    monkeypatch.delenv("BLOODCELL_DATA", raising=False)
    monkeypatch.setattr("webui.suites.suites.SHIPPED_RECORDS", tmp_path / "no records")

    def run(data: Path | None = None) -> AppTest:
        if data is not None:
            monkeypatch.setenv("BLOODCELL_DATA", str(data))
        page = AppTest.from_file(APP, default_timeout=300).run().switch_page("pages/ablation.py").run()
        assert not page.exception
        return page

    return run


def _texts(page: AppTest) -> str:
    return "\n".join(
        element.value for element in (*page.caption, *page.markdown, *page.error, *page.info, *page.warning)
    )


def _tables(page: AppTest) -> str:
    return "\n".join(table.value.to_string() for table in page.table)


def _keys(page: AppTest) -> set[str | None]:
    return {button.key for button in page.button}


def test_without_data_and_suites_the_page_says_what_to_do(open_page: OpenPage) -> None:
    page = open_page()
    assert "There is no dataset yet" in _texts(page)
    assert "No suite yet" in _texts(page)
    assert "ablation_start" not in _keys(page)


def test_a_finished_suite_shows_verdicts_and_figures(open_page: OpenPage) -> None:
    write_drawn_suite(suites_folder() / "drawn", tested=True)
    page = open_page()
    tables = _tables(page)
    assert "this arm never learned" in tables
    assert "worse by" in tables
    assert "cannot be told apart" in tables
    assert "optimistic" in _texts(page)
    assert "ablation_resume" not in _keys(page)
    assert not page.error


def test_what_the_figures_come_from_stands_beneath_them(open_page: OpenPage) -> None:
    write_drawn_suite(suites_folder() / "drawn", seeds=(0, 1))
    origin = next(caption.value for caption in open_page().caption if "by seed 0" in caption.value)
    for part in ("pbc3200", "80 px", "trained with seeds 0, 1", "drawn, not measured"):
        assert part in origin


def test_an_unfinished_suite_shows_its_grid_and_can_be_resumed(open_page: OpenPage) -> None:
    write_drawn_suite(suites_folder() / "drawn", seeds=(0, 1), finished=7)
    page = open_page()
    assert "7 of 12 runs finished" in "\n".join(str(element.proto) for element in page.get("progress"))
    assert "ablation_resume" in _keys(page)


def test_a_single_seed_is_not_ranked(open_page: OpenPage) -> None:
    write_drawn_suite(suites_folder() / "drawn", seeds=(0,))
    tables = _tables(open_page())
    assert "one seed ranks nothing" in tables
    assert "for these two runs (McNemar), not for the arms" in tables
    assert "worse by" not in tables
    assert "better by" not in tables


def test_a_damaged_suite_is_a_sentence(open_page: OpenPage) -> None:
    folder = write_drawn_suite(suites_folder() / "drawn", seeds=(0,))
    folder.suite.write_text("{}")
    page = open_page()
    assert "is damaged" in _texts(page)


def test_a_damaged_run_is_a_sentence(open_page: OpenPage) -> None:
    folder = write_drawn_suite(suites_folder() / "drawn", seeds=(0,))
    (folder.run_path("deep_cnn", 0) / "metrics.csv").write_text("epoch\nx\n")
    assert r"deep\_cnn-seed0/metrics.csv is damaged" in _texts(open_page())


def test_a_suite_that_ships_is_shown_and_not_trained(
    open_page: OpenPage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_drawn_suite(tmp_path / "records" / "quick", seeds=(0, 1))
    for module in ("webui.suites.suites", "bloodcell.suites.suite_jobs"):
        monkeypatch.setattr(f"{module}.SHIPPED_RECORDS", tmp_path / "records")
    page = open_page()
    assert page.selectbox(key="ablation_chosen").options == ["quick (comes with the program)"]
    assert "this arm never learned" in _tables(page)
    assert not page.get("progress")


def test_starting_hands_the_chosen_arms_and_seeds_in(open_page: OpenPage, drawn_dataset: Path) -> None:
    page = open_page(drawn_dataset)
    page.selectbox(key="ablation_suite").set_value("smoke").run()
    page.multiselect(key="ablation_arms").set_value(["deep_cnn"]).run()
    page.number_input(key="ablation_seeds").set_value(2).run()
    page.button(key="ablation_start").click().run()
    assert not page.exception
    folder = SuiteFolder(suites_folder() / "smoke")
    suite = folder.read()
    assert [arm.name for arm in suite.arms] == ["unet_encoder", "deep_cnn"]
    assert suite.seeds == (0, 1)
    assert read_job(folder.path).is_active
    assert "ablation_stop" in _keys(page)
    stop_job(folder.path)
    wait_for_state(folder.path, "stopped")


def test_each_arm_says_in_words_what_it_is(open_page: OpenPage, drawn_dataset: Path) -> None:
    page = open_page(drawn_dataset)
    options = page.multiselect(key="ablation_arms").options
    assert "Group norm in place of batch norm" in options
    assert "Without batch norm, He initialisation and learning rate 3e-4" in options


def test_a_suite_may_train_with_unusable_images_only_where_the_switch_says_so(
    open_page: OpenPage, drawn_dataset: Path, tmp_path: Path
) -> None:
    with device_locked("cpu", tmp_path):
        for allow in (False, True):
            page = open_page(drawn_dataset)
            page.selectbox(key="ablation_suite").set_value("smoke").run()
            page.toggle(key="ablation_allow_unusable").set_value(allow).run()
            page.button(key="ablation_start").click().run()
        folders = [SuiteFolder(suites_folder() / name) for name in ("smoke", "smoke-2")]
        assert [folder.read().allow_unusable for folder in folders] == [False, True]


def test_before_a_suite_starts_it_is_said_which_difference_it_finds(open_page: OpenPage, drawn_dataset: Path) -> None:
    page = open_page(drawn_dataset)
    points = [_points_found(page)]
    page.number_input(key="ablation_seeds").set_value(10).run()
    points.append(_points_found(page))
    assert points[0] > points[1] > 0
    page.number_input(key="ablation_seeds").set_value(1).run()
    assert not any("Finds differences" in text.value for text in page.markdown)


def test_a_suite_that_needs_more_memory_than_there_is_asks_first(
    open_page: OpenPage, drawn_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An arm that no computer can hold stands for one that this computer cannot.
    huge = replace(quick_config(), image_size_px=1024, first_image_size_px=None, batch_size=65_536)
    arm = Arm(name="huge", title="A huge arm", base=None, config=huge)
    monkeypatch.setattr(
        "webui.suites.form.build_suite", lambda *args, **more: replace(build_suite(*args, **more), arms=(arm,))
    )
    with device_locked("cpu", tmp_path):
        page = open_page(drawn_dataset)
        page.selectbox(key="ablation_suite").set_value("smoke").run()
        page.button(key="ablation_start").click().run()
        assert not page.exception
        assert not suites_folder().exists() or list(suites_folder().iterdir()) == []
        assert any("Not started. A huge arm: Training would need" in text.value for text in page.warning)
        page.button(key="ablation_start_anyway").click().run()
        assert not page.exception
        assert (suites_folder() / "smoke" / "suite.json").exists()


def _points_found(page: AppTest) -> float:
    (words,) = [text.value for text in page.markdown if "Finds differences" in text.value]
    return float(words.split("**")[1].split()[0])


def test_a_suite_is_deleted_after_a_second_click(open_page: OpenPage, drawn_dataset: Path) -> None:
    folder = write_drawn_suite(suites_folder() / "mine", seeds=(0,), images=80)
    page = open_page(drawn_dataset)
    page.button(key="ablation_delete_for_good").click().run()
    assert not page.exception
    assert not folder.path.exists()
    assert "No suite yet" in _texts(page)


def test_a_suite_whose_test_images_were_all_trained_on_offers_no_resume(
    open_page: OpenPage, drawn_dataset: Path
) -> None:
    folder = SuiteFolder(suites_folder() / "leaking")
    folder.create(build_suite("smoke", data_folder=drawn_dataset, test_folders=[drawn_dataset], seeds=(0,)))
    with pytest.raises(DatasetError):
        train_suite(folder)
    page = open_page(drawn_dataset)
    assert "All 80 test images are among" in _texts(page)
    assert "ablation_resume" not in _keys(page)
    assert "ablation_delete_for_good" in _keys(page)
