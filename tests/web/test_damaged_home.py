"""Every page opens whatever hands and other programs have written into the files of the home."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from bloodcell.jobs.job import list_runs
from tests.builders.damaged_home import write_damaged_home

APP = str(Path(__file__).resolve().parents[2] / "app.py")
PAGES = ("classify", "dataset", "train", "ablation", "results", "models")


@pytest.fixture
def damaged(tmp_path: Path) -> int:
    """A damaged home; the number of its damaged runs."""
    return write_damaged_home(tmp_path / "drawn")


def opened(name: str) -> AppTest:
    page = AppTest.from_file(APP, default_timeout=600).run().switch_page(f"pages/{name}.py").run()
    assert [exception.message for exception in page.exception] == [], name
    return page


def test_every_page_opens_on_a_damaged_home_whatever_is_chosen_there(damaged: int) -> None:
    assert damaged > 90
    assert len(list_runs()) == damaged
    chosen = 0
    for name in PAGES:
        page = opened(name)
        for key in [box.key for box in page.selectbox]:
            for option in page.selectbox(key=key).options:
                page.selectbox(key=key).set_value(option).run()
                assert [exception.message for exception in page.exception] == [], (name, key, option)
                chosen += 1
    assert chosen > 150


def test_results_show_every_source_of_a_damaged_home(damaged: int) -> None:
    page = opened("results")
    sources = page.multiselect(key="results_sources").options
    assert len(sources) > 20
    for source in sources:
        page.multiselect(key="results_sources").set_value([source]).run()
        assert [exception.message for exception in page.exception] == [], source
