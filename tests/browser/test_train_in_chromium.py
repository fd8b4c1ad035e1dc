"""The Train page as a person meets it: a run on real cells, from its start to the answers of its weights."""

import csv
import hashlib
import io
import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from bloodcell.runs.run_folder import RunFolder
from tests.browser.conftest import IDLE, UPLOADER, open_page, running_server

pytestmark = [pytest.mark.browser, pytest.mark.real_images, pytest.mark.slow]

TRAINING_TIMEOUT_MS = 600_000
EPOCHS = 12
NAME = "few_cells"


@pytest.fixture(scope="module")
def few_cells(real_data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """16 real cells per class."""
    folder = tmp_path_factory.mktemp("data") / "cells"
    for source in sorted((real_data_folder / "pbc3200").iterdir()):
        (folder / source.name).mkdir(parents=True)
        for file in sorted(source.glob("*.jpg"))[:16]:
            shutil.copy(file, folder / source.name)
    return folder


def fill_number(page: Page, label: str, value: int) -> None:
    field = page.get_by_role("spinbutton", name=label)
    field.fill(str(value))
    field.press("Enter")
    page.wait_for_selector(IDLE)


def publish_and_choose(page: Page) -> None:
    """Publish the only run under NAME and let it answer on Classify."""
    page.get_by_role("link", name="Models").first.click()
    name = page.get_by_role("textbox", name="Name", exact=True)
    expect(name).to_be_visible()
    page.wait_for_selector(IDLE)  # what is typed while the page is still drawn is lost with the field
    name.fill(NAME)
    name.press("Tab")
    page.wait_for_selector(IDLE)
    expect(name).to_have_value(NAME)
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_text("is published")).to_be_visible(timeout=TRAINING_TIMEOUT_MS)
    page.get_by_role("button", name="Use for Classify").click()
    expect(page.get_by_text("answers on the page Classify from now on")).to_be_visible()


def classify(page: Page, image: Path) -> dict[str, str]:
    """Hand one image to Classify, see who answers it, and return its row of the CSV."""
    page.get_by_role("link", name="Classify").first.click()
    expect(page.get_by_text(f"Model {NAME}")).to_be_visible()
    page.wait_for_selector(IDLE)
    page.get_by_test_id(UPLOADER).set_input_files(image)
    expect(page.get_by_text(f"answered by {NAME}")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    (row,) = csv.DictReader(io.StringIO(Path(download.value.path()).read_text(encoding="utf-8"), newline=""))
    return row


def test_a_run_is_started_reloaded_stopped_resumed_finished_published_and_answers(
    chromium: Browser, few_cells: Path, tmp_path: Path
) -> None:
    image = sorted((few_cells / "eosinophil").iterdir())[0]
    with (
        running_server(tmp_path / "server.log", BLOODCELL_DATA=str(few_cells)) as server,
        open_page(chromium, server, width=1360) as page,
    ):
        page.get_by_role("link", name="Train").first.click()
        fill_number(page, "Image size, pixels", 32)
        page.get_by_role("button", name="Start training").click()
        expect(page.get_by_text(f"of {EPOCHS}", exact=False).first).to_be_visible(timeout=TRAINING_TIMEOUT_MS)
        page.reload()
        page.wait_for_selector(IDLE)
        expect(page.get_by_text(re.compile(rf"^[1-9]\d* of {EPOCHS}$")).first).to_be_visible(
            timeout=TRAINING_TIMEOUT_MS
        )
        expect(page.get_by_text("Best validation accuracy").first).to_be_visible(timeout=TRAINING_TIMEOUT_MS)
        page.get_by_test_id("stMain").get_by_role("button", name="Stop").click()
        page.get_by_role("button", name="Resume").click(timeout=TRAINING_TIMEOUT_MS)
        expect(page.get_by_text(f"{EPOCHS} of {EPOCHS} epochs done")).to_be_visible(timeout=TRAINING_TIMEOUT_MS)
        expect(page.locator(".js-plotly-plot")).to_have_count(3)
        expect(page.get_by_text("wrong at the best epoch so far")).to_be_visible()
        assert page.get_by_role("button", name="Resume").count() == 0
        publish_and_choose(page)
        row = classify(page, image)
        assert page.get_by_test_id("stException").count() == 0
    (folder,) = (tmp_path / "home" / "runs").iterdir()
    run = RunFolder(folder)
    assert run.read_outcome() is not None
    assert [row.epoch for row in run.read_metrics()] == list(range(1, EPOCHS + 1))
    log = run.log.read_text()
    assert log.count("resumed after epoch") == 1
    assert len(re.findall(r"process \d+ starts", log)) == 2
    # Weights of so few images may refuse the cell or send it to a second look; who answered is what counts.
    weights = tmp_path / "home" / "weights" / f"{NAME}.safetensors"
    assert (row["file"], row["model"]) == (image.name, NAME)
    assert row["model_sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert row["status"] in ("ok", "review", "refused")
    assert sum(float(value) for key, value in row.items() if key.startswith("p_")) == pytest.approx(1, abs=1e-5)
