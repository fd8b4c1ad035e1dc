"""The Ablation page as a person meets it: a suite that was interrupted goes on to its verdict."""

import csv
import io
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from bloodcell.suites.suite import SuiteFolder, build_suite
from tests.browser.conftest import open_page, running_server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TRAINING_TIMEOUT_MS = 600_000


def test_an_interrupted_suite_goes_on_to_its_verdict(chromium: Browser, drawn_dataset: Path, tmp_path: Path) -> None:
    folder = SuiteFolder(tmp_path / "home" / "suites" / "drawn")
    folder.create(
        build_suite("smoke", data_folder=drawn_dataset, arms=["simple_cnn"], seeds=(0,), epochs=1, device="cpu")
    )
    with (
        running_server(tmp_path / "server.log", BLOODCELL_DATA=str(drawn_dataset)) as server,
        open_page(chromium, server, width=1360) as page,
    ):
        page.get_by_role("link", name="Ablation").first.click()
        expect(page.get_by_text("0 of 2 runs finished")).to_be_visible()
        page.get_by_role("button", name="Resume").click()
        expect(page.get_by_text("2 of 2 runs finished · finished")).to_be_visible(timeout=TRAINING_TIMEOUT_MS)
        # One epoch on drawn cells teaches the base on some computers and not on others; either is said, maybe twice.
        verdict = page.get_by_text("one seed ranks nothing").or_(page.get_by_text("concludes nothing"))
        expect(verdict.first).to_be_visible()
        with page.expect_download() as download:
            page.get_by_role("button", name="Download CSV").click()
        rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text(), newline="")))
        assert [row["arm"] for row in rows] == ["unet_encoder", "simple_cnn"]
        assert page.get_by_test_id("stException").count() == 0
