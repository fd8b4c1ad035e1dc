"""Arguments and progress that commands share."""

import argparse
import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeAlias

from bloodcell.datasets.data_use import ALLOW_FLAG
from bloodcell.errors import BloodcellError

if TYPE_CHECKING:
    from tqdm import tqdm

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""What `add_subparsers` returns; argparse has no public name for it."""


def add_device(parser: argparse.ArgumentParser, default: str | None = "auto") -> None:
    """Offer the choice of the device."""
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default=default, help="default: auto")


def add_allow_unusable(parser: argparse.ArgumentParser) -> None:
    """Offer to train although many images are unusable; runs and suites keep it when they are resumed."""
    parser.add_argument(
        ALLOW_FLAG,
        action="store_true",
        help="train although a class or more than 1 %% of the images are unusable, or images have come since the split",
    )


def add_allow_memory(parser: argparse.ArgumentParser) -> None:
    """Offer to begin although memory may not suffice."""
    parser.add_argument("--allow-memory", action="store_true", help="begin although more memory is needed than is free")


def refuse_shortage(shortage: str) -> None:
    """Refuse to begin what needs more memory than is free.

    Raises:
        BloodcellError: it does.
    """
    if shortage:
        raise BloodcellError(f"{shortage} Nothing was started; --allow-memory starts it all the same.")


def positive(text: str) -> int:
    """Read a whole number of at least 1."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{number} is not 1 or more")
    return number


def not_negative(text: str) -> int:
    """Read a whole number of at least 0."""
    if (number := int(text)) < 0:
        raise argparse.ArgumentTypeError(f"{number} is not 0 or more")
    return number


@contextlib.contextmanager
def image_bar() -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar; yield what moves it: called with what is being done, images done, and images in all."""
    from tqdm import tqdm  # a command that shows none starts without it

    with tqdm(unit="image", disable=None) as bar:

        def progress(what: str, done: int, total: int) -> None:
            bar.set_description(what)
            show_progress(bar, done, total)

        yield progress


def show_progress(bar: "tqdm[None]", done: int, total: int) -> None:
    """Move a bar to where the work stands."""
    bar.total = total
    bar.update(done - bar.n)
