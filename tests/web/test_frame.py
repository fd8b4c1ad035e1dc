import gc
import os
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from bloodcell.jobs import enqueue_run, read_job
from tests.conftest import quick_config

APP = str(Path(__file__).resolve().parents[2] / "app.py")


def test_what_was_imported_is_left_out_of_the_garbage_collection_after_every_run() -> None:
    gc.unfreeze()
    st.cache_resource.clear()  # Tests that ran before may have frozen as many modules already.
    page = AppTest.from_file(APP, default_timeout=300).run()
    assert not page.exception
    frozen = gc.get_freeze_count()
    assert frozen > 50_000
    page.run()
    assert gc.get_freeze_count() <= frozen


def test_where_no_worker_can_be_started_the_pages_stay_and_train_says_why(
    drawn_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patch:
        patch.setattr("bloodcell.jobs.control.ensure_worker", lambda: None)
        folder = enqueue_run(quick_config(), drawn_dataset, name="waiting")
    monkeypatch.setattr("webui.parts.polling.ensure_worker", refuse)
    page = AppTest.from_file(APP, default_timeout=300).run()
    assert not page.exception
    assert [title.value for title in page.title] == ["Classify"]
    assert not page.error
    page.switch_page("pages/train.py").run()
    assert not page.exception
    assert [error.value for error in page.error] == [
        "Jobs cannot start now: No space left on device. They wait, and are tried again."
    ]
    assert read_job(folder).state == "queued"
