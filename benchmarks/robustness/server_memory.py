"""Peak memory of the server while several browsers hand in hostile images at once.

Run: python -m benchmarks.robustness.server_memory [--sessions 5] [--images 20]

Every browser drops as many images as large as the program reads, which pack into little: float, 16-bit, colour-mapped
and planar TIFF, PNG, progressive JPEG, WEBP, BMP. All are answered or refused in words before the peak is read.
"""

import argparse
import io
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from benchmarks.results_file import machine_line, table, write_section
from tests.browser.conftest import CHROMIUM, IDLE, UPLOADER, server_process

SIDE_PX = 5000
"""25 million pixels: the limit."""
LONGEST_WAIT_MS = 580_000


def _tiff(pixels: np.ndarray, **settings: object) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, pixels, compression="zlib", **settings)
    return stream.getvalue()


def _pillow(mode: str, kind: str, **settings: object) -> bytes:
    stream = io.BytesIO()
    Image.new(mode, (SIDE_PX, SIDE_PX)).save(stream, kind, **settings)
    return stream.getvalue()


KINDS: Mapping[str, Callable[[], bytes]] = {
    "float.tif": lambda: _tiff(np.zeros((SIDE_PX, SIDE_PX), np.float32)),
    "float_colour.tif": lambda: _tiff(np.zeros((SIDE_PX, SIDE_PX, 3), np.float32), photometric="rgb"),
    "double.tif": lambda: _tiff(np.zeros((SIDE_PX, SIDE_PX), np.float64)),
    "16_bit.tif": lambda: _tiff(np.zeros((SIDE_PX, SIDE_PX, 3), np.uint16), photometric="rgb"),
    "planes.tif": lambda: _tiff(np.zeros((3, SIDE_PX, SIDE_PX), np.uint16), photometric="rgb", planarconfig="separate"),
    "colour.png": lambda: _pillow("RGB", "PNG"),
    "alpha.png": lambda: _pillow("RGBA", "PNG"),
    "16_bit.png": lambda: _pillow("I;16", "PNG"),
    "progressive.jpg": lambda: _pillow("RGB", "JPEG", progressive=True),
    "cmyk.jpg": lambda: _pillow("CMYK", "JPEG"),
    "colour.webp": lambda: _pillow("RGB", "WEBP"),
}


def hand_in(page: Page, files: list[Path]) -> None:
    """Drop files, and do not wait."""
    page.get_by_test_id(UPLOADER).set_input_files([str(path) for path in files])


def counted(page: Page, label: str) -> int:
    """Return a figure of the summary."""
    text = page.get_by_test_id("stMetric").filter(has_text=label).first.inner_text()
    return int(re.sub(r"\D", "", text.removeprefix(label)))


def peak_megabytes(pid: int) -> float:
    """Return the most memory that a process ever held."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1000  # type: ignore[index]


def main() -> None:
    """Measure, print, write the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=5)
    parser.add_argument("--images", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        files = []
        for number in range(options.images):
            name = list(KINDS)[number % len(KINDS)]
            files.append(Path(place) / f"{number:02d}_{name}")
            files[-1].write_bytes(KINDS[name]())
        sent = sum(path.stat().st_size for path in files) / 1e6
        flags = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        with server_process(Path(place) / "log") as (url, server), sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=flags)
            pages = [browser.new_context().new_page() for _ in range(options.sessions)]
            for page in pages:
                page.set_default_timeout(LONGEST_WAIT_MS)
                page.goto(url)
                page.wait_for_selector(IDLE)
            before = peak_megabytes(server.pid)
            for page in pages:
                hand_in(page, files)
            answered = unreadable = 0
            for page in pages:
                page.get_by_test_id("stMetric").first.wait_for()
                page.wait_for_selector(IDLE)
                answered += counted(page, "Cells read")
                unreadable += counted(page, "Unreadable")
            peak = peak_megabytes(server.pid)
            browser.close()
        assert answered + unreadable == options.sessions * options.images
    row = (
        f"{options.sessions} × {options.images}",
        f"{sent:.1f}",
        f"{answered:,}",
        f"{unreadable:,}",
        f"{before:,.0f}",
        f"{peak:,.0f}",
    )
    headings = ("sessions × images", "MB sent by each", "read", "refused in words", "MB before", "MB at most")
    print(" | ".join(row))
    body = (
        f"## Memory of the server under hostile images\n\n{machine_line()}\n\nImages of {SIDE_PX}×{SIDE_PX} px, all "
        f"handed in at once. Peak resident memory of the server's process.\n\n{table([headings, row])}\n"
    )
    write_section("server-memory", body)


if __name__ == "__main__":
    main()
