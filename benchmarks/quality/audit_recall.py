"""Which injected copies the audit finds among real images, what else it takes for copies, and how long it takes.

    python -m benchmarks.quality.audit_recall DATA [--copies 300] [--seed 0] [--results RESULTS.md]

Of random images, one copy of each kind is made; those of one kind are compared with all originals through the functions
that `check` calls. Exact copies and copies under another label are planted once.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.results_file import RESULTS, machine_line, table, write_section
from bloodcell.audit.audit import DatasetAudit, audit_dataset
from bloodcell.audit.near_duplicates import LEAST_SIMILARITY, find_similar_images, sketch
from bloodcell.cell_classes import CLASS_COUNT
from bloodcell.datasets.folder_scan import LabelledFile, scan_dataset
from bloodcell.images.open_image import read_image_file
from tests.builders.image_copies import COPIES


def sketches_of(files: Sequence[LabelledFile]) -> NDArray[np.uint8]:
    """Return the sketches of files, (N, S, S)."""
    with ThreadPoolExecutor(2) as pool:
        return np.stack(list(pool.map(lambda file: sketch(read_image_file(file.path)), files)))


def copy_sketches(files: Sequence[LabelledFile], name: str, seed: int) -> NDArray[np.uint8]:
    """Return the sketches of one copy of each file."""
    generator = np.random.default_rng(seed)
    copies = (COPIES[name](Image.fromarray(read_image_file(file.path)), generator) for file in files)
    return np.stack([sketch(np.asarray(copy)) for copy in copies])


def recall_row(
    name: str, originals: NDArray[np.uint8], chosen: NDArray[np.intp], copies: NDArray[np.uint8]
) -> list[str]:
    """Return a row of the table: kind, found of all, wrong pairs, least similarity of a copy that was found."""
    found = {
        (pair.first, pair.second): pair.similarity
        for pair in find_similar_images(np.concatenate([originals, copies])).pairs
    }
    wanted = {(int(original), len(originals) + number) for number, original in enumerate(chosen)}
    right = [similarity for pair, similarity in found.items() if pair in wanted]
    share = 100 * len(right) / len(wanted)
    return [
        name,
        f"{len(right)} of {len(wanted)} ({share:.1f} %)",
        f"{len(found.keys() - wanted)}",
        f"{min(right, default=0):.4f}",
    ]


def planted(files: Sequence[LabelledFile], chosen: Sequence[int], folder: Path) -> tuple[int, int]:
    """Plant each chosen file once more, every second one under another label; return copies and conflicts found."""
    extra = []
    for number, index in enumerate(chosen):
        file = files[index]
        target = folder / f"{number}{file.path.suffix}"
        target.write_bytes(file.path.read_bytes())
        label = (file.label + number % 2) % CLASS_COUNT
        extra.append(replace(file, path=target, relative_path=f"planted/{target.name}", label=label))
    integrity = audit_dataset([*files, *extra]).integrity
    names = {file.relative_path for file in extra}
    return (
        sum(bool(names.intersection(group)) for group in integrity.duplicate_groups),
        sum(bool(names.intersection(group)) for group in integrity.conflicting_groups),
    )


def timed_audit(files: Sequence[LabelledFile]) -> tuple[DatasetAudit, float, float]:
    """Audit; return the audit, its seconds and the processor's seconds over all cores."""
    wall, processor = time.perf_counter(), time.process_time()
    audit = audit_dataset(files)
    return audit, time.perf_counter() - wall, time.process_time() - processor


def main() -> None:
    """Measure and write the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of class folders")
    parser.add_argument("--copies", type=int, default=300, help="copies of each kind, default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE", help="default: %(default)s")
    options = parser.parse_args()
    files = scan_dataset(options.data).files
    chosen = np.random.default_rng(options.seed).choice(len(files), min(options.copies, len(files)), replace=False)
    audit, seconds, processor_seconds = timed_audit(files)
    originals = sketches_of(files)
    rows = [["Copies", "Found", "Wrong pairs", "Least similarity found"]]
    for name in COPIES:
        copies = copy_sketches([files[index] for index in chosen], name, options.seed)
        rows.append(recall_row(name, originals, chosen, copies))
    with tempfile.TemporaryDirectory() as temporary:
        exact, conflicts = planted(files, chosen.tolist(), Path(temporary))
    body = (
        f"## Audit: copies found\n\n{machine_line()}\n\n{len(files):,} images of `{options.data.name}`, "
        f"{len(chosen)} copies of each kind; a pair counts from a similarity of {LEAST_SIMILARITY}.\n\n"
        f"{table(rows)}\n\n"
        f"- Pairs among the {len(files):,} originals alone: {len(audit.near_duplicates)}.\n"
        f"- Planted equal files found: {exact} of {len(chosen)}; under two labels: {conflicts} of {len(chosen) // 2}.\n"
        f"- The whole audit took {seconds:.1f} s (one run; {processor_seconds:.1f} s of processor time over "
        f"{os.cpu_count()} cores); wanted under 60 s on two cores."
    )
    name = options.data.name
    write_section(f"audit_recall_{name}", body, path=options.results)


if __name__ == "__main__":
    main()
