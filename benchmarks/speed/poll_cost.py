"""What the Train page costs while a run trains: share of a core for one open page, and memory over many polls.

The real server and Chromium show a real training, which is another process and not counted. The share of a core is
measured at the page's own pace; then the page polls as fast as `--fast` says until the number of polls is reached.

    python -m benchmarks.speed.poll_cost [--polls 1000] [--seconds 60] [--fast 0.1]
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import sync_playwright

from benchmarks.results_file import machine_line, table, write_section
from bloodcell.datasets.drawn_cells import write_synthetic_dataset
from bloodcell.experiments import experiment_config
from bloodcell.jobs import enqueue_run, read_job, stop_job

_ROOT = Path(__file__).resolve().parents[2]
_CHROMIUM = "/usr/bin/chromium"
_FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
# Counts polls in a file, and sets their pace where one is given.
_SERVE = """
import sys
from pathlib import Path
sys.path.insert(0, ".")
import webui.train.runs as train_runs
port, counter, pace = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
if pace:
    train_runs.POLL_SECONDS = pace
poll, polls = train_runs._poll, 0
def counted(folder, drawn):
    global polls
    polls += 1
    counter.write_text(str(polls))
    poll(folder, drawn)
train_runs._poll = counted
from streamlit.web import cli
sys.argv = ["streamlit", "run", "app.py", "--server.port", port, "--server.headless", "true"]
cli.main()
"""


class _Server:
    """The server under measurement."""

    def __init__(self, pid: int, url: str, counter: Path) -> None:
        self.pid, self.url, self.counter = pid, url, counter

    def polls(self) -> int:
        """Return how often the page was polled so far."""
        return int(self.counter.read_text() or 0) if self.counter.exists() else 0

    def seconds(self) -> float:
        """Return the processor time that was used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mib(self) -> float:
        """Return the resident memory."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


@contextmanager
def _serving(place: Path, *, pace: float) -> Iterator[_Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    counter = place / f"polls-{pace}"
    command = [sys.executable, "-c", _SERVE, str(port), str(counter), str(pace)]
    with (place / "server.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=_ROOT, stdout=log, stderr=log, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: _is_healthy(url))
        yield _Server(process.pid, url, counter)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


def measure_share(server: _Server, seconds: float) -> tuple[float, int]:
    """Return the share of a core over so many seconds of an open page, and the polls in them."""
    with _open_page(server):
        wait_for(lambda: server.polls() >= 5)
        before, polls, start = server.seconds(), server.polls(), time.monotonic()
        time.sleep(seconds)
        return (server.seconds() - before) / (time.monotonic() - start), server.polls() - polls


def measure_memory(server: _Server, polls: int) -> list[tuple[int, float]]:
    """Return polls and resident memory, MiB, ten times on the way to so many polls; the first tenth warms up."""
    found = []
    with _open_page(server):
        for part in range(1, 11):
            target = polls * part // 10
            wait_for(lambda target=target: server.polls() >= target, seconds=1800)
            found.append((server.polls(), server.memory_mib()))
    return found


@contextmanager
def _open_page(server: _Server) -> Iterator[None]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=_FLAGS)
        page = browser.new_page()
        # The very first visit of a fresh server may lead to the first page, whatever the address.
        page.goto(server.url)
        page.get_by_role("link", name="Train").first.click(timeout=180_000)
        page.get_by_test_id("stMain").get_by_role("button", name="Stop").wait_for(timeout=180_000)
        yield
        browser.close()


def _is_healthy(url: str) -> bool:
    try:
        return bool(urllib.request.urlopen(f"{url}/_stcore/health", timeout=2).read() == b"ok")
    except OSError:
        return False


def wait_for(condition: Callable[[], bool], *, seconds: float = 180) -> None:
    """Wait until a condition holds.

    Raises:
        RuntimeError: it does not within so many seconds.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError("it did not happen in time")
        time.sleep(0.1)


def main() -> None:
    """Measure both and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--polls", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--fast", type=float, default=0.1, metavar="SECONDS", help="between two polls, for the memory")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        os.environ |= {"BLOODCELL_HOME": str(place / "home"), "BLOODCELL_DATA": str(place / "cells")}
        (place / "cells").mkdir()
        write_synthetic_dataset(place / "cells", per_class=50, size_px=64, seed=0)
        config = experiment_config("paper_unet_encoder").changed(image_size_px=64, epochs=1000, device="cpu")
        run = enqueue_run(config, place / "cells", name="watched")
        try:
            wait_for(lambda: (run / "metrics.csv").exists(), seconds=600)
            with _serving(place, pace=0) as server:
                share, polls = measure_share(server, options.seconds)
            with _serving(place, pace=options.fast) as server:
                memory = measure_memory(server, options.polls)
        finally:
            stop_job(run)
            wait_for(lambda: not read_job(run).is_active)
    rows = [("polls", "memory, MiB"), *((f"{count:,}", f"{mebibytes:.0f}") for count, mebibytes in memory)]
    write_section(
        "poll_cost",
        f"## Showing a run on the Train page\n\n{machine_line()} · Chromium, one page, a training under way\n\n"
        f"At the page's own pace the server used **{share:.1%} of a core** ({polls} polls in "
        f"{options.seconds:.0f} s).\n"
        f"With {options.polls:,} polls, one every {options.fast} s, its memory went (wanted: no growth over 1,000):"
        f"\n\n{table(rows)}\n",
    )


if __name__ == "__main__":
    main()
