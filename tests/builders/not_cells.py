"""Images that are no single blood cell, made or found without a download: what the gate must refuse."""

import string
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from bloodcell.cell_classes import CLASS_COUNT
from bloodcell.datasets.drawn_cells import draw_cell
from bloodcell.errors import UnreadableImage
from bloodcell.images.open_image import open_image

SIDE_PX = 360


def bundled_photographs() -> tuple[dict[str, np.ndarray], list[str]]:
    """Return the pictures that scikit-learn and scikit-image bring along, by name, and the packages not installed.

    Pictures under the smallest size that the program reads are left out.
    """
    found: dict[str, np.ndarray] = {}
    missing: list[str] = []
    for package, folder in (("skimage", "data"), ("sklearn", "datasets/images")):
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            missing.append(package)
            continue
        for path in sorted((Path(spec.origin).parent / folder).iterdir()):
            if path.suffix in (".png", ".jpg", ".gif", ".tif"):
                try:
                    found[path.name] = open_image(path.read_bytes())
                except UnreadableImage:
                    continue
    return found, missing


def random_crops(photographs: dict[str, np.ndarray], count: int, *, seed: int) -> list[np.ndarray]:
    """Return square crops of the photographs in turn, any side from 48 px to the whole, anywhere."""
    random = np.random.default_rng(seed)
    pictures = list(photographs.values())
    crops = []
    for index in range(count):
        picture = pictures[index % len(pictures)]
        height, width = picture.shape[:2]
        side = int(random.integers(min(48, height, width), min(height, width) + 1))
        top, left = (int(random.integers(0, length - side + 1)) for length in (height, width))
        crops.append(picture[top : top + side, left : left + side])
    return crops


def blanks(count: int, *, seed: int) -> Iterator[np.ndarray]:
    """Plain colours, half of them bright like glass, with shading and sensor noise."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX] / SIDE_PX - 0.5
    for index in range(count):
        colour = random.uniform(0, 255, 3) if index % 2 else random.uniform(190, 250, 3)
        angle, slope, vignette = random.uniform(0, 2 * np.pi), random.uniform(0, 0.3), random.uniform(0, 0.5)
        shade = 1 - slope * (np.cos(angle) * x + np.sin(angle) * y) - vignette * (x * x + y * y)
        yield _picture(colour * shade[..., None] + random.normal(0, random.uniform(0.1, 8), (SIDE_PX, SIDE_PX, 3)))


def textures(count: int, *, seed: int) -> Iterator[np.ndarray]:
    """Stripes, boards, noise fine and coarse, clouds and discs in two random colours."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX]
    for index in range(count):
        kind = index % 5
        if kind == 0:
            mix = (np.sin(x * random.uniform(0.02, 0.8) + y * random.uniform(0.02, 0.8)) + 1) / 2
        elif kind == 1:
            side = int(random.integers(4, 60))
            mix = ((x // side + y // side) % 2).astype(float)
        elif kind == 2:
            mix = random.uniform(0, 1, (SIDE_PX, SIDE_PX))
        elif kind == 3:
            mix = sum(_enlarged(random.uniform(0, 1, (side, side))) * 4 / side for side in (4, 8, 16, 32, 64)) / 2
        else:
            mix = np.zeros((SIDE_PX, SIDE_PX))
            for _ in range(int(random.integers(5, 80))):
                centre, radius = random.uniform(0, SIDE_PX, 2), random.uniform(5, 60)
                inside = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 < radius**2
                mix = np.maximum(mix, inside * random.uniform(0.3, 1))
        first, second = random.uniform(0, 255, (2, 3))
        yield _picture(first + (second - first) * np.asarray(mix)[..., None])


def texts(count: int, *, seed: int) -> Iterator[np.ndarray]:
    """Lines of random letters, dark on bright and in any colours."""
    random = np.random.default_rng(seed)
    letters = list(string.ascii_letters + "   0123456789")
    for index in range(count):
        paper, ink = (
            (random.uniform(225, 255, 3), random.uniform(0, 60, 3)) if index % 2 else random.uniform(0, 255, (2, 3))
        )
        picture = Image.new("RGB", (SIDE_PX, SIDE_PX), _colour(paper))
        size = int(random.integers(10, 60))
        font = ImageFont.load_default(size=size)
        for top in range(4, SIDE_PX, size + 6):
            ImageDraw.Draw(picture).text((4, top), "".join(random.choice(letters, 40)), fill=_colour(ink), font=font)
        yield np.asarray(picture)


def drawings(count: int, *, seed: int) -> Iterator[np.ndarray]:
    """Up to a dozen discs, rings, boxes and lines on a bright ground."""
    random = np.random.default_rng(seed)
    for _ in range(count):
        picture = Image.new("RGB", (SIDE_PX, SIDE_PX), _colour(random.uniform(180, 255, 3)))
        pen = ImageDraw.Draw(picture)
        for _ in range(int(random.integers(1, 12))):
            centre, half = random.uniform(0, SIDE_PX, 2), random.uniform(5, 100, 2)
            box = (*(centre - half).tolist(), *(centre + half).tolist())
            colour, width = _colour(random.uniform(0, 255, 3)), int(random.integers(1, 12))
            shape = int(random.integers(0, 4))
            if shape == 0:
                pen.ellipse(box, fill=colour)
            elif shape == 1:
                pen.ellipse(box, outline=colour, width=width)
            elif shape == 2:
                pen.rectangle(box, fill=colour)
            else:
                pen.line(box, fill=colour, width=width)
        yield np.asarray(picture)


def drawn_cells(count: int, *, seed: int) -> Iterator[np.ndarray]:
    """Our own drawn cells, all classes in turn."""
    return (draw_cell(index % CLASS_COUNT, seed=seed + index) for index in range(count))


def _enlarged(small: np.ndarray) -> np.ndarray:
    side = (SIDE_PX, SIDE_PX)
    return np.asarray(Image.fromarray(small.astype(np.float32)).resize(side, Image.Resampling.BICUBIC))


def _picture(values: np.ndarray) -> np.ndarray:
    return values.clip(0, 255).astype(np.uint8)


def _colour(values: np.ndarray) -> tuple[int, ...]:
    return tuple(int(value) for value in values)
