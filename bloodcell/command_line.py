"""The command line: `python -m bloodcell …`. What a command needs is imported when it runs, so that help is instant."""

import argparse
import sys
from collections.abc import Sequence

from bloodcell import __version__
from bloodcell.commands import (
    ablate,
    check,
    classify,
    download,
    evaluate,
    export,
    gate,
    laboratory,
    models,
    publish,
    report,
    runs,
    train,
    work,
)
from bloodcell.errors import BloodcellError
from bloodcell.paths import readable_path

COMMANDS = (
    classify,
    train,
    evaluate,
    laboratory,
    ablate,
    report,
    check,
    download,
    models,
    publish,
    gate,
    export,
    runs,
    work,
)
"""In the order in which help lists them."""


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
    parser.set_defaults(command_line=main)  # for a command that runs another: `work --job`
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_to(commands)
    return parser
