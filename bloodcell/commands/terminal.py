"""A training run in a terminal: progress bars, and a clean stop on Ctrl-C or SIGTERM."""

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType

from tqdm import tqdm

from bloodcell.runs.run_folder import RunStatus


@contextlib.contextmanager
def stop_on_signals() -> Iterator[Callable[[], bool]]:
    """Turn the first SIGINT or SIGTERM into a wish to stop, told by the yielded function; a second acts as ever."""
    asked: list[int] = []

    def ask(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        for known, handler in before.items():
            signal.signal(known, handler)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def training_bars() -> Iterator[tuple[Callable[[RunStatus], None], Callable[[str, int, int], None]]]:
    """Yield the two callbacks that draw a run: status of the training, and progress of reading images.

    Nothing is drawn where stderr is no terminal.
    """
    with tqdm(disable=None, bar_format="{desc} {bar} {postfix}") as bar:

        def report(status: RunStatus) -> None:
            bar.set_description_str(f"epoch {status.epoch} of {status.epochs}", refresh=False)
            bar.set_postfix_str(
                f"{status.images_per_second:.0f} images/s, {_minutes(status.eta_seconds)}", refresh=False
            )
            _move(bar, status.step, status.steps)

        def progress(what: str, done: int, total: int) -> None:
            bar.set_description_str(what, refresh=False)
            bar.set_postfix_str(f"{done} of {total}", refresh=False)
            _move(bar, done, total)

        yield report, progress


def _move(bar: "tqdm[None]", done: int, total: int) -> None:
    bar.total, bar.n = total, done
    if done == total or done % 50 == 0 or total < 200:
        bar.refresh()


def _minutes(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds / 60:.0f} min left"
