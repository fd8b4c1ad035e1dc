"""Numbers as a person types them: what is out of range starts nothing."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import open_page, running_server

pytestmark = [pytest.mark.browser]

TYPED = {"Epochs": ("100000", "0", "-3", "99999999999999999999", "12.7"), "Seeds per arm": ("21", "0", "1e30")}


@pytest.mark.parametrize(
    ("address", "label", "starts"),
    [("/train", "Epochs", "Start training"), ("/ablation", "Seeds per arm", re.compile("Train [0-9]+ runs"))],
)
def test_a_number_out_of_range_starts_nothing_and_says_the_range(
    chromium: Browser, drawn_dataset: Path, tmp_path: Path, address: str, label: str, starts: str | re.Pattern[str]
) -> None:
    with (
        running_server(tmp_path / "server.log", BLOODCELL_DATA=str(drawn_dataset)) as server,
        open_page(chromium, server, width=1360, address=address, landmark="stHeading") as page,
    ):
        field = page.get_by_role("spinbutton", name=label)
        button = page.get_by_test_id("stMain").get_by_role("button", name=starts)
        expect(button).to_be_enabled()
        for typed in TYPED[label]:
            field.fill(typed)
            field.press("Enter")
            expect(page.get_by_text(f"{label}: a whole number from 1 to")).to_be_visible()
            expect(page.get_by_test_id("stMain").get_by_role("button", name=starts, disabled=False)).to_have_count(0)
            field.fill("2")
            field.press("Enter")
            expect(button).to_be_enabled()
            expect(page.get_by_text(f"{label}: a whole number from 1 to")).to_have_count(0)
