"""`classify`: answers for images, folders and ZIPs."""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path

from bloodcell.answers.engine_choice import ENGINES, chosen_engine
from bloodcell.commands.arguments import Commands, add_device, positive
from bloodcell.paths import DEFAULT_WEIGHTS, readable_path


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
    from tqdm import tqdm

    from bloodcell.answers.classifier import Classifier
    from bloodcell.answers.heat_map_files import HeatMapFolder
    from bloodcell.answers.image_sources import open_sources, passed_over_words
    from bloodcell.answers.prediction_table import PredictionRow, write_table
    from bloodcell.devices.allocator import keep_freed_memory
    from bloodcell.laboratories.verdict import tray_summary, tray_verdict, under_verdict
    from bloodcell.paths import open_atomically, write_atomically

    engine = options.engine or chosen_engine()
    keep_freed_memory(options.device)
    classifier = Classifier.load(options.weights, device=options.device, engine=engine)
    heat_maps = HeatMapFolder(options.heat_maps) if options.heat_maps else None
    unreadable: list[tuple[str, str]] = []
    unwritten: list[tuple[str, str]] = []
    rows: list[PredictionRow] = []
    with open_sources(options.paths) as found, open_atomically(options.csv) as stream:
        sources = found.sources
        answers = classifier.answers(sources, heat_maps=heat_maps is not None, batch_size=options.batch_size)
        for answer in tqdm(answers, total=len(sources), unit="image", disable=None):
            rows.append(answer.row)
            if answer.row.status == "error":
                unreadable.append((answer.row.file, answer.row.reason))
            elif heat_maps is not None and answer.row.predicted is not None:
                try:
                    heat_maps.write(answer)
                except OSError as error:
                    unwritten.append((answer.row.file, f"Its overlay cannot be written: {error.strerror}."))
        verdict = tray_verdict(rows, classifier.card)
        rows = [under_verdict(row, verdict) for row in rows]
        write_table(rows, stream)
    if options.summary:
        write_atomically(options.summary, (json.dumps(tray_summary(rows, verdict), indent=1) + "\n").encode())
    counts = Counter(row.status for row in rows)
    print(
        f"{counts['ok']} of {len(sources)} images answered as sure, {counts['review']} to be looked at, "
        f"{counts['refused']} refused, written to {options.csv}."
    )
    print(f"Laboratory: {verdict.laboratory}. {verdict.reason}")
    if found.passed_over:
        print(f"bloodcell: {readable_path(passed_over_words(found.passed_over))}", file=sys.stderr)
    for name, reason in (*unreadable, *unwritten):
        print(f"bloodcell: {readable_path(name)}: {reason}", file=sys.stderr)
    return 1 if unreadable or unwritten else 0
