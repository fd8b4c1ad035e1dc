"""`evaluate`: measure weights or a run on a labelled folder."""

import argparse
from pathlib import Path

from bloodcell.commands.arguments import Commands, add_device, show_progress


def add_to(commands: Commands) -> None:
    """Name the command's arguments."""
    evaluate = commands.add_parser("evaluate", help="measure weights or a run on a labelled folder")
    evaluate.set_defaults(run=run)
    which = evaluate.add_mutually_exclusive_group(required=True)
    which.add_argument("--weights", metavar="NAME|FILE")
    which.add_argument("--run-dir", type=Path, metavar="DIR", help="a run; its best weights are measured")
    images = evaluate.add_mutually_exclusive_group(required=True)
    images.add_argument("--data", type=Path, metavar="DIR", help="folder of class folders")
    images.add_argument("--lab", metavar="NAME", help="a laboratory that was added, see `laboratory`")
    evaluate.add_argument("--out", type=Path, required=True, metavar="DIR", help="where figures and report go")
    add_device(evaluate)


def run(options: argparse.Namespace) -> int:
    """Do it; return the exit status."""
    from tqdm import tqdm

    from bloodcell.answers.classifier import Classifier
    from bloodcell.datasets.split import read_split
    from bloodcell.devices.allocator import keep_freed_memory
    from bloodcell.laboratories.evaluate import evaluate
    from bloodcell.laboratories.evaluation_report import report_text, write_evaluation
    from bloodcell.laboratories.named import laboratory
    from bloodcell.runs.run_folder import RunFolder

    keep_freed_memory(options.device)
    run_folder = None if options.run_dir is None else RunFolder(options.run_dir)
    classifier = Classifier.load(options.weights if run_folder is None else run_folder.best, device=options.device)
    with tqdm(unit="image", disable=None) as bar:
        evaluation = evaluate(
            classifier,
            options.data if options.lab is None else laboratory(options.lab).folder,
            known_sha256=None if run_folder is None else read_split(run_folder.split).known_sha256,
            progress=lambda done, total: show_progress(bar, done, total),
        )
    write_evaluation(evaluation, classifier, options.out)
    print(report_text(evaluation, classifier), end="")
    return 1 if evaluation.unreadable else 0
