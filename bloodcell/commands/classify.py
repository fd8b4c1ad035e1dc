"""`classify`: answers for images, folders and ZIPs."""

import argparse
import contextlib
import json
from collections import Counter
from pathlib import Path

from bloodcell.answers.engine_choice import ENGINES, chosen_engine
from bloodcell.commands.arguments import Commands, add_device, positive
from bloodcell.paths import DEFAULT_WEIGHTS


def add_to(commands: Commands) -> None:
    """Name the command's arguments."""
    classify = commands.add_parser("classify", help="answer for images, folders and ZIPs: a CSV, heat maps")
    classify.set_defaults(run=run)
    classify.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="image, folder (at any depth) or ZIP")
    classify.add_argument("--weights", default=DEFAULT_WEIGHTS, metavar="NAME|FILE", help="default: %(default)s")
    classify.add_argument("--csv", type=Path, required=True, metavar="OUT.csv", help="where the answers go")
    classify.add_argument(
        "--summary", type=Path, metavar="OUT.json", help="counts by class and status, and whose laboratory it is"
    )
    classify.add_argument(
        "--heat-maps", type=Path, metavar="DIR", help="also write an overlay (PNG) per answered image"
    )
    classify.add_argument(
        "--batch-size", type=positive, metavar="N", help="images per pass; default: as suits the engine"
    )
    add_device(classify)
    classify.add_argument("--engine", choices=ENGINES, help="what computes; default: BLOODCELL_ENGINE, else torch")


def run(options: argparse.Namespace) -> int:
    """Do it; return the exit status."""
    from bloodcell.answers.classifier import Classifier
    from bloodcell.answers.heat_map_files import HeatMapFolder
    from bloodcell.answers.image_sources import open_sources
    from bloodcell.answers.prediction_table import write_table
    from bloodcell.commands.tray_progress import TrayProgress
    from bloodcell.devices.allocator import keep_freed_memory
    from bloodcell.laboratories.tray import answer_tray
    from bloodcell.laboratories.verdict import tray_summary
    from bloodcell.paths import open_atomically

    engine = options.engine or chosen_engine()
    keep_freed_memory(options.device)
    classifier = Classifier.load(options.weights, device=options.device, engine=engine)
    heat_maps = HeatMapFolder(options.heat_maps) if options.heat_maps else None
    with contextlib.ExitStack() as files:
        found = files.enter_context(open_sources(options.paths))
        table = files.enter_context(open_atomically(options.csv))
        summary = files.enter_context(open_atomically(options.summary)) if options.summary else None
        progress = files.enter_context(TrayProgress(len(found.sources), heat_maps))
        rows, verdict = answer_tray(
            classifier,
            found.sources,
            heat_maps=heat_maps is not None,
            batch_size=options.batch_size,
            on_answer=progress.take,
        )
        write_table(rows, table)
        if summary is not None:
            summary.write(json.dumps(tray_summary(rows, verdict), indent=1) + "\n")
    counts = Counter(row.status for row in rows)
    print(f"Laboratory: {verdict.laboratory}. {verdict.reason}")
    print(
        f"{counts['ok']} of {len(rows)} images answered as sure, {counts['review']} to be looked at, "
        f"{counts['refused']} refused, {counts['other_cell']} perhaps none of the eight, written to {options.csv}."
    )
    return progress.tell_what_failed(found.passed_over)
