"""The command line: `python -m bloodcell …`. What a command needs is imported when it runs, so that help is instant."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from bloodcell import __version__
from bloodcell.config import RunConfig
from bloodcell.errors import BloodcellError
from bloodcell.paths import DEFAULT_WEIGHTS, readable_path

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""What `add_subparsers` returns; argparse has no public name for it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0 when done, 1 when it failed. Wrong usage exits with 2."""
    options = build_parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except BloodcellError as error:
        print(f"bloodcell: {readable_path(str(error))}", file=sys.stderr)
    except OSError as error:
        named = f"{readable_path(str(error.filename))}: " if error.filename else ""
        print(f"bloodcell: {named}{error.strerror or error}. Check the path and the disk.", file=sys.stderr)
    except KeyboardInterrupt:
        print("bloodcell: stopped.", file=sys.stderr)
    return 1


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="bloodcell", description="Reads blood cells under the microscope. Research use only, not for diagnosis."
    )
    parser.add_argument("--version", action="version", version=f"bloodcell {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for add in (_add_classify, _add_train, _add_evaluate, _add_check, _add_models, _add_publish):
        add(commands)
    return parser


def _add_classify(commands: Commands) -> None:
    classify = commands.add_parser("classify", help="answer for images, folders and ZIPs: a CSV, heat maps")
    classify.set_defaults(run=_classify)
    classify.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="image, folder (at any depth) or ZIP")
    classify.add_argument("--weights", default=DEFAULT_WEIGHTS, metavar="NAME|FILE", help="default: %(default)s")
    classify.add_argument("--csv", type=Path, required=True, metavar="OUT.csv", help="where the answers go")
    classify.add_argument("--heat-maps", type=Path, metavar="DIR", help="also write an overlay (PNG) per image")
    classify.add_argument("--batch-size", type=_positive, default=16, metavar="N", help="default: %(default)s")
    _add_device(classify)


def _add_train(commands: Commands) -> None:
    train = commands.add_parser("train", help="train an experiment into a run folder; stops cleanly, resumes")
    train.set_defaults(run=_train, wrong_usage=train.error)
    train.add_argument("--experiment", metavar="NAME", help="a named recipe; an unknown name lists them all")
    train.add_argument("--data", type=Path, metavar="DIR", help="folder of class folders")
    train.add_argument("--run-dir", type=Path, required=True, metavar="DIR", help="folder of this run")
    train.add_argument("--epochs", type=_positive, metavar="N")
    train.add_argument("--batch-size", type=_positive, metavar="N")
    train.add_argument("--image-size", type=_positive, metavar="PX")
    train.add_argument("--learning-rate", type=float, metavar="RATE", help="peak learning rate of Adam")
    train.add_argument("--seed", type=_not_negative, metavar="N", help="initialisation, order, augmentation")
    train.add_argument("--split-seed", type=_not_negative, metavar="N", help="the split alone")
    train.add_argument("--resume", action="store_true", help="go on with the run in --run-dir, with its settings")
    _add_device(train, default=None)


def _add_evaluate(commands: Commands) -> None:
    evaluate = commands.add_parser("evaluate", help="measure weights or a run on a labelled folder")
    evaluate.set_defaults(run=_evaluate)
    which = evaluate.add_mutually_exclusive_group(required=True)
    which.add_argument("--weights", metavar="NAME|FILE")
    which.add_argument("--run-dir", type=Path, metavar="DIR", help="a run; its best weights are measured")
    evaluate.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of class folders")
    evaluate.add_argument("--out", type=Path, required=True, metavar="DIR", help="where figures and report go")
    _add_device(evaluate)


def _add_check(commands: Commands) -> None:
    check = commands.add_parser("check", help="check the images of a dataset")
    check.set_defaults(run=_check)
    check.add_argument("data", type=Path, metavar="DATA_DIR", help="folder of class folders")
    check.add_argument("--json", type=Path, metavar="FILE", help="also write the report as JSON")


def _add_models(commands: Commands) -> None:
    models = commands.add_parser("models", help="the architectures: sizes, parameters, multiply-adds")
    models.set_defaults(run=_models)


def _add_publish(commands: Commands) -> None:
    publish = commands.add_parser("publish", help="give a run's best weights a name")
    publish.set_defaults(run=_publish)
    publish.add_argument("run_dir", type=Path, metavar="RUN_DIR")
    publish.add_argument("name", metavar="NAME", help="small letters, digits, underscores")
    publish.add_argument("--to", type=Path, metavar="DIR", help="default: the user's published weights")
    publish.add_argument("--data", type=Path, metavar="DIR", help="the run's dataset, if it has moved")
    publish.add_argument("--test-data", type=Path, metavar="DIR", help="labelled images that chose nothing; measured")
    publish.add_argument("--source", default="", metavar="TEXT", help="where the training images come from")
    publish.add_argument("--licence", default="not stated", metavar="TEXT", help="licence of the weights")


def _add_device(parser: argparse.ArgumentParser, default: str | None = "auto") -> None:
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default=default, help="default: auto")


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{number} is not 1 or more")
    return number


def _not_negative(text: str) -> int:
    if (number := int(text)) < 0:
        raise argparse.ArgumentTypeError(f"{number} is not 0 or more")
    return number


def _classify(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from bloodcell.data.prediction_table import PredictionRow, write_table
    from bloodcell.paths import open_atomically
    from bloodcell.prediction.classifier import Classifier
    from bloodcell.prediction.heat_map_files import HeatMapFolder
    from bloodcell.prediction.image_sources import open_sources

    classifier = Classifier.load(options.weights, device=options.device)
    heat_maps = HeatMapFolder(options.heat_maps, classifier.card) if options.heat_maps else None
    unreadable: list[tuple[str, str]] = []
    unwritten: list[tuple[str, str]] = []
    with open_sources(options.paths) as sources, open_atomically(options.csv) as stream:
        answers = classifier.answers(sources, heat_maps=heat_maps is not None, batch_size=options.batch_size)

        def rows() -> Iterator[PredictionRow]:
            for answer in tqdm(answers, total=len(sources), unit="image", disable=None):
                if answer.row.status == "error":
                    unreadable.append((answer.row.file, answer.row.reason))
                elif heat_maps is not None:
                    try:
                        heat_maps.write(answer)
                    except OSError as error:
                        unwritten.append((answer.row.file, f"Its overlay cannot be written: {error.strerror}."))
                yield answer.row

        write_table(rows(), stream)
    print(f"{len(sources) - len(unreadable)} of {len(sources)} images answered, written to {options.csv}.")
    for name, reason in (*unreadable, *unwritten):
        print(f"bloodcell: {readable_path(name)}: {reason}", file=sys.stderr)
    return 1 if unreadable or unwritten else 0


def _train(options: argparse.Namespace) -> int:
    settings = {
        "epochs": options.epochs,
        "batch_size": options.batch_size,
        "image_size_px": options.image_size,
        "seed": options.seed,
        "split_seed": options.split_seed,
        "learning_rate": options.learning_rate,
    }
    config = None if options.resume else _new_config(options, settings)

    from bloodcell.training.run_folder import RunFolder
    from bloodcell.training.terminal import stop_on_signals, training_bars
    from bloodcell.training.train_run import resume_run, start_run

    folder = RunFolder(options.run_dir)
    if config is None:
        folder.refuse_other_settings({"experiment": options.experiment, **settings})
        run = partial(resume_run, folder, data_folder=options.data, device=options.device)
    else:
        run = partial(start_run, config, options.data, folder)
    with stop_on_signals() as should_stop, training_bars() as (report, progress):
        finished = run(report=report, progress=progress, should_stop=should_stop)
    if not finished:
        print(f"Stopped. Go on with: python -m bloodcell train --run-dir {options.run_dir} --resume", file=sys.stderr)
        return 1
    print(f"Finished. {folder.best_sentence()}")
    return 0


def _new_config(options: argparse.Namespace, settings: dict[str, Any]) -> RunConfig:
    from bloodcell.experiments import experiment_config

    if options.experiment is None or options.data is None:
        options.wrong_usage("a new run needs --experiment and --data; --resume goes on with one")
    try:
        return experiment_config(options.experiment).changed(**settings, device=options.device)
    except ValueError as error:
        raise BloodcellError(f"These settings do not fit: {error}.") from error


def _evaluate(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from bloodcell.evaluation.evaluate import evaluate, report_text, write_evaluation
    from bloodcell.prediction.classifier import Classifier
    from bloodcell.training.run_folder import RunFolder

    weights = options.weights or RunFolder(options.run_dir).best
    classifier = Classifier.load(weights, device=options.device)
    with tqdm(unit="image", disable=None) as bar:
        evaluation = evaluate(classifier, options.data, progress=lambda done, total: _show(bar, done, total))
    write_evaluation(evaluation, classifier, options.out)
    print(report_text(evaluation, classifier), end="")
    return 1 if evaluation.unreadable else 0


def _check(options: argparse.Namespace) -> int:
    import json

    from tqdm import tqdm

    from bloodcell.data.folder_scan import scan_dataset
    from bloodcell.data.integrity import check_images
    from bloodcell.paths import write_atomically

    scan = scan_dataset(options.data)
    with tqdm(unit="image", disable=None) as bar:
        report = check_images(scan.files, progress=lambda done, total: _show(bar, done, total))
    print(*report.sentences(), sep="\n")
    if scan.other_folders:
        print(f"Folders that mean none of the eight classes, not read: {readable_path(', '.join(scan.other_folders))}.")
    if options.json:
        values = {**report.to_dict(), "other_folders": list(scan.other_folders)}
        write_atomically(options.json, (json.dumps(values, indent=1) + "\n").encode())
    return 0 if len(report.usable) == report.images else 1


def _show(bar: "tqdm[None]", done: int, total: int) -> None:  # type: ignore[name-defined]  # noqa: F821
    bar.total = total
    bar.update(done - bar.n)


def _models(options: argparse.Namespace) -> int:
    from bloodcell.experiments import paper_deep_cnn, paper_simple_cnn, paper_unet_encoder
    from bloodcell.models.architecture_table import architecture_report

    configs = (paper_simple_cnn(), paper_deep_cnn(), paper_unet_encoder())
    print(architecture_report({config.model: config.epochs for config in configs}))
    return 0


def _publish(options: argparse.Namespace) -> int:
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
    )
    for part in ("validation", "test"):
        if part in card.metrics:
            figures = card.metrics[part]
            low, high = figures["accuracy_interval"]
            print(f"{part}: {figures['accuracy']:.2%} of {figures['n']} (95 % interval {low:.2%} to {high:.2%})")
    print(f"Published as '{card.name}', tensors {card.metrics['stored_as']}.")
    return 0
