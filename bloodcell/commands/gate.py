"""`gate`: fit what weights call unlike the images that they were trained on."""

import argparse
from pathlib import Path

from bloodcell.commands.arguments import Commands, image_bar


def add_to(commands: Commands) -> None:
    """Name the command's arguments."""
    gate = commands.add_parser("gate", help="fit again what published weights call unlike home; `publish` does it too")
    gate.set_defaults(run=run)
    gate.add_argument("name", metavar="NAME", help="of the weights")
    gate.add_argument("--data", type=Path, required=True, metavar="DIR", help="the dataset of their training")
    gate.add_argument("--more-data", type=Path, metavar="DIR", help="its second folder, where there was one")
    gate.add_argument("--to", type=Path, metavar="DIR", help="their folder; default: the user's published weights")
    gate.add_argument("--test-data", type=Path, metavar="DIR", help="labelled images that chose nothing; measured")


def run(options: argparse.Namespace) -> int:
    """Do it; return the exit status."""
    from bloodcell.datasets.folder_scan import DataFolders
    from bloodcell.publishing.publish import publish_gate

    with image_bar() as progress:
        card = publish_gate(
            options.name,
            to=options.to,
            folders=DataFolders(dataset=options.data, more_training=options.more_data),
            test_folder=options.test_data,
            progress=progress,
        )
    if not card.gate:
        print(f"'{card.name}' was trained on too few images for a gate; it calls nothing unlike.")
        return 0
    print(
        f"The gate of '{card.name}' knows {card.gate['fitted_on']} training images and calls "
        f"{card.gate['held_out_refused']} of {card.gate['held_out']} that it was not fitted to unlike them."
    )
    return 0
