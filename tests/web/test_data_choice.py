from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from bloodcell.datasets.drawn_cells import write_synthetic_dataset
from bloodcell.paths import own_data_folder
from webui.parts.data_choice import available_data_folders


def write_dataset(folder: Path) -> Path:
    folder.mkdir(parents=True)
    write_synthetic_dataset(folder, per_class=1, size_px=64, seed=0)
    return folder


@pytest.fixture
def named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What BLOODCELL_DATA names."""
    folder = tmp_path / "named"
    folder.mkdir()
    monkeypatch.setenv("BLOODCELL_DATA", str(folder))
    return folder


def test_the_named_folder_itself_can_be_a_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLOODCELL_DATA", str(write_dataset(tmp_path / "cells")))
    assert available_data_folders() == {"cells": tmp_path / "cells"}


def test_datasets_in_the_named_folder_and_in_the_home_can_be_chosen(named: Path) -> None:
    one, two = write_dataset(named / "one"), write_dataset(own_data_folder() / "two")
    same = write_dataset(own_data_folder() / "one")
    assert available_data_folders() == {"one": one, "two": two, "one (downloaded)": same}


def test_folders_without_classes_hidden_ones_and_files_cannot_be_chosen(named: Path) -> None:
    (named / "empty").mkdir()
    (named / "notes.txt").write_text("")
    write_dataset(named / ".hidden")
    assert available_data_folders() == {}


def test_a_link_out_of_the_allowed_places_cannot_be_chosen(named: Path, tmp_path: Path) -> None:
    (named / "link").symlink_to(write_dataset(tmp_path / "outside"))
    write_dataset(own_data_folder() / "inside")
    (own_data_folder() / "link").symlink_to(tmp_path / "outside")
    assert list(available_data_folders()) == ["inside"]


def test_nothing_can_be_chosen_where_nothing_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLOODCELL_DATA", "/nowhere/at/all")
    assert available_data_folders() == {}


def _page() -> None:
    import streamlit as st

    from webui.parts.data_choice import chosen_data_folder

    st.text(f"{chosen_data_folder('data')}")


def test_a_choice_that_is_forged_or_gone_does_not_lead_elsewhere(named: Path) -> None:
    write_dataset(named / "one")
    page = AppTest.from_function(_page, default_timeout=300)
    page.session_state["data"] = "../../outside"
    page.run()
    assert [text.value for text in page.text] == [str(named / "one")]


def test_without_a_dataset_the_page_says_where_to_put_one(named: Path) -> None:
    page = AppTest.from_function(_page, default_timeout=300).run()
    assert str(own_data_folder()) in page.info[0].value
    assert [text.value for text in page.text] == ["None"]
