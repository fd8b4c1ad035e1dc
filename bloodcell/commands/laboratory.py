"""`laboratory`: name labelled folders of other laboratories, and ask whose laboratory images come from."""

import argparse
import sys
from pathlib import Path

from bloodcell.answers.engine_choice import chosen_engine
from bloodcell.commands.arguments import Commands, add_device
from bloodcell.errors import DatasetError
from bloodcell.paths import DEFAULT_WEIGHTS, readable_path


def add_to(commands: Commands) -> None:
    """Name the command's arguments."""
    parser = commands.add_parser("laboratory", help="name labelled folders; say whose laboratory images come from")
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")
    listed = actions.add_parser("list", help="laboratories that were added")
    listed.set_defaults(run=_list)
    add = actions.add_parser("add", help="name a folder of class folders, to measure weights on")
    add.set_defaults(run=_add)
    add.add_argument("folder", type=Path, metavar="DIR")
    add.add_argument("--name", required=True, metavar="NAME")
    verdict = actions.add_parser("verdict", help="whether images come from a laboratory that the weights know")
    verdict.set_defaults(run=_verdict)
    verdict.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="image, folder (at any depth) or ZIP")
    verdict.add_argument("--weights", default=DEFAULT_WEIGHTS, metavar="NAME|FILE", help="default: %(default)s")
    add_device(verdict)


def _list(options: argparse.Namespace) -> int:
    from bloodcell.laboratories.named import laboratory, laboratory_names

    names, damaged = laboratory_names(), 0
    for name in names:
        try:
            print(laboratory(name).words())
        except DatasetError as error:
            damaged += 1
            print(f"bloodcell: {readable_path(str(error))}", file=sys.stderr)
    if not names:
        print("No laboratory yet. Add one: python -m bloodcell laboratory add DIR --name NAME")
    return 1 if damaged else 0


def _add(options: argparse.Namespace) -> int:
    from bloodcell.laboratories.named import add_laboratory

    print(add_laboratory(options.folder, options.name).words())
    return 0


def _verdict(options: argparse.Namespace) -> int:
    from bloodcell.answers.classifier import Classifier
    from bloodcell.answers.image_sources import open_sources
    from bloodcell.commands.tray_progress import TrayProgress
    from bloodcell.devices.allocator import keep_freed_memory
    from bloodcell.laboratories.tray import answer_tray

    keep_freed_memory(options.device)
    classifier = Classifier.load(options.weights, device=options.device, engine=chosen_engine())
    with open_sources(options.paths) as found, TrayProgress(len(found.sources), None) as progress:
        _, verdict = answer_tray(classifier, found.sources, on_answer=progress.take)
    print(f"Laboratory: {verdict.laboratory}. {verdict.reason}")
    if verdict.differences:
        print(f"Typical of the unlike cells, medians: {verdict.differences}.")
    return progress.tell_what_failed(found.passed_over)
