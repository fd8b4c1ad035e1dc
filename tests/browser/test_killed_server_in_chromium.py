"""A web server, or the worker of the queue, that is killed while a training runs and its page is open."""

import os
import re
import signal
import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from bloodcell.jobs import enqueue_run, list_jobs, read_job
from bloodcell.jobs.queue import entry_of
from bloodcell.processes.device_lock import device_locked
from bloodcell.runs.run_folder import RunFolder
from tests.browser.conftest import IDLE, open_page, patient_page, server_process
from tests.conftest import job_processes, quick_config, worker_processes

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TRAINING_TIMEOUT_MS = 600_000
EPOCHS = 1000
"""No test waits for them."""


def epochs_of(run: RunFolder) -> int:
    return len(run.read_metrics())


def test_training_outlives_a_killed_server_and_the_next_one_shows_it(
    chromium: Browser, drawn_dataset: Path, tmp_path: Path
) -> None:
    home = Path(os.environ["BLOODCELL_HOME"])
    places = {"BLOODCELL_HOME": str(home), "BLOODCELL_DATA": str(drawn_dataset)}
    shown = re.compile(rf"^[1-9]\d* of {EPOCHS}$")
    with (
        server_process(tmp_path / "first.log", **places) as (url, server),
        open_page(chromium, url, width=1360, address="/train", landmark="stHeading") as page,
    ):
        for label, value in (("Epochs", EPOCHS), ("Image size, pixels", 32)):
            field = page.get_by_role("spinbutton", name=label)
            field.fill(str(value))
            field.press("Enter")
            page.wait_for_selector(IDLE)
        page.get_by_role("button", name="Start training").click()
        expect(page.get_by_text(shown).first).to_be_visible(timeout=TRAINING_TIMEOUT_MS)
        server.kill()
        server.wait(20)
    (job,) = list_jobs()
    run, entry, workers, processes = (
        RunFolder(job.folder),
        entry_of(job.folder),
        worker_processes(home),
        job_processes(),
    )
    assert job.state == "running"
    assert len(workers) == len(processes) == 1
    before = epochs_of(run)

    with server_process(tmp_path / "second.log", **places) as (url, _):
        page = patient_page(chromium)
        page.goto(f"{url}/train")
        expect(page.get_by_text(shown).first).to_be_visible(timeout=TRAINING_TIMEOUT_MS)
        expect(page.get_by_test_id("stMain").get_by_role("button", name="Stop")).to_be_enabled()
        page.wait_for_selector(IDLE)
        deadline = time.monotonic() + TRAINING_TIMEOUT_MS / 1000
        while epochs_of(run) <= before:
            assert time.monotonic() < deadline, "training did not go on"
            time.sleep(0.2)
        page.close()
    assert [other.folder for other in list_jobs()] == [job.folder]
    assert entry_of(job.folder) == entry
    assert (worker_processes(home), job_processes()) == (workers, processes)
    assert run.log.read_text().count("starts") == 1


def test_an_open_page_replaces_a_killed_worker(chromium: Browser, drawn_dataset: Path, tmp_path: Path) -> None:
    home = Path(os.environ["BLOODCELL_HOME"])
    places = {"BLOODCELL_HOME": str(home), "BLOODCELL_DATA": str(drawn_dataset)}
    # While the device is taken nothing changes on the page, so nothing but its polls can see to the worker.
    with device_locked("cpu", tmp_path):
        run = enqueue_run(quick_config(), drawn_dataset, name="waiting")
        with (
            server_process(tmp_path / "server.log", **places) as (url, _),
            open_page(chromium, url, width=1360, address="/train", landmark="stHeading") as page,
        ):
            expect(page.get_by_role("button", name="Take out of the queue").first).to_be_visible()
            (killed,) = worker_processes(home)
            os.kill(killed, signal.SIGKILL)
            deadline = time.monotonic() + 300
            while (workers := worker_processes(home)) in ([], [killed]):
                assert time.monotonic() < deadline, "no worker took the place of the killed one"
                page.wait_for_timeout(200)
            assert len(workers) == 1
            assert read_job(run).state == "queued"
