"""Cut the cells of other laboratories from their public sources, check their number, and write them into class folders.

Sources: Shenggan/BCCD_Dataset (MIT licence), fields of 640×480 px with boxes. A cell's square is as many red cells wide
as the images of the home laboratory, mirrored where the field ends.

Run: python -m tools.laboratory_cells bccd SOURCE_DIR OUT_DIR
"""

import argparse
import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from bloodcell.cell_classes import CELL_CLASSES, CLASS_KEYS
from bloodcell.images.open_image import open_image

RED_CELLS_ACROSS = 4.6
"""Width of a home image, in red cells: 360 px at 78 px each."""
RED_CELL_PX = (85, 120)
"""Widths between which the median red cell of a BCCD field is believed; boxes of overlapping cells are wider."""
BCCD_CELLS = {"basophil": 2, "eosinophil": 84, "lymphocyte": 33, "monocyte": 20, "neutrophil": 202}
Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """A smear field with what its annotation names."""

    image: np.ndarray
    """(H, W, 3) uint8 RGB."""
    red_cells: tuple[Box, ...]
    other_cells: tuple[Box, ...]
    """White cells."""

    @property
    def side_px(self) -> int:
        """Width of a cell's square."""
        height, width = self.image.shape[:2]
        inside = [
            right - left
            for left, top, right, bottom in self.red_cells
            if left > 2 and top > 2 and right < width - 2 and bottom < height - 2
        ]
        low, high = RED_CELL_PX
        return round(RED_CELLS_ACROSS * min(max(median(inside or [sum(RED_CELL_PX) / 2]), low), high))


def bccd_field(source: Path, image_name: str) -> Field:
    """Read a field and its boxes."""
    tree = ElementTree.parse(source / "Annotations" / f"{Path(image_name).stem}.xml")
    boxes: dict[str, list[Box]] = {"RBC": [], "WBC": [], "Platelets": []}
    for entry in tree.iter("object"):
        box = entry.find("bndbox")
        assert box is not None
        left, top, right, bottom = (int(box.findtext(side, "")) for side in ("xmin", "ymin", "xmax", "ymax"))
        boxes[entry.findtext("name", "")].append((left, top, right, bottom))
    image = open_image((source / "JPEGImages" / image_name).read_bytes())
    return Field(image=image, red_cells=tuple(boxes["RBC"]), other_cells=tuple(boxes["WBC"]))


def square_around(image: np.ndarray, middle_x: float, middle_y: float, side_px: int) -> np.ndarray:
    """Cut a square out of a field, mirrored where the field ends."""
    left, top = round(middle_x - side_px / 2), round(middle_y - side_px / 2)
    height, width = image.shape[:2]
    beyond = [(max(0, -top), max(0, top + side_px - height)), (max(0, -left), max(0, left + side_px - width)), (0, 0)]
    padded = np.pad(image, beyond, mode="reflect")
    top, left = top + beyond[0][0], left + beyond[1][0]
    return padded[top : top + side_px, left : left + side_px]


def bccd_cells(source: Path) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield field name, class key and square of every field with a single white cell."""
    with (source / "wbc_labels.csv").open(newline="") as stream:
        for row in csv.DictReader(stream):
            field = bccd_field(source, row["image"])
            middle_x = (int(row["xmin"]) + int(row["xmax"])) / 2
            middle_y = (int(row["ymin"]) + int(row["ymax"])) / 2
            yield row["image"], row["cls8"], square_around(field.image, middle_x, middle_y, field.side_px)


def red_cell_squares(field: Field, count: int, random: np.random.Generator) -> list[np.ndarray]:
    """Return up to `count` squares of a cell's width, or down to half of it, that no white cell reaches into."""
    height, width = field.image.shape[:2]
    found: list[np.ndarray] = []
    for _ in range(count * 20):
        side = int(min(field.side_px, height) * random.uniform(0.5, 1))
        left, top = int(random.integers(0, width - side + 1)), int(random.integers(0, height - side + 1))
        is_free = all(
            right <= left or left + side <= box_left or bottom <= top or top + side <= box_top
            for box_left, box_top, right, bottom in field.other_cells
        )
        if is_free:
            found.append(field.image[top : top + side, left : left + side])
        if len(found) == count:
            break
    return found


def write_bccd(source: Path, out: Path) -> None:
    """Write the cells as PNG files in class folders.

    Raises:
        SystemExit: the source holds other cells than it had.
    """
    counts: Counter[str] = Counter()
    for name, key, square in bccd_cells(source):
        folder = out / CELL_CLASSES[CLASS_KEYS.index(key)].key
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(square).save(folder / f"{Path(name).stem}.png")
        counts[key] += 1
    if dict(counts) != BCCD_CELLS:
        raise SystemExit(f"{dict(sorted(counts.items()))} cells were cut instead of {BCCD_CELLS}.")
    print(f"{sum(counts.values())} cells of {len(counts)} classes are in {out}.")


def main() -> None:
    """Cut and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("laboratory", choices=["bccd"])
    parser.add_argument("source", type=Path, metavar="SOURCE_DIR")
    parser.add_argument("out", type=Path, metavar="OUT_DIR")
    options = parser.parse_args()
    write_bccd(options.source, options.out)


if __name__ == "__main__":
    main()
