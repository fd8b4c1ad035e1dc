"""The Results page and the report as a person meets them: the real server, Chromium, clicks on the matrix."""

import csv
import io
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from bloodcell.answers.labelled_table import LabelledTable, read_labelled_table
from bloodcell.cell_classes import CELL_CLASSES, CLASS_COUNT
from bloodcell.report.arms import group_arms
from bloodcell.report.suite_report import suite_report
from bloodcell.suites.run_record import list_records
from tests.browser.conftest import ANSWER_TIMEOUT_MS, IDLE, open_page, patient_page, running_server
from tests.builders.drawn_records import write_drawn_suite

pytestmark = [pytest.mark.browser, pytest.mark.slow]

VIEWS = "stButtonGroup"
RUN = "unet_encoder-seed0"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results") / "home"
    write_drawn_suite(folder / "suites" / "drawn", seeds=2, epochs=None, images=240, name="paper")
    return folder


@pytest.fixture(scope="module")
def results_server(home: Path) -> Iterator[str]:
    with running_server(home.parent / "log", BLOODCELL_HOME=str(home)) as url:
        yield url


@pytest.fixture
def results(chromium: Browser, results_server: str) -> Iterator[Page]:
    with _opened(chromium, results_server, width=1360) as page:
        yield page


def _opened(chromium: Browser, url: str, *, width: int):  # type: ignore[no-untyped-def]
    return open_page(chromium, url, width=width, address="/results", landmark=VIEWS)


def _see(page: Page, view: str) -> None:
    page.get_by_test_id(VIEWS).first.get_by_text(view).click()
    page.wait_for_selector(IDLE)


def _choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=label).click()
    page.get_by_role("option", name=option, exact=True).click()
    page.wait_for_selector(IDLE)


@pytest.fixture(scope="module")
def table(home: Path) -> LabelledTable:
    return read_labelled_table(home / "suites" / "drawn" / "runs" / RUN / "predictions_validation.csv")


def _cell(page: Page, truth: int, answered_as: int) -> tuple[float, float]:
    """Return where a cell of the matrix stands on the screen, once the matrix is no longer being drawn anew."""
    before = None
    deadline = time.monotonic() + ANSWER_TIMEOUT_MS / 1000
    while (box := page.locator(".js-plotly-plot .nsewdrag").first.bounding_box()) is None or box != before:
        assert time.monotonic() < deadline, "the matrix does not come to rest"
        before = box
        page.wait_for_timeout(100)
    return (
        box["x"] + (answered_as + 0.5) / CLASS_COUNT * box["width"],
        box["y"] + (truth + 0.5) / CLASS_COUNT * box["height"],
    )


def _listed_files(page: Page) -> list[str]:
    """Return the files of the list that the page hands out."""
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").first.click()
    text = Path(download.value.path()).read_text(encoding="utf-8")
    return [row["file"] for row in csv.DictReader(io.StringIO(text, newline=""))]


def _counted(page: Page, count: int) -> Locator:
    words = "1 image" if count == 1 else f"{count} images"
    return page.get_by_text(f"{words}, the least expected first", exact=True)


def test_a_click_on_a_cell_shows_exactly_its_images(results: Page, table: LabelledTable) -> None:
    _see(results, "Mistakes")
    _choose(results, "Answers of", f"{RUN} · validation images")
    predicted = table.probabilities.argmax(axis=1)
    wrong = next((int(a), int(b)) for a, b in zip(table.labels, predicted, strict=True) if a != b)
    # One click after the other without a pause: Plotly must not take two for a double click.
    for truth, answered_as in (wrong, (3, 3), (7, 7)):
        chosen = (table.labels == truth) & (predicted == answered_as)
        results.mouse.click(*_cell(results, truth, answered_as))
        expect(_counted(results, int(chosen.sum()))).to_be_visible()
        results.wait_for_selector(IDLE)
        expected = sorted(file for file, is_chosen in zip(table.files, chosen, strict=True) if is_chosen)
        assert sorted(_listed_files(results)) == expected


def test_without_a_click_all_mistakes_are_listed(results: Page, table: LabelledTable) -> None:
    _see(results, "Mistakes")
    _choose(results, "Answers of", f"{RUN} · validation images")
    wrong = table.probabilities.argmax(axis=1) != table.labels
    expect(_counted(results, int(wrong.sum()))).to_be_visible()
    assert len(_listed_files(results)) == int(wrong.sum())


def test_a_narrow_screen_does_not_scroll_sideways(chromium: Browser, results_server: str) -> None:
    with _opened(chromium, results_server, width=390) as page:
        for view in ("Curves", "Mistakes", "Classes", "Subtypes", "Compare two"):
            _see(page, view)
            assert page.get_by_test_id("stMain").evaluate("main => main.scrollWidth <= main.clientWidth"), view
            assert page.get_by_test_id("stException").count() == 0


def test_a_figure_is_saved_in_the_chosen_format(results: Page) -> None:
    results.get_by_test_id(VIEWS).nth(1).get_by_text("SVG").click()
    results.wait_for_selector(IDLE)
    plot = results.locator(".js-plotly-plot").first
    # The page may still be idle from before the click: until the figures are drawn anew they are saved as before.
    for _ in range(20):
        plot.hover()
        with results.expect_download() as download:
            plot.locator('[data-title^="Download plot"], [aria-label^="Download plot"]').first.click()
        if download.value.suggested_filename == "validation_curves.svg":
            break
        results.wait_for_timeout(250)
    assert download.value.suggested_filename == "validation_curves.svg"
    assert "<svg" in Path(download.value.path()).read_text(encoding="utf-8")[:200]


def test_the_report_opens_without_a_network(chromium: Browser, home: Path, tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    target.write_bytes(suite_report(group_arms(list_records(home / "suites" / "drawn")), title="Suite drawn"))
    context = chromium.new_context(offline=True)
    page = patient_page(context)
    addresses: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(target.as_uri())
    # Six figures of curves and matrix, four of the main model.
    expect(page.locator(".js-plotly-plot .main-svg >> nth=0")).to_be_visible()
    page.wait_for_function("() => document.querySelectorAll('.js-plotly-plot').length === 10")
    expect(page.get_by_role("heading", name="Table 6. Dropout")).to_be_visible()
    assert addresses == [target.as_uri()]
    assert errors == []
    assert page.get_by_role("img", name="Precision, recall and F1 per class").count() == 1
    assert all(cell_class.display_name in page.content() for cell_class in CELL_CLASSES)
    context.close()
