"""The Train page from app.py: empty, ready, and with damaged things around it."""

import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from bloodcell.datasets.folder_scan import DataFolders
from bloodcell.experiments import EXPERIMENTS
from bloodcell.jobs import enqueue_command, enqueue_run, list_jobs, read_job
from bloodcell.paths import runs_folder
from bloodcell.processes.device_lock import device_locked
from bloodcell.runs.run_folder import RunFolder
from tests.conftest import held_elsewhere, quick_config
from tests.jobs.conftest import wait_for_state
from webui.parts.session_keys import train_setting_key
from webui.train.reasons import reason
from webui.train.runs import REDRAW_SECONDS, Drawn

APP = str(Path(__file__).resolve().parents[2] / "app.py")
FAST = "fast_unet_encoder"


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], AppTest]:
    """Open the Train page; a device that is held keeps the queue from starting anything."""
    monkeypatch.delenv("BLOODCELL_DATA", raising=False)
    monkeypatch.setattr("bloodcell.weights.card.SHIPPED_WEIGHTS", tmp_path / "no shipped weights")

    def run() -> AppTest:
        page = AppTest.from_file(APP, default_timeout=300).run()
        page.switch_page("pages/train.py").run()
        assert not page.exception
        return page

    return run


@pytest.fixture
def with_data(drawn_dataset: Path, monkeypatch: pytest.MonkeyPatch, open_page: Callable[[], AppTest]) -> Path:
    monkeypatch.setenv("BLOODCELL_DATA", str(drawn_dataset))
    return drawn_dataset


@pytest.fixture
def busy_cpu(tmp_path: Path) -> object:
    with device_locked("cpu", tmp_path / "another"):
        yield


def texts(page: AppTest) -> str:
    elements = (*page.caption, *page.markdown, *page.error, *page.warning, *page.info)
    return "\n".join(element.value for element in elements)


def copy_run(finished_run: RunFolder, name: str = "done") -> RunFolder:
    return RunFolder(Path(shutil.copytree(finished_run.path, runs_folder() / name)))


def set_field(page: AppTest, setting: str, value: object) -> None:
    page.number_input(key=train_setting_key(FAST, setting)).set_value(value)


def test_an_empty_page_says_where_to_put_a_dataset_and_that_there_is_no_run(open_page: Callable[[], AppTest]) -> None:
    page = open_page()
    assert "There is no dataset yet" in page.info[0].value
    assert "No run yet" in texts(page)
    assert not [button for button in page.button if button.key == "train_start"]


def test_the_recipes_own_values_are_the_defaults_each_with_its_reason(
    open_page: Callable[[], AppTest], with_data: Path, busy_cpu: object
) -> None:
    page = open_page()
    for name in (FAST, "paper_unet_encoder"):
        page.selectbox(key="train_experiment").set_value(name).run()
        config = EXPERIMENTS[name]()
        for setting in ("epochs", "image_size_px", "batch_size", "learning_rate", "seed"):
            assert page.number_input(key=train_setting_key(name, setting)).value == getattr(config, setting)
            assert reason(config, setting) in texts(page)


def test_start_hands_in_the_run_with_what_was_changed_and_shows_it(
    open_page: Callable[[], AppTest], with_data: Path, busy_cpu: object
) -> None:
    page = open_page()
    set_field(page, "epochs", 2)
    set_field(page, "image_size_px", 32)
    page.text_input(key="train_name").set_value("My first")
    page.run()
    page.button(key="train_start").click().run()
    assert not page.exception
    (job,) = list_jobs()
    config, folders = RunFolder(job.folder).read_config()
    assert (job.name, job.state) == ("my-first", "queued")
    assert (config.epochs, config.image_size_px, config.experiment) == (2, 32, FAST)
    assert folders.dataset == with_data
    assert page.selectbox(key="train_chosen").value == "my-first"
    assert "It starts when the CPU is free" in texts(page)


def test_a_double_click_hands_in_one_run_and_a_later_click_another(
    open_page: Callable[[], AppTest], with_data: Path, busy_cpu: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = open_page()
    page.button(key="train_start").click().run()
    page.button(key="train_start").click().run()
    assert len(list_jobs()) == 1
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 60)
    page.button(key="train_start").click().run()
    assert [job.name for job in list_jobs()] == [f"{FAST}-2", FAST]


def test_two_tabs_queue_two_runs_of_which_none_starts_beside_another(
    open_page: Callable[[], AppTest], with_data: Path, busy_cpu: object
) -> None:
    for _ in range(2):
        open_page().button(key="train_start").click().run()
    assert [job.jobs_before for job in list_jobs()] == [1, 0]


def test_a_name_that_cannot_be_a_folder_is_a_sentence(
    open_page: Callable[[], AppTest], with_data: Path, busy_cpu: object
) -> None:
    page = open_page()
    page.text_input(key="train_name").set_value("../../etc")
    page.run()
    page.button(key="train_start").click().run()
    assert "cannot be a run's name" in page.error[0].value
    assert list_jobs() == []


def test_a_waiting_run_is_taken_out_handed_in_again_and_deleted(
    open_page: Callable[[], AppTest], with_data: Path, busy_cpu: object
) -> None:
    page = open_page()
    page.button(key="train_start").click().run()
    (job,) = list_jobs()
    page.button(key="train_stop").click().run()
    assert read_job(job.folder).state == "stopped"
    page.button(key="train_resume").click().run()
    assert read_job(job.folder).state == "queued"
    page.button(key="train_stop").click().run()
    page.button(key="train_delete_for_good").click().run()
    assert not page.exception
    assert not job.folder.exists()
    assert "No run yet" in texts(page)


def test_a_finished_run_shows_its_curves_its_mistakes_and_no_resume(
    open_page: Callable[[], AppTest], with_data: Path, finished_run: RunFolder
) -> None:
    run = copy_run(finished_run)
    page = open_page()
    assert len(page.get("plotly_chart")) == 3
    best = max(row.validation_accuracy for row in run.read_metrics())
    assert f"Best validation accuracy **{100 * best:.1f} %**" in texts(page)
    assert "wrong at the best epoch so far" in texts(page)
    assert [bar.proto.text for bar in page.get("progress")] == ["6 of 6 epochs done"]
    keys = {button.key for button in page.button}
    assert "train_delete_for_good" in keys
    assert not keys & {"train_resume", "train_stop"}


def test_mistakes_are_the_surest_wrong_answers_with_their_pictures(
    open_page: Callable[[], AppTest], with_data: Path, finished_run: RunFolder
) -> None:
    from bloodcell.answers.labelled_table import read_labelled_table

    copy_run(finished_run)
    table = read_labelled_table(finished_run.predictions)
    wrong = int((table.probabilities.argmax(1) != table.labels).sum())
    page = open_page()
    assert f"{wrong} of {len(table.labels)} wrong" in texts(page)
    assert len(page.get("image")) == min(wrong, 8)


def test_what_needs_more_memory_than_there_is_asks_first(
    open_page: Callable[[], AppTest], with_data: Path, busy_cpu: object
) -> None:
    page = open_page()
    page.number_input(key=train_setting_key(FAST, "image_size_px")).set_value(1024)
    page.number_input(key=train_setting_key(FAST, "batch_size")).set_value(1024).run()
    page.button(key="train_start").click().run()
    assert not page.exception
    assert list_jobs() == []
    assert "Not started. Training would need about" in texts(page)
    page.button(key="train_start_anyway").click().run()
    assert not page.exception
    assert [job.state for job in list_jobs()] == ["queued"]
    assert "Not started" not in texts(page)


def test_an_estimate_says_what_it_rests_on(
    open_page: Callable[[], AppTest], with_data: Path, finished_run: RunFolder
) -> None:
    page = open_page()
    assert "steps of 64 and 128 px that were timed here" in texts(page)
    assert "80 images" in texts(page)
    run = copy_run(finished_run, "alike")
    config = EXPERIMENTS["paper_simple_cnn"]().changed(device="cpu", epochs=6)
    run.write_config(config, DataFolders(dataset=with_data))
    page.selectbox(key="train_experiment").set_value("paper_simple_cnn").run()
    assert "the speed of the run alike" in texts(page)


def test_no_estimate_is_measured_beside_a_training(
    open_page: Callable[[], AppTest], with_data: Path, busy_cpu: object
) -> None:
    assert "No estimate now" in texts(open_page())


def test_damaged_runs_and_foreign_files_leave_the_page_alive(
    open_page: Callable[[], AppTest], with_data: Path, finished_run: RunFolder
) -> None:
    (runs_folder() / "foreign").mkdir(parents=True)
    (runs_folder() / "notes.txt").write_text("")
    damages = {
        "config": ("config.json", "{"),
        "metrics": ("metrics.csv", "a\n1\n"),
        "outcome": ("outcome.json", "{"),
        "predictions": ("predictions_validation.csv", "x"),
        "split": ("split.csv", "x"),
        "status": ("status.json", "["),
    }
    for name, (file, text) in damages.items():
        (copy_run(finished_run, name).path / file).write_text(text)
    page = open_page()
    for name in damages:
        page.selectbox(key="train_chosen").set_value(name).run()
        assert not page.exception, name
        assert "train_delete_for_good" in {button.key for button in page.button}


def test_a_dataset_that_went_away_is_named_in_the_list_of_mistakes(
    open_page: Callable[[], AppTest], finished_run: RunFolder, tmp_path: Path
) -> None:
    run = copy_run(finished_run)
    run.write_config(quick_config(epochs=6), DataFolders(dataset=tmp_path / "gone"))
    page = open_page()
    assert not page.exception
    assert "is no longer there" in texts(page)


def test_a_split_that_names_files_outside_the_dataset_shows_none_of_them(
    open_page: Callable[[], AppTest], with_data: Path, finished_run: RunFolder
) -> None:
    run = copy_run(finished_run)
    outside = os.path.relpath(with_data, with_data / "elsewhere")
    lines = run.split.read_text().splitlines(keepends=True)
    run.split.write_text("".join(line.replace(",", f",{outside}/x/", 1) if i else line for i, line in enumerate(lines)))
    page = open_page()
    assert not page.exception
    assert not page.get("image")


def test_a_lost_run_says_what_to_do(open_page: Callable[[], AppTest], with_data: Path, finished_run: RunFolder) -> None:
    run = copy_run(finished_run)
    run.outcome.unlink()
    run.write_json(run.status, {**(run.read_status() or {}), "process_start_time": 0})
    page = open_page()
    assert "resume it" in page.error[0].value
    assert "train_resume" in {button.key for button in page.button}


def test_another_job_with_the_name_of_a_run_is_not_taken_for_it(
    open_page: Callable[[], AppTest], busy_cpu: object, finished_run: RunFolder, tmp_path: Path
) -> None:
    copy_run(finished_run, "pbc")
    enqueue_command(["check", str(tmp_path)], folder=tmp_path / "downloads" / "pbc", device="cpu")
    page = open_page()
    assert page.selectbox(key="train_chosen").options == ["pbc"]
    assert "epochs done" in "\n".join(str(bar.proto.text) for bar in page.get("progress"))


def test_the_page_lists_runs_alone_also_among_what_waits(
    open_page: Callable[[], AppTest], with_data: Path, busy_cpu: object, tmp_path: Path
) -> None:
    enqueue_command(["check", str(tmp_path)], folder=tmp_path / "suites" / "other", device="cpu")
    page = open_page()
    assert "No run yet" in texts(page)
    page.button(key="train_start").click().run()
    assert page.selectbox(key="train_chosen").options == [FAST]
    # What comes before it is counted, whatever it is.
    assert "1 job comes before it" in texts(page)
    assert "Also in the queue" not in texts(page)


def test_new_epochs_draw_the_page_anew_now_and_then_and_a_change_of_state_at_once() -> None:
    running, finished = (((Path("run"), state),) for state in ("running", "finished"))
    now = time.monotonic()
    just_drawn = Drawn(states=running, metrics_changed_ns=5, at=now)
    assert not just_drawn.is_outdated(running, 5)
    assert not just_drawn.is_outdated(running, 6)
    assert just_drawn.is_outdated(finished, 5)
    assert replace(just_drawn, at=now - REDRAW_SECONDS).is_outdated(running, 6)
    assert not replace(just_drawn, at=now - REDRAW_SECONDS).is_outdated(running, 5)
    assert replace(just_drawn, metrics_changed_ns=0).is_outdated(running, 6)


def test_a_run_that_unusable_images_stopped_says_so_and_goes_on_with_what_is_left_on_purpose(
    open_page: Callable[[], AppTest], drawn_dataset: Path, tmp_path: Path
) -> None:
    data = shutil.copytree(drawn_dataset, tmp_path / "data")
    for path in (data / "neutrophil").iterdir():
        path.write_bytes(b"")
    folder = enqueue_run(quick_config(epochs=1), data, name="run")
    wait_for_state(folder, "failed")
    page = open_page()
    assert "There is no usable image of Neutrophil" in page.error[0].value
    page.button(key="train_resume_with_less").click().run()
    assert not page.exception
    wait_for_state(folder, "finished")
    assert "70 of 80 images used (Neutrophil 0 of 10)" in "".join(warning.value for warning in page.run().warning)


def test_a_new_run_may_begin_with_unusable_images_only_where_the_switch_says_so(
    open_page: Callable[[], AppTest], with_data: Path, busy_cpu: object
) -> None:
    page = open_page()
    page.button(key="train_start").click().run()
    page.toggle(key="train_allow_unusable").set_value(True).run()
    page.button(key="train_start").click().run()
    allowed = [RunFolder(job.folder).read_config()[1].allow_unusable for job in list_jobs()]
    assert allowed == [True, False]


def test_a_run_that_uses_all_images_says_how_many(open_page: Callable[[], AppTest], finished_run: RunFolder) -> None:
    copy_run(finished_run)
    assert "80 of 80 images used." in texts(open_page())


def test_a_run_that_gives_no_sign_of_life_is_pointed_out(
    open_page: Callable[[], AppTest], with_data: Path, busy_cpu: object
) -> None:
    run = RunFolder(runs_folder() / "run")
    run.create(quick_config(), DataFolders(dataset=with_data))
    with held_elsewhere(run.lock):
        run.write_process({})
        assert "Last sign of life" in texts(open_page())
        run.write_json(
            run.status, {**json.loads(run.status.read_bytes()), "heartbeat_monotonic": time.monotonic() - 200}
        )
        assert "No sign of life for 3 min" in texts(open_page())
