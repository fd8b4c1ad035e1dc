"""Two trays one after another, in Chromium: whatever is shown of a cell belongs to that cell."""

import csv
import hashlib
import io
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, Position, expect

from bloodcell.answers.classifier import Answer, Classifier
from bloodcell.answers.image_sources import open_sources
from bloodcell.answers.overlay import overlay
from bloodcell.cell_classes import CELL_CLASSES, CLASS_KEYS
from bloodcell.datasets.drawn_cells import write_synthetic_dataset
from bloodcell.paths import DEFAULT_WEIGHTS
from bloodcell.wording import percent
from tests.browser.conftest import IDLE, UPLOADER
from tests.conftest import SHARED_DATA
from webui.classify.cell_detail import DEFAULT_STRENGTH_PERCENT
from webui.classify.cells import PICTURE_SIDE_PX
from webui.parts.thumbnails import jpeg_bytes

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CELLS_PER_TRAY = 40
_PER_CLASS = CELLS_PER_TRAY // len(CELL_CLASSES)
_FIRST_ROW: Position = {"x": 20, "y": 60}
"""In the table of cells, px."""


@pytest.fixture(scope="module")
def trays(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], list[Path]]:
    """Two times 40 files, five per class, no file twice: real cells where they are, drawn ones otherwise."""
    folder = SHARED_DATA / "pbc_test"
    if not folder.is_dir():
        folder = tmp_path_factory.mktemp("trays")
        write_synthetic_dataset(folder, per_class=2 * _PER_CLASS, size_px=128, seed=0)
    by_class = [sorted(path.iterdir())[: 2 * _PER_CLASS] for path in sorted(folder.iterdir()) if path.is_dir()]
    first = [path for paths in by_class for path in paths[:_PER_CLASS]]
    # The other way round, so that the same place in the list holds another class.
    second = [path for paths in reversed(by_class) for path in paths[_PER_CLASS:]]
    assert len(first) == len(second) == CELLS_PER_TRAY
    return first, second


@dataclass(frozen=True, kw_only=True, eq=False)
class ShownCell:
    """What Chromium shows of the chosen cell."""

    file: str
    title: str
    picture: bytes
    heat_map: bytes
    heat_map_words: str
    probabilities_words: str


def _shown_cells(page: Page) -> list[ShownCell]:
    """Step through all cells of the tray."""
    shown = []
    for number in range(1, CELLS_PER_TRAY + 1):
        expect(page.get_by_text(f"Cell {number} of {CELLS_PER_TRAY}.")).to_be_visible()
        page.wait_for_selector(IDLE)
        shown.append(_shown_cell(page))
        if number < CELLS_PER_TRAY:
            page.get_by_role("button", name="Next").click()
    return shown


def _shown_cell(page: Page) -> ShownCell:
    images = page.get_by_test_id("stImage").locator("img")
    expect(images).to_have_count(2)
    picture, heat_map = (
        page.request.get(address).body() for address in images.evaluate_all("all => all.map(image => image.src)")
    )
    file = page.get_by_test_id("stCaptionContainer").filter(has_text="answered by").locator("code").first.inner_text()
    words = page.get_by_test_id("stImageCaption").nth(1).inner_text()
    chart = page.locator('[aria-label^="Probabilities: "], [alt^="Probabilities: "]').first
    probabilities_words = chart.get_attribute("aria-label") or chart.get_attribute("alt") or ""
    title = page.get_by_role("heading", level=3).inner_text()
    return ShownCell(
        file=file,
        title=title,
        picture=picture,
        heat_map=heat_map,
        heat_map_words=words,
        probabilities_words=probabilities_words,
    )


def _csv_rows(page: Page) -> list[dict[str, str]]:
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    text = Path(download.value.path()).read_text(encoding="utf-8")
    return list(csv.DictReader(io.StringIO(text)))


def _upload_tray(page: Page, tray: list[Path]) -> None:
    page.get_by_test_id(UPLOADER).set_input_files(tray)
    expect(page.get_by_text(f"Cell 1 of {CELLS_PER_TRAY}.")).to_be_visible()
    page.wait_for_selector(IDLE)


@pytest.fixture(scope="module")
def expected(trays: tuple[list[Path], list[Path]]) -> dict[str, tuple[Answer, np.ndarray]]:
    """File name → its answer, and its heat map as it is shown: what the core says without any page."""
    classifier = Classifier.load(DEFAULT_WEIGHTS)
    found: dict[str, tuple[Answer, np.ndarray]] = {}
    for tray in trays:
        with open_sources(tray) as sources:
            answers = list(classifier.answers(sources.sources, heat_maps=True))
        for answer in answers:
            assert answer.image is not None
            assert answer.heat_maps is not None
            assert answer.row.probabilities is not None
            shown = np.asarray(Image.open(io.BytesIO(jpeg_bytes(answer.image, PICTURE_SIDE_PX))))
            map_of_top = answer.heat_maps[int(np.argmax(answer.row.probabilities))]
            strength = DEFAULT_STRENGTH_PERCENT / 100
            heat_map = overlay(shown, map_of_top, field_of_view=classifier.card.field_of_view, strength=strength)
            found[Path(answer.row.file).name] = (answer, heat_map)
    return found


def _explain_another_class(page: Page) -> None:
    words = page.get_by_test_id("stImageCaption").nth(1)
    before = words.inner_text()
    page.get_by_role("combobox", name="Explain the class").click()
    page.get_by_role("option").nth(3).click()
    expect(words).not_to_have_text(before)


def _remove_all(page: Page) -> None:
    page.get_by_role("button", name="Remove all").click()
    expect(page.get_by_role("button", name="Download CSV")).to_have_count(0)
    page.wait_for_selector(IDLE)


def test_the_next_cell_is_not_explained_as_the_one_before(
    page: Page, trays: tuple[list[Path], list[Path]], expected: dict[str, tuple[Answer, np.ndarray]]
) -> None:
    for path in (trays[0][0], trays[1][0], trays[0][1 + _PER_CLASS]):
        page.get_by_test_id(UPLOADER).set_input_files(path)
        expect(page.get_by_text(path.name)).to_be_visible()
        page.wait_for_selector(IDLE)
        cell = _shown_cell(page)
        _check_words(cell, _csv_rows(page)[0])
        _check_pictures(cell, expected)
        if path != trays[0][0]:
            _explain_another_class(page)
        _remove_all(page)


def test_everything_shown_of_two_trays_belongs_to_its_cell(
    page: Page, trays: tuple[list[Path], list[Path]], expected: dict[str, tuple[Answer, np.ndarray]]
) -> None:
    for tray in trays:
        _upload_tray(page, tray)
        rows = {row["file"]: row for row in _csv_rows(page)}
        assert list(rows) == [path.name for path in tray]
        shown = _shown_cells(page)
        assert {cell.file for cell in shown} == set(rows)
        for cell in shown:
            _check_words(cell, rows[cell.file])
            _check_pictures(cell, expected)
        # The next tray opens at the place at which this one is left.
        page.get_by_test_id("stDataFrame").click(position=_FIRST_ROW)
        expect(page.get_by_text(f"Cell 1 of {CELLS_PER_TRAY}.")).to_be_visible()
        page.wait_for_selector(IDLE)
        _explain_another_class(page)
        _remove_all(page)


def _check_words(cell: ShownCell, row: dict[str, str]) -> None:
    probabilities = [float(row[f"p_{key}"]) for key in CLASS_KEYS]
    explained = CELL_CLASSES[int(np.argmax(probabilities))].display_name
    answer = explained if row["predicted"] else "No answer"
    confidence = f" · {percent(float(row['confidence']))}" if row["confidence"] else ""
    assert cell.title == f"{answer}{confidence}", cell.file
    assert cell.heat_map_words.endswith(f"speaks for {explained.lower()}"), cell.file
    assert re.match(rf"Probabilities: {explained} {re.escape(percent(max(probabilities)))},", cell.probabilities_words)


def _check_pictures(cell: ShownCell, expected: dict[str, tuple[Answer, np.ndarray]]) -> None:
    answer, _ = expected[cell.file]
    assert answer.image is not None
    own = jpeg_bytes(answer.image, PICTURE_SIDE_PX)
    assert hashlib.sha256(cell.picture).hexdigest() == hashlib.sha256(own).hexdigest(), cell.file
    # Sent as JPEG, and computed here in another process whose precision may be another: near, not equal.
    heat_map = np.asarray(Image.open(io.BytesIO(cell.heat_map)).convert("RGB")).astype(float)
    distances = {
        file: float(np.abs(heat_map - other).mean())
        for file, (_, other) in expected.items()
        if other.shape == heat_map.shape
    }
    assert min(distances, key=lambda file: distances[file]) == cell.file
