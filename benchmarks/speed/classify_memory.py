"""Peak memory of `classify` for few and for many images.

    python -m benchmarks.speed.classify_memory DATA [--few 100] [--many 20000] [--repeats 5] [--results RESULTS.md]

The many images are links to the same files, in a folder made for the run. The small run is repeated, the large one is
made once: it takes many minutes.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

from benchmarks.results_file import RESULTS, machine_line, table, write_section
from bloodcell.datasets.folder_scan import image_files_below


def make_links(folder: Path, files: list[Path], count: int) -> None:
    """Fill a new folder with `count` links to the files, taken again and again."""
    folder.mkdir()
    for number, file in enumerate(islice(cycle(files), count)):
        (folder / f"{number:06d}{file.suffix}").symlink_to(file.resolve())


def peak_and_seconds(folder: Path, csv: Path) -> tuple[float, float]:
    """Run `classify` over a folder; return the peak of its resident memory, MiB, and its seconds.

    Raises:
        RuntimeError: the command failed.
    """
    command = [sys.executable, "-m", "bloodcell", "classify", str(folder), "--csv", str(csv), "--device", "cpu"]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    errors = process.stderr.read()
    # Of this child alone. A fork begins with its parent's memory, which Linux counts: torch is imported afterwards.
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    if process.returncode:
        raise RuntimeError(f"classify ended with {process.returncode}: {errors.decode(errors='replace')[-500:]}")
    return usage.ru_maxrss / 1024, time.perf_counter() - start


def main() -> None:
    """Run both and write peaks and ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of images, at any depth")
    parser.add_argument("--few", type=int, default=100, help="default: %(default)s")
    parser.add_argument("--many", type=int, default=20_000, help="default: %(default)s")
    parser.add_argument("--repeats", type=int, default=5, help="runs over the few images, default: %(default)s")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE", help="default: %(default)s")
    options = parser.parse_args()
    files = image_files_below(options.data)
    if not files:
        parser.error(f"there is no image below {options.data}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make_links(folder / "few", files, options.few)
        make_links(folder / "many", files, options.many)
        few = [peak_and_seconds(folder / "few", folder / "few.csv") for _ in range(options.repeats)]
        many = peak_and_seconds(folder / "many", folder / "many.csv")
    peaks, seconds = [statistics.median(column) for column in zip(*few, strict=True)]
    lowest, highest = min(peak for peak, _ in few), max(peak for peak, _ in few)
    rows = [
        ["Images", "Runs", "Peak memory, MiB", "Seconds"],
        [f"{options.few:,}", str(options.repeats), f"{peaks:.0f} ({lowest:.0f}–{highest:.0f})", f"{seconds:.1f}"],
        [f"{options.many:,}", "1", f"{many[0]:.0f}", f"{many[1]:.1f}"],
    ]
    body = (
        f"## Memory of classify\n\n{machine_line()}\n\nPeak resident memory of `python -m bloodcell classify`, median "
        f"with lowest and highest; {min(len(files), options.many):,} different files, linked again and again.\n\n"
        f"{table(rows)}\n\n- The many images take {many[0] / peaks:.3f} × the memory of the few; wanted within 1.10."
    )
    write_section("classify_memory", body, path=options.results)


if __name__ == "__main__":
    main()
