"""Overlays as PNG files, beside a CSV of answers."""

import hashlib
import io
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from bloodcell.answers.classifier import Answer
from bloodcell.answers.overlay import overlay
from bloodcell.answers.prediction_table import table_cells
from bloodcell.images.safe_text import clean_file_name
from bloodcell.paths import write_atomically

STRENGTH = 0.6
LONGEST_PART_BYTES = 200
ORIGIN_COLUMNS = (
    *("file", "predicted", "confidence"),
    *("model", "model_sha256", "answer_sha256", "precision", "engine"),
)
"""Columns of the CSV that stand in a picture's text entries too."""


class HeatMapFolder:
    """A folder that gets one overlay of the predicted class per answered image."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._names: set[str] = set()

    def write(self, answer: Answer, *, in_place_of: Path | None = None) -> Path:
        """Write `FILE.png` below the folder, where FILE is the image's cleaned name; equal names get a number.

        The picture's text entries are the CSV's columns that tell what it explains and which model answered.

        Args:
            in_place_of: the file of an earlier answer for the same image.

        Raises:
            OSError: the folder cannot be written.
        """
        assert answer.image is not None
        assert answer.heat_maps is not None
        assert answer.row.predicted is not None
        heat_map = answer.heat_maps[answer.row.predicted]
        picture = overlay(answer.image, heat_map, field_of_view=answer.field_of_view, strength=STRENGTH)
        name = "/".join(_not_too_long(part) for part in clean_file_name(answer.row.file).split("/"))
        path = in_place_of or self.folder / self._free_name(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = io.BytesIO()
        Image.fromarray(picture).save(stream, format="PNG", pnginfo=_origin(answer))
        write_atomically(path, stream.getvalue())
        return path

    def _free_name(self, name: str) -> str:
        number, free = 1, f"{name}.png"
        while free.casefold() in self._names:
            number += 1
            free = f"{name}.{number}.png"
        self._names.add(free.casefold())
        return free


def _origin(answer: Answer) -> PngInfo:
    cells = table_cells(answer.row)
    origin = PngInfo()
    for column in ORIGIN_COLUMNS:
        origin.add_itxt(column, cells[column])
    return origin


def _not_too_long(part: str) -> str:
    """Shorten a part of a path that no file system would take; its hash keeps it apart from others."""
    data = part.encode()
    return part if len(data) <= LONGEST_PART_BYTES else f"{part[:30]}-{hashlib.sha256(data).hexdigest()[:16]}"
