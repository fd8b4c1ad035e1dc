"""`check`: audit the images of a dataset."""

import argparse
from pathlib import Path

from bloodcell.commands.arguments import Commands, not_negative, show_progress
from bloodcell.paths import readable_path


def add_to(commands: Commands) -> None:
    """Name the command's arguments."""
    check = commands.add_parser("check", help="check the images of a dataset: unreadable, copies, leaks, conditions")
    check.set_defaults(run=run)
    check.add_argument("data", type=Path, metavar="DATA_DIR", help="folder of class folders")
    check.add_argument("--json", type=Path, metavar="FILE", help="also write the report as JSON")
    check.add_argument(
        "--split-seed", type=not_negative, default=0, metavar="N", help="of the split whose sides are compared"
    )


def run(options: argparse.Namespace) -> int:
    """Do it; return the exit status."""
    import json

    from tqdm import tqdm

    from bloodcell.audit.audit import audit_dataset
    from bloodcell.audit.audit_report import NOT_FOUND, audit_sentences, audit_to_dict
    from bloodcell.datasets.folder_scan import other_files_words, scan_dataset
    from bloodcell.paths import write_atomically

    scan = scan_dataset(options.data)
    with tqdm(unit="image", disable=None) as bar:

        def progress(what: str, done: int, total: int) -> None:
            bar.set_description_str(what, refresh=False)
            show_progress(bar, done, total)

        audit = audit_dataset(scan.files, split_seed=options.split_seed, progress=progress)
    print(*audit_sentences(audit), NOT_FOUND, sep="\n")
    if scan.other_folders:
        print(f"Folders that mean none of the eight classes, not read: {readable_path(', '.join(scan.other_folders))}.")
    if scan.other_files:
        print(readable_path(other_files_words(scan.other_files)))
    if options.json:
        others = {"other_folders": list(scan.other_folders), "other_files": list(scan.other_files)}
        values = {**audit_to_dict(audit), **others}
        write_atomically(options.json, (json.dumps(values, indent=1) + "\n").encode())
    # That images are locked is no fault of them.
    faulty = {file.relative_path for file in scan.files} - {file.relative_path for file in audit.integrity.usable}
    return 1 if faulty - {*audit.integrity.locked} or audit.label_conflicts else 0
