"""Seconds from starting the app until a person sees and can use the first page, and until it shows a run under way.

    python -m benchmarks.speed.app_start [--repeats 5] [--results RESULTS.md]

Every round starts a server of its own and a fresh window in Chromium, with a warm disk. The run trains while the
servers come and go, so it takes its share of the processor; the first page is measured before it starts.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from benchmarks.results_file import RESULTS, machine_line, seconds_of, table, write_section
from benchmarks.speed.poll_cost import wait_for
from bloodcell.datasets.drawn_cells import write_synthetic_dataset
from bloodcell.experiments import experiment_config
from bloodcell.jobs import enqueue_run, read_job, stop_job
from tests.browser.conftest import CHROMIUM, UPLOADER, server_process

_FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
_PATIENCE_MS = 120_000


def first_page(page: Page) -> None:
    """Wait until Classify takes files."""
    expect(page.get_by_test_id(UPLOADER).first).to_be_attached(timeout=_PATIENCE_MS)


def run_under_way(page: Page) -> None:
    """Wait until the Train page shows the run that trains, with the button that stops it."""
    expect(page.get_by_test_id("stMain").get_by_role("button", name="Stop")).to_be_enabled(timeout=_PATIENCE_MS)


def start(
    browser: Browser, place: Path, address: str, wait: Callable[[Page], None], data: Path | None = None
) -> tuple[float, float, float]:
    """Start a server and open an address; return the seconds until it answers, the heading stands, and `wait` ends."""
    began = time.perf_counter()
    variables = {"BLOODCELL_HOME": str(place / "home")} | ({} if data is None else {"BLOODCELL_DATA": str(data)})
    with server_process(place / "log", **variables) as (url, _):
        answered = time.perf_counter()
        page = browser.new_page()
        page.goto(url + address)
        expect(page.get_by_role("heading", level=1)).to_be_visible(timeout=_PATIENCE_MS)
        headed = time.perf_counter()
        wait(page)
        shown = time.perf_counter()
        page.close()
    return answered - began, headed - began, shown - began


Times = list[tuple[float, float, float]]


def measure(place: Path, repeats: int) -> tuple[Times, Times]:
    """Return the times of the first page, and of the Train page with a run under way, per round."""
    cells = place / "cells"
    cells.mkdir()
    write_synthetic_dataset(cells, per_class=50, size_px=64, seed=0)
    os.environ["BLOODCELL_HOME"] = str(place / "home")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=_FLAGS)
        start(browser, place, "/", first_page)
        pages = [start(browser, place, "/", first_page) for _ in range(repeats)]
        config = experiment_config("paper_unet_encoder").changed(image_size_px=64, epochs=1000, device="cpu")
        run = enqueue_run(config, cells, name="watched")
        try:
            wait_for(lambda: (run / "metrics.csv").exists(), seconds=600)
            runs = [start(browser, place, "/train", run_under_way, cells) for _ in range(repeats)]
        finally:
            stop_job(run)
            wait_for(lambda: not read_job(run).is_active)
        browser.close()
    return pages, runs


def _row(name: str, times: Times) -> list[str]:
    answered, headed, shown = zip(*times, strict=True)
    behind = [whole - heading for _, heading, whole in times]
    middle = [f"{statistics.median(values):.2f}" for values in (answered, headed, shown, behind)]
    return [name, *middle, f"{max(behind):.2f}"]


def main() -> None:
    """Measure and write the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE", help="default: %(default)s")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        pages, runs = measure(Path(name), options.repeats)
    command = partial(
        subprocess.run, [sys.executable, "-m", "bloodcell", "--help"], stdout=subprocess.DEVNULL, check=True
    )
    helped = statistics.median(seconds_of(command) for _ in range(options.repeats))
    rows = [
        [
            *("seconds from the start, medians", "server answers", "heading visible", "complete"),
            *("from heading to complete", "slowest"),
        ]
    ]
    rows += [_row("first page", pages), _row("Train page, a run under way", runs)]
    lines = [
        "## Start of the app",
        "",
        machine_line(),
        "",
        f"A new server and a new window of Chromium on this machine each time, {options.repeats} rounds, warm disk.",
        "",
        table(rows),
        "",
        "- Wanted: first page visible within 3 s; a run under way shown within 3 s by a new server.",
        "- Complete: Classify takes files, with its model loaded; Train shows the run and the button that stops it.",
        f"- `python -m bloodcell --help` takes {helped:.2f} s; wanted under 0.3 s.",
    ]
    write_section("app_start", "\n".join(lines), path=options.results)


if __name__ == "__main__":
    main()
