"""Two browsers with two models, and reading that is stopped: no cell changes its model, and none is lost."""

import csv
import io
import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from bloodcell.datasets.example_cells import example_cells
from tests.browser.conftest import IDLE, UPLOADER, open_page

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """300 files of real cells of home: those that are unlike it would be answered by other weights."""
    folder, cells = tmp_path_factory.mktemp("cells"), example_cells()
    paths = [folder / f"{number:03}.jpg" for number in range(300)]
    for number, path in enumerate(paths):
        shutil.copyfile(cells[number % len(cells)].path, path)
    return paths


def _hand_in(page: Page, files: list[Path]) -> None:
    page.get_by_test_id(UPLOADER).set_input_files(files)
    expect(page.get_by_role("button", name="Download CSV")).to_be_visible()
    page.wait_for_selector(IDLE)


def _use(page: Page, name: str) -> None:
    page.get_by_role("link", name="Models").first.click()
    expect(page.get_by_text("Add weights from elsewhere")).to_be_visible()
    page.wait_for_selector(IDLE)
    page.get_by_role("combobox", name="Weights").click()
    page.get_by_role("option", name=name).click()
    use = page.get_by_role("button", name="Use for Classify")
    expect(use).to_be_enabled()
    use.click()
    expect(page.get_by_text(f"{name} answers on the page Classify from now on, in this browser alone")).to_be_visible()
    page.get_by_role("link", name="Classify").first.click()
    expect(page.get_by_text(f"Model {name}")).to_be_visible()
    page.wait_for_selector(IDLE)


def _rows(page: Page) -> list[dict[str, str]]:
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    return list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text(encoding="utf-8"))))


def _models(page: Page) -> list[str]:
    return [row["model"] for row in _rows(page)]


def test_no_cell_changes_its_model_without_a_click(chromium: Browser, server: str, files: list[Path]) -> None:
    with open_page(chromium, server, width=1360) as first, open_page(chromium, server, width=1360) as second:
        _hand_in(first, files[:3])
        before = _rows(first)
        _use(second, "simple_cnn")
        _hand_in(second, files[:3])
        assert _models(second) == ["simple_cnn"] * 3
        first.get_by_test_id(UPLOADER).set_input_files(files[3:5])
        expect(first.get_by_text(re.compile(r"^Cell \d of 5\."))).to_be_visible()
        first.wait_for_selector(IDLE)
        rows = _rows(first)
        assert rows[:3] == before
        assert {row["model"] for row in rows} == {"unet_encoder"}
        _use(first, "deep_cnn")
        assert _rows(first) == rows
        expect(first.get_by_text("The cells here keep their answers")).to_be_visible()
        first.get_by_role("button", name="Answer 5 cells anew with deep_cnn").click()
        expect(first.get_by_text("The cells here keep their answers")).to_have_count(0)
        first.wait_for_selector(IDLE)
        assert _models(first) == ["deep_cnn"] * 5
        assert _models(second) == ["simple_cnn"] * 3


def test_the_model_of_a_browser_outlives_a_reload(chromium: Browser, server: str) -> None:
    with open_page(chromium, server, width=1360) as page:
        _use(page, "simple_cnn")
        assert "model=simple_cnn" in page.url
        page.reload()
        expect(page.get_by_text("Model simple_cnn")).to_be_visible()
        with open_page(chromium, server, width=1360) as other:
            expect(other.get_by_text("Model unet_encoder")).to_be_visible()


def test_what_was_read_stays_when_reading_is_stopped(chromium: Browser, server: str, files: list[Path]) -> None:
    with open_page(chromium, server, width=1360) as page:
        page.get_by_test_id(UPLOADER).set_input_files(files)
        expect(page.get_by_text("images read")).to_be_visible()
        page.get_by_role("button", name="Stop", exact=True).click()
        page.wait_for_selector(IDLE)
        expect(page.get_by_text(re.compile(r"^\d+ of 300 images read"))).to_be_visible()
        page.get_by_role("button", name="Show what was read").click()
        expect(page.get_by_text(re.compile(r"^Cell \d+ of 300\."))).to_be_visible()
        page.wait_for_selector(IDLE)
        assert [row["file"] for row in _rows(page)] == [path.name for path in files]


def test_a_tray_removed_while_it_is_read_leaves_no_cell_in_the_next(
    chromium: Browser, server: str, files: list[Path]
) -> None:
    with open_page(chromium, server, width=1360) as page:
        page.get_by_test_id(UPLOADER).set_input_files(files)
        expect(page.get_by_text("images read")).to_be_visible()
        page.get_by_role("button", name="Show what was read").click()
        page.get_by_role("button", name="Remove all").click()
        expect(page.get_by_role("button", name="Download CSV")).to_have_count(0)
        page.wait_for_selector(IDLE)
        _hand_in(page, files[-1:])
        assert [row["file"] for row in _rows(page)] == [files[-1].name]
