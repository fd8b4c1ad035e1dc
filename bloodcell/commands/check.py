"""`check`: check the images of a dataset."""

import argparse
from pathlib import Path

from bloodcell.commands.arguments import Commands, show_progress
from bloodcell.paths import readable_path


def add_to(commands: Commands) -> None:
    """Name the command's arguments."""
    check = commands.add_parser("check", help="check the images of a dataset")
    check.set_defaults(run=run)
    check.add_argument("data", type=Path, metavar="DATA_DIR", help="folder of class folders")
    check.add_argument("--json", type=Path, metavar="FILE", help="also write the report as JSON")


def run(options: argparse.Namespace) -> int:
    """Do it; return the exit status."""
    import json

    from tqdm import tqdm

    from bloodcell.data.folder_scan import scan_dataset
    from bloodcell.data.integrity import check_images
    from bloodcell.paths import write_atomically

    scan = scan_dataset(options.data)
    with tqdm(unit="image", disable=None) as bar:
        report = check_images(scan.files, progress=lambda done, total: show_progress(bar, done, total))
    print(*report.sentences(), sep="\n")
    if scan.other_folders:
        print(f"Folders that mean none of the eight classes, not read: {readable_path(', '.join(scan.other_folders))}.")
    if options.json:
        values = {**report.to_dict(), "other_folders": list(scan.other_folders)}
        write_atomically(options.json, (json.dumps(values, indent=1) + "\n").encode())
    return 0 if len(report.usable) == report.images else 1
