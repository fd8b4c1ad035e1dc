"""The Classify page as a person meets it: the real server, real images, Chromium."""

import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import IDLE, UPLOADER, open_page, running_server
from tests.conftest import REPOSITORY

pytestmark = [pytest.mark.browser, pytest.mark.real_images, pytest.mark.slow]

HOSTILE_NAME = "<img src=x onerror=alert(1)> :smile: **bold** `code` =1+1.jpg"


@pytest.fixture(scope="module")
def files(real_data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Real cells of three classes, a broken file, and a real cell with a hostile name."""
    folder = tmp_path_factory.mktemp("files")
    cells = [
        sorted((real_data_folder / "pbc3200" / name).glob("*.jpg"))[0] for name in ("eosinophil", "ig", "platelet")
    ]
    broken = folder / "broken.jpg"
    broken.write_bytes(cells[0].read_bytes()[:2000])
    hostile = folder / HOSTILE_NAME
    shutil.copyfile(sorted((real_data_folder / "pbc3200" / "lymphocyte").glob("*.jpg"))[0], hostile)
    return [*cells, broken, hostile]


def _upload(page: Page, files: list[Path]) -> None:
    page.get_by_test_id(UPLOADER).set_input_files(files)
    expect(page.get_by_role("button", name="Download CSV")).to_be_visible()
    page.wait_for_selector(IDLE)


def _metrics(page: Page) -> list[str]:
    return page.get_by_test_id("stMetricValue").all_inner_texts()


def test_real_files_get_class_confidence_and_heat_map(page: Page, files: list[Path]) -> None:
    _upload(page, files[:1])
    heading = page.get_by_role("heading", level=3)
    expect(heading).to_contain_text(re.compile(r"\w+ · (> )?\d+\.\d %"))
    images = page.get_by_test_id("stImage").locator("img")
    expect(images).to_have_count(2)
    answer = heading.inner_text().split(" · ")[0].lower()
    expect(images.nth(1)).to_have_attribute("alt", f"The cell image under a heat map that explains {answer}")
    # A drawn picture is as wide as it was sent; one that is still on its way is 0 wide.
    page.wait_for_function("images => images.every(image => image.complete)", arg=images.element_handles())
    picture_width, heat_map_width = images.evaluate_all("images => images.map(image => image.naturalWidth)")
    assert heat_map_width == picture_width > 0
    expect(page.locator(".js-plotly-plot .bars .point")).to_have_count(3)


def test_a_broken_file_is_listed_and_the_others_are_answered(page: Page, files: list[Path]) -> None:
    _upload(page, files)
    assert _metrics(page)[0] == "4"
    assert _metrics(page)[2] == "1"
    reasons = page.get_by_test_id("stExpander").filter(has_text="1 file could not be read")
    expect(reasons).to_contain_text("broken.jpg")
    assert page.get_by_test_id("stException").count() == 0


def test_the_csv_is_the_command_lines(page: Page, files: list[Path], tmp_path: Path) -> None:
    _upload(page, files)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    from_page = Path(download.value.path()).read_bytes()
    target = tmp_path / "out.csv"
    command = [sys.executable, "-m", "bloodcell", "classify", *map(str, files), "--csv", str(target), "--device", "cpu"]
    finished = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False)
    assert finished.returncode == 1, finished.stderr
    assert len(from_page.splitlines()) == 1 + len(files)
    assert from_page == target.read_bytes()


def test_a_hostile_name_is_shown_as_plain_text(page: Page, files: list[Path]) -> None:
    _upload(page, files[-1:])
    expect(page.get_by_text(HOSTILE_NAME.replace("`", "'"), exact=True)).to_be_visible()
    assert page.locator('img[src="x"]').count() == 0


def test_files_added_later_join_the_first_ones_and_can_all_be_removed(page: Page, files: list[Path]) -> None:
    _upload(page, files[:1])
    page.get_by_test_id(UPLOADER).set_input_files(files[:2])
    expect(page.get_by_text("Cell 1 of 3.")).to_be_visible()
    page.get_by_role("button", name="Remove all").click()
    expect(page.get_by_role("button", name="Download CSV")).to_have_count(0)


def test_a_click_while_images_are_read_loses_none(page: Page, real_data_folder: Path) -> None:
    many = [
        path for folder in sorted((real_data_folder / "pbc3200").iterdir()) for path in sorted(folder.iterdir())[:6]
    ]
    page.get_by_test_id(UPLOADER).set_input_files(many)
    expect(page.get_by_test_id("stProgress")).to_be_visible()
    page.get_by_role("button", name="Try example cells").click()
    expect(page.get_by_text(re.compile(rf"^Cell \d+ of {len(many) + 24}\."))).to_be_visible()


def test_the_server_keeps_no_copy_of_an_upload(page: Page, server: str, files: list[Path]) -> None:
    _upload(page, files)
    figures = urllib.request.urlopen(f"{server}/_stcore/metrics", timeout=300).read().decode()
    assert "cache_memory_bytes" in figures
    assert 'cache_type="UploadedFileManager"' not in figures


def test_next_shows_another_cell(page: Page, files: list[Path]) -> None:
    _upload(page, files[:3])
    before = page.get_by_role("heading", level=3).inner_text()
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("Cell 2 of 3.")).to_be_visible()
    page.wait_for_selector(IDLE)
    expect(page.get_by_role("heading", level=3)).to_have_count(1)
    expect(page.get_by_role("heading", level=3)).not_to_have_text(before)


def test_a_narrow_screen_does_not_scroll_sideways(chromium: Browser, server: str, files: list[Path]) -> None:
    with open_page(chromium, server, width=390) as page:
        _upload(page, files)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert page.get_by_test_id("stMain").evaluate("main => main.scrollWidth <= main.clientWidth")


def test_the_example_cells_greet_with_right_answers(page: Page) -> None:
    page.get_by_role("button", name="Try example cells").click()
    # The cell that was chosen while the others were still read stays chosen, and need not be the first in the end.
    expect(page.get_by_text(re.compile(r"Cell \d+ of 24\."))).to_be_visible()
    page.wait_for_selector(IDLE)
    expect(page.get_by_test_id("stMetricValue").nth(1)).to_be_visible()
    assert int(_metrics(page)[1]) <= 4


def test_the_very_first_visit_may_go_to_the_pages_own_address(chromium: Browser, tmp_path: Path) -> None:
    with (
        running_server(tmp_path / "log") as fresh,
        open_page(chromium, fresh, width=1360, address="/classify") as first,
    ):
        expect(first.get_by_text("Research use only, not for diagnosis")).to_have_count(1)
        first.goto(f"{fresh}/classify")
        first.wait_for_selector(IDLE)
        expect(first.get_by_text("Research use only, not for diagnosis")).to_have_count(1)
        assert first.get_by_role("dialog").count() == 0


@pytest.mark.parametrize("address", ["/train", "/models"])
def test_the_very_first_visit_of_a_server_may_go_to_any_page(chromium: Browser, tmp_path: Path, address: str) -> None:
    with (
        running_server(tmp_path / "server.log") as fresh,
        open_page(chromium, fresh, width=1360, address=address, landmark="stHeading") as page,
    ):
        expect(page.get_by_role("heading", name=address[1:].capitalize(), exact=True)).to_be_visible()
        assert page.url == fresh + address
