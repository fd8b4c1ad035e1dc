"""Fixtures of the browser tests: the real server and Chromium."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.conftest import REPOSITORY

CHROMIUM = Path("/usr/bin/chromium")
IDLE = '[data-testid="stApp"][data-test-script-state="notRunning"]'
UPLOADER = "stFileUploaderDropzoneInput"
ANSWER_TIMEOUT_MS = 300_000


@contextlib.contextmanager
def running_server(log: Path, **variables: str) -> Iterator[str]:
    """Serve the app; yield its address. For the rest see `server_process`."""
    with server_process(log, **variables) as (url, _):
        yield url


@contextlib.contextmanager
def server_process(log: Path, **variables: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Serve the app; yield its address and its process, which a test may kill.

    The home is `home` beside the log, and the environment's BLOODCELL_DATA is left out, unless `variables` name them.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        "app.py",
        "--server.port",
        str(port),
        "--server.headless",
        "true",
    ]
    environment = {name: value for name, value in os.environ.items() if name != "BLOODCELL_DATA"}
    environment |= {"BLOODCELL_HOME": str(log.parent / "home"), **variables}
    with log.open("wb") as stream:
        server = subprocess.Popen(
            command, cwd=REPOSITORY, env=environment, stdout=stream, stderr=stream, start_new_session=True
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for_health(url, server, log)
        yield url, server
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGTERM)
        server.wait(20)


def _wait_for_health(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        assert server.poll() is None, f"the app did not start:\n{log.read_text()}"
        with contextlib.suppress(OSError):
            if urllib.request.urlopen(f"{url}/_stcore/health", timeout=2).read() == b"ok":
                return
        time.sleep(0.2)
    pytest.fail(f"no answer from the app:\n{log.read_text()}")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the real app."""
    with running_server(tmp_path_factory.mktemp("server") / "log") as url:
        yield url


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Chromium; skipped where it is absent, failed where it is required."""
    if not CHROMIUM.exists():
        if os.environ.get("BLOODCELL_REQUIRE_BROWSER_TESTS") == "1":
            pytest.fail(f"Browser tests are required and {CHROMIUM} is not there.")
        pytest.skip("Chromium is not installed: apt-get install chromium")
    flags = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=flags)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser, server: str) -> Iterator[Page]:
    """The open app on a wide screen; at the end, no request may have left for another host."""
    with open_page(chromium, server, width=1360) as page:
        yield page


def patient_page(browser: Browser | BrowserContext) -> Page:
    """Open an empty page that waits as long as a busy machine needs."""
    page = browser.new_page()
    page.set_default_timeout(ANSWER_TIMEOUT_MS)
    expect.set_options(timeout=ANSWER_TIMEOUT_MS)
    return page


@contextlib.contextmanager
def open_page(
    chromium: Browser, url: str, *, width: int, address: str = "/", landmark: str = UPLOADER
) -> Iterator[Page]:
    """Open the app; when the context ends, no request may have left for another host and no dialog have opened.

    Args:
        landmark: test id of an element that the opened page always has; the default is Classify's.
    """
    context = chromium.new_context(viewport={"width": width, "height": 1200}, reduced_motion="reduce", locale="en-US")
    page = patient_page(context)
    addresses: list[str] = []
    dialogs: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    page.on("websocket", lambda socket: addresses.append(socket.url))
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.goto(url + address)
    page.wait_for_selector(IDLE)
    expect(page.get_by_test_id(landmark).first).to_be_attached()
    yield page
    own = re.compile(rf"({re.escape(url)}|{re.escape(url.replace('http', 'ws', 1))})/|data:|blob:")
    assert addresses
    assert [address for address in addresses if not own.match(address)] == []
    assert dialogs == []
    context.close()
