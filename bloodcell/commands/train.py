"""`train`: train an experiment, or go on with a run."""

import argparse
import sys
from pathlib import Path
from typing import Any

from bloodcell.commands.arguments import (
    Commands,
    add_allow_memory,
    add_allow_unusable,
    add_device,
    not_negative,
    positive,
    refuse_shortage,
)
from bloodcell.config import RunConfig
from bloodcell.errors import BloodcellError


def add_to(commands: Commands) -> None:
    """Name the command's arguments."""
    train = commands.add_parser("train", help="train an experiment into a run folder; stops cleanly, resumes")
    train.set_defaults(run=run, wrong_usage=train.error)
    train.add_argument("--experiment", metavar="NAME", help="a named recipe; an unknown name lists them all")
    train.add_argument("--data", type=Path, metavar="DIR", help="folder of class folders")
    train.add_argument("--more-data", type=Path, metavar="DIR", help="a second such folder; all of it is trained on")
    train.add_argument("--run-dir", type=Path, required=True, metavar="DIR", help="folder of this run")
    train.add_argument("--epochs", type=positive, metavar="N")
    train.add_argument("--batch-size", type=positive, metavar="N")
    train.add_argument("--image-size", type=positive, metavar="PX")
    train.add_argument("--learning-rate", type=float, metavar="RATE", help="peak learning rate of Adam")
    train.add_argument("--seed", type=not_negative, metavar="N", help="initialisation, order, augmentation")
    train.add_argument("--split-seed", type=not_negative, metavar="N", help="the split alone")
    train.add_argument("--resume", action="store_true", help="go on with the run in --run-dir, with its settings")
    train.add_argument("--wait", action="store_true", help="wait while another run trains on the device")
    add_allow_unusable(train)
    add_allow_memory(train)
    add_device(train, default=None)


def run(options: argparse.Namespace) -> int:
    """Do it; return the exit status."""
    settings = {
        "epochs": options.epochs,
        "batch_size": options.batch_size,
        "image_size_px": options.image_size,
        "seed": options.seed,
        "split_seed": options.split_seed,
        "learning_rate": options.learning_rate,
    }
    config = None if options.resume else _new_config(options, settings)

    from bloodcell.commands.terminal import stop_on_signals, training_bars
    from bloodcell.devices.allocator import keep_freed_memory
    from bloodcell.runs.run_folder import RunFolder
    from bloodcell.training.train_run import TrainingWatch, resume_run, start_run

    folder = RunFolder(options.run_dir)
    more = {
        "more_data": options.more_data,
        "wait_for_device": options.wait,
        "allow_unusable": options.allow_unusable,
    }
    if config is None:
        folder.refuse_other_settings({"experiment": options.experiment, **settings})
    elif not options.allow_memory:
        refuse_shortage(_shortage(config, options))
    keep_freed_memory(options.device if config is None else config.device)
    with stop_on_signals() as should_stop, training_bars() as (report, progress):
        watch = TrainingWatch(report=report, progress=progress, should_stop=should_stop)
        if config is None:
            finished = resume_run(folder, watch, data_folder=options.data, device=options.device, **more)
        else:
            finished = start_run(config, options.data, folder, watch, **more)
    if not finished:
        print(f"Stopped. Go on with: python -m bloodcell train --run-dir {options.run_dir} --resume", file=sys.stderr)
        return 1
    print(f"Finished. {folder.best_sentence()}")
    return 0


def _shortage(config: RunConfig, options: argparse.Namespace) -> str:
    from bloodcell.datasets.folder_scan import scan_dataset
    from bloodcell.training.estimate import memory_shortage

    folders = [folder for folder in (options.data, options.more_data) if folder is not None]
    return memory_shortage(config, sum(len(scan_dataset(folder).files) for folder in folders))


def _new_config(options: argparse.Namespace, settings: dict[str, Any]) -> RunConfig:
    from bloodcell.experiments import experiment_config

    if options.experiment is None or options.data is None:
        options.wrong_usage("a new run needs --experiment and --data; --resume goes on with one")
    try:
        return experiment_config(options.experiment).changed(**settings, device=options.device)
    except ValueError as error:
        raise BloodcellError(f"These settings do not fit: {error}.") from error
