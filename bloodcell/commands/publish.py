"""`publish`: give a run's best weights a name."""

import argparse
from pathlib import Path

from bloodcell.commands.arguments import Commands, image_bar


def add_to(commands: Commands) -> None:
    """Name the command's arguments."""
    publish = commands.add_parser(
        "publish",
        help="give a run's best weights a name",
        description="Give a run's best weights a name. Of several runs that differ in their seed alone, the one with "
        "the median validation accuracy is published; temperature and threshold are fitted on all of them.",
    )
    publish.set_defaults(run=run)
    publish.add_argument("run_dirs", type=Path, nargs="+", metavar="RUN_DIR", help="a run, or one per seed of a recipe")
    publish.add_argument("name", metavar="NAME", help="small letters, digits, underscores")
    publish.add_argument("--to", type=Path, metavar="DIR", help="default: the user's published weights")
    publish.add_argument("--data", type=Path, metavar="DIR", help="the run's dataset, if it has moved")
    publish.add_argument("--more-data", type=Path, metavar="DIR", help="the run's second folder, if it has moved")
    publish.add_argument("--test-data", type=Path, metavar="DIR", help="labelled images that chose nothing; measured")
    publish.add_argument("--source", default="", metavar="TEXT", help="where the training images come from")
    publish.add_argument("--licence", default="not stated", metavar="TEXT", help="licence of the weights")
    publish.add_argument("--replace", action="store_true", help="overwrite weights of that name")


def run(options: argparse.Namespace) -> int:
    """Do it; return the exit status."""
    from bloodcell.devices.allocator import keep_freed_memory
    from bloodcell.publishing.publish import publish
    from bloodcell.runs.run_folder import RunFolder

    keep_freed_memory("cpu")
    folder, *other_seeds = map(RunFolder, options.run_dirs)
    with image_bar() as progress:
        card = publish(
            folder,
            options.name,
            other_seeds=other_seeds,
            to=options.to,
            data_folder=options.data,
            more_folder=options.more_data,
            test_folder=options.test_data,
            source=options.source,
            licence=options.licence,
            replace_published=options.replace,
            progress=progress,
        )
    for part in ("validation", "test"):
        if part in card.metrics:
            figures = card.metrics[part]
            low, high = figures["accuracy_interval"]
            print(f"{part}: {figures['accuracy']:.2%} of {figures['n']} (95 % interval {low:.2%} to {high:.2%})")
    if "seeds" in card.metrics:
        accuracy = card.metrics["seeds"]["validation"]
        print(
            f"Median of {1 + len(other_seeds)} seeds: {card.recipe['seed']}; mean {accuracy['mean']:.2%} of validation."
        )
    print(f"Published as '{card.name}', tensors {card.metrics['stored_as']}.")
    return 0
