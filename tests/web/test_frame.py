import gc
from pathlib import Path

import streamlit as st
from streamlit.testing.v1 import AppTest

APP = str(Path(__file__).resolve().parents[2] / "app.py")


def test_what_was_imported_is_left_out_of_the_garbage_collection_after_every_run() -> None:
    gc.unfreeze()
    st.cache_resource.clear()  # Tests that ran before may have frozen as many modules already.
    page = AppTest.from_file(APP, default_timeout=120).run()
    assert not page.exception
    frozen = gc.get_freeze_count()
    assert frozen > 50_000
    page.run()
    assert gc.get_freeze_count() <= frozen
