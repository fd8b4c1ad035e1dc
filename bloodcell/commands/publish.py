"""`publish`: give a run's best weights a name."""

import argparse
from pathlib import Path

from bloodcell.commands.arguments import Commands


def add_to(commands: Commands) -> None:
    """Name the command's arguments."""
    publish = commands.add_parser("publish", help="give a run's best weights a name")
    publish.set_defaults(run=run)
    publish.add_argument("run_dir", type=Path, metavar="RUN_DIR")
    publish.add_argument("name", metavar="NAME", help="small letters, digits, underscores")
    publish.add_argument("--to", type=Path, metavar="DIR", help="default: the user's published weights")
    publish.add_argument("--data", type=Path, metavar="DIR", help="the run's dataset, if it has moved")
    publish.add_argument("--test-data", type=Path, metavar="DIR", help="labelled images that chose nothing; measured")
    publish.add_argument("--source", default="", metavar="TEXT", help="where the training images come from")
    publish.add_argument("--licence", default="not stated", metavar="TEXT", help="licence of the weights")
    publish.add_argument("--replace", action="store_true", help="overwrite weights of that name")


def run(options: argparse.Namespace) -> int:
    """Do it; return the exit status."""
    from bloodcell.evaluation.publish import publish
    from bloodcell.training.run_folder import RunFolder

    card = publish(
        RunFolder(options.run_dir),
        options.name,
        to=options.to,
        data_folder=options.data,
        test_folder=options.test_data,
        source=options.source,
        licence=options.licence,
        replace_published=options.replace,
    )
    for part in ("validation", "test"):
        if part in card.metrics:
            figures = card.metrics[part]
            low, high = figures["accuracy_interval"]
            print(f"{part}: {figures['accuracy']:.2%} of {figures['n']} (95 % interval {low:.2%} to {high:.2%})")
    print(f"Published as '{card.name}', tensors {card.metrics['stored_as']}.")
    return 0
