"""Drawn cells, clearly labelled as drawings: for tests and for a demonstration without a network.

They follow what a May-Grünwald-Giemsa smear shows of each class: form of the nucleus, granules, colour of the
cytoplasm, size.
No figure about a model's worth may come from them.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from bloodcell.cell_classes import CLASS_COUNT, CLASS_KEYS

DRAWN_LABEL = "DRAWN, NOT A CELL"
"""Written into every picture, so that none passes for a cell when it is copied out of its folder."""
SMALLEST_SIZE_PX = 64
"""Side below which the label would not be legible."""

_OVERSAMPLING = 2
_JPEG_QUALITY = 95
_BACKGROUND = (245, 232, 210)
_RED_CELL = (226, 184, 166)
_RED_CELL_MIDDLE = (238, 212, 192)

Colour = tuple[int, int, int]
Polygon = NDArray[np.float64]
"""Corners (n, 2) as x, y. A nucleus is given in radii of its cell, around (0, 0)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Granules:
    count: int
    radius: float
    """In cell radii."""
    colour: Colour
    over_nucleus: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class _Look:
    radius: float
    """Radius of the cell as a share of the picture's side."""
    cytoplasm: Colour
    nucleus_colour: Colour
    nucleus: Callable[[Generator], list[Polygon]]
    granules: tuple[_Granules, ...] = ()
    wobble: float = 0.03
    """Unevenness of the cell's edge, as a share of its radius."""


def draw_cell(label: int, *, seed: int, size_px: int = 360) -> NDArray[np.uint8]:
    """Draw a cell of one class, shape (size_px, size_px, 3), uint8, RGB; the same arguments draw the same picture.

    Args:
        label: class index, 0 to K − 1.
        seed: not negative; another seed moves, turns, deforms and tints the cell and its neighbours.
        size_px: side of the picture, at least `SMALLEST_SIZE_PX`.

    Raises:
        ValueError: label, seed or size_px out of range.
    """
    if not 0 <= label < CLASS_COUNT:
        raise ValueError(f"label must be 0 to {CLASS_COUNT - 1}, not {label}")
    if size_px < SMALLEST_SIZE_PX:
        raise ValueError(f"size_px must be at least {SMALLEST_SIZE_PX}, not {size_px}")
    generator = np.random.default_rng((seed, label))
    look = _LOOKS[CLASS_KEYS[label]]
    canvas = Image.new("RGB", (size_px * _OVERSAMPLING,) * 2, _BACKGROUND)
    radius = look.radius * canvas.width * generator.uniform(0.92, 1.08)
    centre = canvas.width * (0.5 + generator.uniform(-0.04, 0.04, size=2))
    _draw_red_cells(canvas, generator, keep_free=(centre, radius))
    _draw_white_cell(canvas, generator, look, centre, radius)
    picture = canvas.filter(ImageFilter.GaussianBlur(size_px / 240)).resize((size_px, size_px), Image.Resampling.BOX)
    picture = _tinted(picture, generator)
    _write_label(picture)
    return np.array(picture)


def write_synthetic_dataset(folder: Path, *, per_class: int, size_px: int, seed: int) -> None:
    """Write `per_class` drawn cells of each class as JPEG files into class folders below `folder`, which may exist.

    Files are `KEY/KEY_00000.jpg` and so on; the same arguments write the same pictures, no two of which are alike.

    Raises:
        ValueError: seed or size_px out of range.
        OSError: the folder cannot be written.
    """
    for label, key in enumerate(CLASS_KEYS):
        class_folder = folder / key
        class_folder.mkdir(parents=True, exist_ok=True)
        for index in range(per_class):
            image = Image.fromarray(draw_cell(label, seed=seed * 100_000 + index, size_px=size_px))
            image.save(class_folder / f"{key}_{index:05d}.jpg", quality=_JPEG_QUALITY, subsampling=0)


def _blob(
    generator: Generator, radius: float, *, at: tuple[float, float] = (0, 0), stretch: float = 1, wobble: float = 0.06
) -> Polygon:
    angle = np.linspace(0, 2 * math.pi, 72, endpoint=False)
    distance = np.ones_like(angle)
    for wave in (2, 3, 5):
        distance += wobble / wave * 2 * generator.normal() * np.cos(wave * angle + generator.uniform(0, 2 * math.pi))
    return np.stack(
        (at[0] + radius * distance * np.cos(angle), at[1] + radius * stretch * distance * np.sin(angle)), axis=1
    )


def _bridge(start: tuple[float, float], end: tuple[float, float], width: float) -> Polygon:
    first, last = np.array(start), np.array(end)
    along = (last - first) / np.linalg.norm(last - first)
    across = np.array((-along[1], along[0])) * width / 2
    return np.stack((first + across, last + across, last - across, first - across))


def _no_nucleus(generator: Generator) -> list[Polygon]:
    return []


def _small_dense_nucleus(generator: Generator) -> list[Polygon]:
    return [_blob(generator, 0.56, at=(0.12, 0), wobble=0.02)]


def _large_round_nucleus(generator: Generator) -> list[Polygon]:
    return [_blob(generator, 0.84, at=(0.06, 0), wobble=0.04)]


def _large_oval_nucleus(generator: Generator) -> list[Polygon]:
    return [_blob(generator, 0.72, at=(0, 0.18), stretch=0.8)]


def _horseshoe_nucleus(generator: Generator) -> list[Polygon]:
    half_opening = generator.uniform(0.9, 1.3)
    angle = np.linspace(half_opening, 2 * math.pi - half_opening, 48)
    ring = np.stack((np.cos(angle), np.sin(angle)), axis=1)
    ends = [_blob(generator, 0.3, at=(0.52 * ring[index, 0], 0.52 * ring[index, 1])) for index in (0, -1)]
    return [np.concatenate((0.8 * ring, 0.26 * ring[::-1])), *ends]


def _two_lobes(generator: Generator) -> list[Polygon]:
    distance = generator.uniform(0.38, 0.48)
    lobes = [_blob(generator, 0.38, at=(side * distance, 0.1), stretch=1.15) for side in (-1, 1)]
    return [*lobes, _bridge((-distance, 0.15), (distance, 0.15), 0.18)]


def _three_to_five_lobes(generator: Generator) -> list[Polygon]:
    count = int(generator.integers(3, 6))
    span = (count - 1) * 1.15
    places = [
        (0.5 * math.cos(angle), 0.5 * math.sin(angle))
        for angle in np.linspace(-span / 2, span / 2, count) + generator.normal(0, 0.08, count)
    ]
    lobes = [_blob(generator, generator.uniform(0.23, 0.3), at=place, wobble=0.1) for place in places]
    return lobes + [_bridge(start, end, 0.1) for start, end in pairwise(places)]


_LOOKS: dict[str, _Look] = {
    "basophil": _Look(
        radius=0.20, cytoplasm=(206, 176, 206), nucleus_colour=(146, 92, 158), nucleus=_two_lobes,
        granules=(_Granules(count=110, radius=0.075, colour=(66, 28, 98), over_nucleus=True),),
    ),
    "eosinophil": _Look(
        radius=0.22, cytoplasm=(240, 196, 172), nucleus_colour=(118, 64, 146), nucleus=_two_lobes,
        granules=(_Granules(count=230, radius=0.06, colour=(222, 124, 88)),),
    ),
    "erythroblast": _Look(
        radius=0.16, cytoplasm=(178, 160, 186), nucleus_colour=(62, 26, 84), nucleus=_small_dense_nucleus,
    ),
    "immature_granulocyte": _Look(
        radius=0.26, cytoplasm=(190, 172, 214), nucleus_colour=(150, 82, 160), nucleus=_large_oval_nucleus,
        granules=(_Granules(count=150, radius=0.022, colour=(126, 56, 132), over_nucleus=True),),
    ),
    "lymphocyte": _Look(
        radius=0.165, cytoplasm=(158, 186, 226), nucleus_colour=(98, 52, 138), nucleus=_large_round_nucleus,
    ),
    "monocyte": _Look(
        radius=0.26, cytoplasm=(172, 174, 200), nucleus_colour=(130, 86, 156), nucleus=_horseshoe_nucleus, wobble=0.07,
        granules=(_Granules(count=9, radius=0.06, colour=(222, 218, 226)),),
    ),
    "neutrophil": _Look(
        radius=0.22, cytoplasm=(240, 212, 208), nucleus_colour=(104, 50, 136), nucleus=_three_to_five_lobes,
        granules=(_Granules(count=170, radius=0.02, colour=(206, 152, 176)),),
    ),
    "platelet": _Look(
        radius=0.06, cytoplasm=(196, 168, 206), nucleus_colour=(150, 100, 170), nucleus=_no_nucleus, wobble=0.14,
        granules=(_Granules(count=26, radius=0.13, colour=(136, 74, 152)),),
    ),
}  # fmt: skip
"""One look per class. The monocyte's pale granules are its vacuoles."""


def _draw_red_cells(canvas: Image.Image, generator: Generator, *, keep_free: tuple[Polygon, float]) -> None:
    centre, free_radius = keep_free
    pen = ImageDraw.Draw(canvas)
    placed: list[Polygon] = []
    size = 0.105 * canvas.width
    for _ in range(int(generator.integers(25, 70))):
        place = generator.uniform(-0.05, 1.05, size=2) * canvas.width
        if np.linalg.norm(place - centre) < free_radius + size * 1.02:
            continue
        if any(np.linalg.norm(place - other) < 1.9 * size for other in placed):
            continue
        placed.append(place)
        radius = size * generator.uniform(0.9, 1.05)
        outline = _blob(generator, 1.0, stretch=generator.uniform(0.9, 1.1), wobble=0.03)
        _fill(pen, place + radius * outline, _RED_CELL)
        for share in np.linspace(0.75, 0.35, 9):
            mix = (0.75 - share) / 0.4
            _fill(pen, place + radius * share * outline, _mixed(_RED_CELL, _RED_CELL_MIDDLE, mix))


def _draw_white_cell(canvas: Image.Image, generator: Generator, look: _Look, centre: Polygon, radius: float) -> None:
    pen = ImageDraw.Draw(canvas)
    outline = _blob(generator, 1.0, stretch=generator.uniform(0.92, 1.08), wobble=look.wobble)
    _fill(pen, centre + radius * outline, _mixed(look.cytoplasm, (90, 60, 110), 0.25))
    _fill(pen, centre + radius * 0.97 * outline, look.cytoplasm)
    for granules in look.granules:
        if not granules.over_nucleus:
            _draw_granules(pen, generator, granules, centre, radius)
    _draw_nucleus(canvas, generator, look, centre, radius)
    for granules in look.granules:
        if granules.over_nucleus:
            _draw_granules(pen, generator, granules, centre, radius)


def _draw_nucleus(canvas: Image.Image, generator: Generator, look: _Look, centre: Polygon, radius: float) -> None:
    mask = Image.new("L", canvas.size, 0)
    pen = ImageDraw.Draw(mask)
    turn = generator.uniform(0, 2 * math.pi)
    rotation = np.array(((math.cos(turn), -math.sin(turn)), (math.sin(turn), math.cos(turn))))
    for polygon in look.nucleus(generator):
        pen.polygon([(x, y) for x, y in (centre + radius * polygon @ rotation.T).tolist()], fill=255)
    coarse = generator.normal(0, 1, size=(48, 48)).clip(-2, 2) * 40 + 128
    clumps = Image.fromarray(coarse.astype(np.uint8)).resize(canvas.size, Image.Resampling.BICUBIC)
    light = Image.new("RGB", canvas.size, _mixed(look.nucleus_colour, (214, 176, 214), 0.4))
    dark = Image.new("RGB", canvas.size, _mixed(look.nucleus_colour, (40, 10, 60), 0.3))
    canvas.paste(Image.composite(light, dark, clumps), mask=mask.filter(ImageFilter.GaussianBlur(canvas.width / 400)))


def _draw_granules(
    pen: ImageDraw.ImageDraw, generator: Generator, granules: _Granules, centre: Polygon, radius: float
) -> None:
    for _ in range(granules.count):
        angle, distance = generator.uniform(0, 2 * math.pi), 0.9 * math.sqrt(generator.uniform())
        place = centre + radius * distance * np.array((math.cos(angle), math.sin(angle)))
        size = max(0.8, radius * granules.radius * generator.uniform(0.75, 1.25))
        colour = _mixed(granules.colour, (255, 255, 255), generator.uniform(0, 0.22))
        pen.ellipse((*(place - size).tolist(), *(place + size).tolist()), fill=colour)


def _tinted(picture: Image.Image, generator: Generator) -> Image.Image:
    stain = generator.uniform(0.92, 1.02) * generator.uniform(0.98, 1.02, size=3)
    noise = generator.normal(0, 2.5, size=(picture.height, picture.width, 1))
    return Image.fromarray((np.asarray(picture) * stain + noise).clip(0, 255).astype(np.uint8))


def _write_label(picture: Image.Image) -> None:
    side = picture.width
    pen = ImageDraw.Draw(picture)
    size = max(0.06 * side, 6.5)
    font = ImageFont.load_default(size)
    left, top, right, bottom = pen.textbbox((side / 2, side - 2), DRAWN_LABEL, font=font, anchor="mb")
    pen.rectangle((left - 2, top - 1, right + 1, bottom + 1), fill=(255, 255, 255))
    pen.text((side / 2, side - 2), DRAWN_LABEL, font=font, fill=(20, 20, 20), anchor="mb")


def _fill(pen: ImageDraw.ImageDraw, polygon: Polygon, colour: Colour) -> None:
    pen.polygon([(x, y) for x, y in polygon.tolist()], fill=colour)


def _mixed(colour: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(colour, other, strict=True))
    return red, green, blue
