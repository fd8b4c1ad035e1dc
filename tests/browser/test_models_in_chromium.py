"""The Models page as a person meets it: weights from elsewhere come to answer on Classify."""

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from bloodcell.datasets.example_cells import example_cells
from bloodcell.paths import SHIPPED_WEIGHTS
from tests.browser.conftest import IDLE, UPLOADER, open_page

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_weights_from_elsewhere_are_added_chosen_and_answer(chromium: Browser, server: str, tmp_path: Path) -> None:
    for suffix in ("safetensors", "json"):
        shutil.copyfile(SHIPPED_WEIGHTS / f"deep_cnn.{suffix}", tmp_path / f"from_elsewhere.{suffix}")
    # A real cell of home: one that is unlike it would be answered by other weights.
    shutil.copyfile(example_cells()[0].path, tmp_path / "cell.jpg")
    with open_page(chromium, server, width=1360) as page:
        page.get_by_role("link", name="Models").first.click()
        expect(page.get_by_text("Add weights from elsewhere")).to_be_visible()
        page.wait_for_selector(IDLE)
        page.get_by_test_id(UPLOADER).set_input_files(
            [tmp_path / "from_elsewhere.safetensors", tmp_path / "from_elsewhere.json"]
        )
        expect(page.get_by_text("from_elsewhere.json")).to_be_visible()
        page.get_by_test_id("stFormSubmitButton").get_by_role("button", name="Add").click()
        expect(page.get_by_text("is added")).to_be_visible()
        page.get_by_role("button", name="Use for Classify").click()
        expect(page.get_by_text("answers on the page Classify from now on")).to_be_visible()
        with page.expect_download() as download:
            page.get_by_role("button", name="Download .json").click()
        assert b'"name": "from_elsewhere"' in Path(download.value.path()).read_bytes()
        page.get_by_role("link", name="Classify").first.click()
        expect(page.get_by_text("Model from_elsewhere")).to_be_visible()
        page.wait_for_selector(IDLE)
        page.get_by_test_id(UPLOADER).set_input_files(tmp_path / "cell.jpg")
        expect(page.get_by_text("answered by from_elsewhere")).to_be_visible()
        page.get_by_role("link", name="Models").first.click()
        page.wait_for_selector(IDLE)
        page.get_by_role("button", name="Delete …").click()
        page.get_by_role("button", name="Delete for good").click()
        expect(page.get_by_text("is deleted")).to_be_visible()
        assert page.get_by_test_id("stException").count() == 0
