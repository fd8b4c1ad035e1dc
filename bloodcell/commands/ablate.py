"""`ablate`: train a suite of arms and seeds, and compare them."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bloodcell.commands.arguments import (
    Commands,
    add_allow_memory,
    add_allow_unusable,
    add_device,
    not_negative,
    positive,
    refuse_shortage,
)
from bloodcell.errors import BloodcellError

if TYPE_CHECKING:
    from bloodcell.suites.suite import Suite


def add_to(commands: Commands) -> None:
    """Name the command's arguments."""
    ablate = commands.add_parser("ablate", help="train a suite of arms and seeds into a folder; stops cleanly, resumes")
    ablate.set_defaults(run=run, wrong_usage=ablate.error)
    ablate.add_argument("--suite", metavar="NAME", help="paper, quick or smoke")
    ablate.add_argument("--data", type=Path, metavar="DIR", help="folder of class folders")
    ablate.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder of this suite; table.csv is in it"
    )
    ablate.add_argument(
        "--test-data",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="labelled images that choose nothing; may be given several times",
    )
    ablate.add_argument(
        "--arms",
        type=_names,
        metavar="NAME,…",
        help="names, or settings as model.dropout=0.3; default: the paper's six",
    )
    ablate.add_argument("--seeds", type=_seeds, metavar="N,…", help="default: 0,1,2")
    ablate.add_argument("--split-seed", type=not_negative, metavar="N", help="of the split that all runs share")
    ablate.add_argument("--epochs", type=positive, metavar="N", help="of every run")
    ablate.add_argument("--resume", action="store_true", help="go on with the suite in --out, with its settings")
    ablate.add_argument(
        "--record", type=Path, metavar="DIR", help="write the finished suite's record there too: text without weights"
    )
    ablate.add_argument("--wait", action="store_true", help="wait while something else trains on the device")
    add_allow_unusable(ablate)
    add_allow_memory(ablate)
    add_device(ablate, default=None)


def run(options: argparse.Namespace) -> int:
    """Do it; return the exit status."""
    if not options.resume and (options.suite is None or options.data is None):
        options.wrong_usage("a new suite needs --suite and --data; --resume goes on with one")
    own = ("suite", "arms", "seeds", "split_seed", "epochs", "device")
    if options.resume and (given := [name for name in own if getattr(options, name) is not None]):
        options.wrong_usage(f"a suite goes on with its own settings: leave out {', '.join(given)} beside --resume")

    from bloodcell.commands.terminal import stop_on_signals, training_bars
    from bloodcell.devices.allocator import keep_freed_memory
    from bloodcell.jobs.executors.executor import PlanWatch
    from bloodcell.suites.reach import reach_of
    from bloodcell.suites.run_suite import run_suite
    from bloodcell.suites.suite import SuiteFolder
    from bloodcell.suites.suite_estimate import suite_memory_shortage
    from bloodcell.suites.suite_record import write_suite_record

    folder = SuiteFolder(options.out)
    if not options.resume:
        suite = _new_suite(options)
        if not options.allow_memory:
            refuse_shortage(suite_memory_shortage(suite, _count(options.data)))
        if (reach := reach_of(suite, _count)) is not None:
            print(reach.sentence, flush=True)
        folder.create(suite)
    elif options.allow_unusable:
        folder.write(replace(folder.read(), allow_unusable=True))
    keep_freed_memory(options.device)
    with stop_on_signals() as should_stop, training_bars() as (report, progress):
        end = run_suite(
            folder,
            PlanWatch(announce=_announce, report=report, progress=progress, should_stop=should_stop),
            data_folder=options.data,
            test_folders=options.test_data,
            wait_for_device=options.wait,
        )
    for name in end.diverged:
        print(f"{name}: the loss stopped being a number; {folder.runs / name / 'outcome.json'} says when.")
    if not end.is_finished:
        print(f"Stopped. Go on with: python -m bloodcell ablate --out {options.out} --resume", file=sys.stderr)
        return 1
    if options.record is not None:
        write_suite_record(folder, options.record)
        print(f"Record: {options.record}")
    print(f"Finished. {folder.table}")
    return 0


def _new_suite(options: argparse.Namespace) -> "Suite":
    from bloodcell.suites.suite import DEFAULT_SEEDS, build_suite

    try:
        return build_suite(
            options.suite,
            data_folder=options.data,
            test_folders=options.test_data,
            arms=options.arms or (),
            seeds=options.seeds or DEFAULT_SEEDS,
            split_seed=options.split_seed,
            epochs=options.epochs,
            device=options.device,
            allow_unusable=options.allow_unusable,
        )
    except ValueError as error:
        raise BloodcellError(f"These settings do not fit: {error}.") from error


def _count(folder: Path) -> int:
    from bloodcell.datasets.folder_scan import scan_dataset

    return len(scan_dataset(folder).files)


def _announce(number: int, runs: int, name: str) -> None:
    print(f"{number} of {runs}: {name}", flush=True)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _seeds(text: str) -> list[int]:
    return [not_negative(seed) for seed in text.split(",")]
