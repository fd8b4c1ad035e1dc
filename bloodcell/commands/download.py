"""`download`: fetch, verify and unpack a public dataset."""

import argparse
from pathlib import Path

from bloodcell.commands.arguments import Commands, show_progress
from bloodcell.paths import readable_path


def add_to(commands: Commands) -> None:
    """Name the command's arguments."""
    download = commands.add_parser("download", help="fetch, verify and unpack a public dataset; goes on after a break")
    download.set_defaults(run=run)
    download.add_argument("dataset", choices=("pbc", "bloodmnist"))
    download.add_argument(
        "--to", type=Path, required=True, metavar="DIR", help="folder that gets a dataset folder per part"
    )
    download.add_argument(
        "--size", type=int, choices=(28, 64, 128, 224), default=224, metavar="PX", help="of BloodMNIST's images"
    )


def run(options: argparse.Namespace) -> int:
    """Do it; return the exit status."""
    from tqdm import tqdm

    from bloodcell.datasets.folder_scan import scan_dataset
    from bloodcell.datasets.public_sets import PBC, bloodmnist, download_public_set

    public_set = PBC if options.dataset == "pbc" else bloodmnist(options.size)
    with tqdm(disable=None, unit_scale=True) as bar:

        def progress(what: str, done: int, total: int | None) -> None:
            bar.set_description_str(what, refresh=False)
            bar.unit = "image" if what == "unpacking" else "B"
            show_progress(bar, done, total or done)

        folders = download_public_set(public_set, options.to, progress=progress)
    for folder in folders:
        print(f"{readable_path(folder)}: {len(scan_dataset(folder).files):,} images")
    print(f"{public_set.licence}. Cite: {public_set.source}.")
    return 0
