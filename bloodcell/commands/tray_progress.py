"""A progress bar over the images of a tray, the overlays written on the way, and what is told of failures."""

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tqdm import tqdm

from bloodcell.answers.classifier import Answer
from bloodcell.answers.heat_map_files import HeatMapFolder
from bloodcell.answers.image_sources import passed_over_words
from bloodcell.paths import readable_path


class TrayProgress:
    """Takes the answers of `answer_tray` as they come."""

    def __init__(self, images: int, heat_maps: HeatMapFolder | None) -> None:
        self._bar = tqdm(total=images, unit="image", disable=None)
        self._heat_maps = heat_maps
        self._overlays: dict[int, Path] = {}
        self._unreadable: dict[int, tuple[str, str]] = {}
        self._unwritten: dict[int, tuple[str, str]] = {}
        self._seen: set[int] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.close()

    def take(self, place: int, answer: Answer) -> None:
        """Count an answer, and write its overlay; a second answer for a place takes the place of the first."""
        if place not in self._seen:
            self._seen.add(place)
            self._bar.update()
        if answer.row.status == "error":
            self._unreadable[place] = (answer.row.file, answer.row.reason)
        if self._heat_maps is not None:
            try:
                self._write(place, answer, self._heat_maps)
            except OSError as error:
                self._unwritten[place] = (answer.row.file, f"Its overlay cannot be written: {error.strerror}.")

    def _write(self, place: int, answer: Answer, heat_maps: HeatMapFolder) -> None:
        earlier = self._overlays.pop(place, None)
        if answer.row.predicted is not None:
            self._overlays[place] = heat_maps.write(answer, in_place_of=earlier)
        elif earlier is not None:
            with contextlib.suppress(FileNotFoundError):
                earlier.unlink()

    def tell_what_failed(self, passed_over: Sequence[str]) -> int:
        """Name what was passed over, unreadable or not written, on standard error; return the exit status."""
        if passed_over:
            print(f"bloodcell: {readable_path(passed_over_words(passed_over))}", file=sys.stderr)
        failures = [*self._unreadable.values(), *self._unwritten.values()]
        for name, reason in failures:
            print(f"bloodcell: {readable_path(name)}: {reason}", file=sys.stderr)
        return 1 if failures else 0
