"""The Dataset page as a person meets it: hand in a ZIP of real cells, audit it, look at the copies."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from tests.browser.conftest import IDLE, UPLOADER, open_page, running_server
from tests.builders.image_copies import cropped, recompressed

pytestmark = [pytest.mark.browser, pytest.mark.real_images, pytest.mark.slow]


@pytest.fixture
def zip_of_real_cells(real_data_folder: Path, tmp_path: Path) -> Path:
    """Six real cells of each class, and a turned, cropped copy of one of them under another label."""
    path = tmp_path / "cells.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for folder in sorted((real_data_folder / "pbc3200").iterdir()):
            for file in sorted(folder.glob("*.jpg"))[:6]:
                archive.write(file, f"cells/{folder.name}/{file.name}")
        source = sorted((real_data_folder / "pbc3200" / "monocyte").glob("*.jpg"))[0]
        turned = Image.open(source).transpose(Image.Transpose.ROTATE_90)
        stream = io.BytesIO()
        recompressed(cropped(turned, 0.05, 0, 0, 0.05), 70).save(stream, "PNG")
        archive.writestr("cells/platelet/copy.png", stream.getvalue())
    return path


def test_a_zip_is_added_audited_and_its_copy_shown(chromium: Browser, zip_of_real_cells: Path, tmp_path: Path) -> None:
    with (
        running_server(tmp_path / "log", BLOODCELL_HOME=str(tmp_path / "home")) as server,
        open_page(chromium, server, width=1360) as page,
    ):
        page.get_by_role("link", name="Dataset").click()
        expect(page.get_by_role("textbox", name="Name of the dataset")).to_be_visible()
        page.get_by_test_id(UPLOADER).first.set_input_files(zip_of_real_cells)
        page.get_by_role("textbox", name="Name of the dataset").fill("mine")
        page.get_by_role("button", name="Add", exact=True).click()
        expect(page.get_by_text("is added: 49 images")).to_be_visible()
        page.get_by_role("button", name="Audit this dataset").click()
        expect(page.get_by_test_id("stMetric").filter(has_text="Copies under two labels")).to_contain_text("1")
        page.wait_for_selector(IDLE)
        page.get_by_text("The same cell under two labels").click()
        pictures = page.get_by_test_id("stExpander").filter(has_text="two labels").locator("img")
        expect(pictures).to_have_count(2)
        widths = np.array(pictures.evaluate_all("images => images.map(image => image.naturalWidth)"))
        assert (widths > 0).all()
        assert page.get_by_test_id("stException").count() == 0
