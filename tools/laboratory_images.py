"""Images of several laboratories and pictures of no cell, decoded once, for the weights that answer anywhere."""

import csv
import hashlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from itertools import chain
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor

from bloodcell.datasets.folder_scan import LabelledFile, scan_dataset
from bloodcell.datasets.split import stratified_split
from bloodcell.images.model_input import as_images, prepare_image
from bloodcell.images.open_image import open_image
from tests.builders import not_cells
from tools.laboratory_cells import Field, bccd_field, red_cell_squares

STORED_PX = 192
"""Side of the decoded images; the field of view is a part of it."""
SPLIT_SEED = 0
"""As of the weights trained on the home laboratory alone: both validate on the same images."""
CHULA_HELD_OUT = ("B-57", "E-15", "L-9", "L-10", "M-5Bb", "M-5B", "M-4B", "M-3B", "N-1B")
"""Slides that validate."""
BCCD_HELD_OUT_SHARE = 0.25
PHOTO_CROPS = 4000
DRAWN_SEED = 77
"""Of what is drawn to train on; tests and measurements draw with other seeds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelledImages:
    """Images of one laboratory, with the side of the split that each is on."""

    images: Tensor
    """(N, 3, S, S) uint8, whole images."""
    labels: Tensor
    """(N,) int64."""
    is_held_out: Tensor
    """(N,) bool: validates, and is not trained on."""
    sha256: tuple[str, ...]
    """Of the files' bytes, hexadecimal."""

    def held_out(self) -> "LabelledImages":
        """Return those that validate."""
        chosen = self.is_held_out
        sha256 = tuple(one for one, is_chosen in zip(self.sha256, chosen.tolist(), strict=True) if is_chosen)
        return LabelledImages(
            images=self.images[chosen], labels=self.labels[chosen], is_held_out=chosen[chosen], sha256=sha256
        )


def decode(pictures: Iterable[np.ndarray]) -> Tensor:
    """Return whole pictures, (H, W, 3) uint8 each, as (N, 3, S, S) uint8, S = `STORED_PX`."""
    return as_images(np.stack([prepare_image(picture, image_size_px=STORED_PX) for picture in pictures])).contiguous()


def _opened(file: LabelledFile) -> tuple[np.ndarray, str]:
    data = file.path.read_bytes()
    return prepare_image(open_image(data), image_size_px=STORED_PX), hashlib.sha256(data).hexdigest()


def _labelled(files: Sequence[LabelledFile], held_out: Sequence[bool] | None) -> LabelledImages:
    with ThreadPoolExecutor(2) as pool:
        opened = list(pool.map(_opened, files))
    hashes = {file.relative_path: sha256 for file, (_, sha256) in zip(files, opened, strict=True)}
    if held_out is None:
        split = stratified_split(files, hashes, split_seed=SPLIT_SEED)
        names = {entry.file for entry in split.validation}
        held_out = [file.relative_path in names for file in files]
    return LabelledImages(
        images=as_images(np.stack([image for image, _ in opened])).contiguous(),
        labels=torch.tensor([file.label for file in files]),
        is_held_out=torch.tensor(held_out),
        sha256=tuple(hashes.values()),
    )


def _digest_share(name: str) -> float:
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) / 16**8


def is_held_out_field(name: str) -> bool:
    """Whether a BCCD field, by its name without the ending, validates."""
    return _digest_share(name) < BCCD_HELD_OUT_SHARE


def laboratory_images(name: str, folder: Path) -> LabelledImages:
    """Decode a laboratory: `home` and `more` with all their classes, `bccd`, `chula`, or any other, all held out."""
    files = scan_dataset(folder).files
    if name == "home":
        return _labelled(files, None)
    if name == "more":
        return _labelled(files, [False] * len(files))
    if name == "bccd":
        return _labelled(files, [is_held_out_field(file.path.stem) for file in files])
    if name == "chula":
        with (folder / "labels.csv").open(newline="") as stream:
            slides = {row["file"]: row["slide"] for row in csv.DictReader(stream)}
        known = {Path(file).stem: slide for file, slide in slides.items()}
        return _labelled(files, [known[file.path.stem] in CHULA_HELD_OUT for file in files])
    return _labelled(files, [True] * len(files))


@dataclass(frozen=True, kw_only=True, slots=True)
class NoCells:
    """Pictures that hold no single cell, (N, 3, S, S) uint8."""

    pictures: Tensor
    """That may be turned and enlarged."""
    fields: Tensor
    """Whole smear fields: enlarged, they would show a single cell."""


def ground_of(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return a square of what lies in a corner of a cell image, mirrored to about the image's size or enlarged."""
    height, width = image.shape[:2]
    side = int(min(height, width) * random.uniform(0.24, 0.32))
    top, left = int(random.choice([0, height - side])), int(random.choice([0, width - side]))
    corner = image[top : top + side, left : left + side]
    if random.uniform() < 0.3:
        return corner
    pad = side if random.uniform() < 0.5 else side // 2
    return np.pad(corner, [(pad, pad), (pad, pad), (0, 0)], mode="symmetric")


def _blurred(image: np.ndarray, sigma_px: float) -> np.ndarray:
    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(sigma_px)))


def _home_pictures(home: Path, random: np.random.Generator) -> Iterable[np.ndarray]:
    files = scan_dataset(home).files
    for index in random.permutation(len(files))[:1100].tolist():
        image = open_image(files[index].path.read_bytes())
        yield ground_of(image, random) if index % 4 else _blurred(image, random.uniform(13, 26))


def _fields(source: Path, *, held_out: bool) -> list[Field]:
    names = sorted(path.name for path in (source / "JPEGImages").iterdir())
    return [bccd_field(source, name) for name in names if is_held_out_field(Path(name).stem) == held_out]


def no_cells(home: Path, bccd: Path | None, *, held_out: bool = False) -> NoCells:
    """Gather pictures of no cell: drawn ones, what lies beside cells, unfocused cells, fields and their red cells.

    Args:
        bccd: fields with boxes; None where that laboratory is left out.
        held_out: the fields that validate, and nothing of home.
    """
    random = np.random.default_rng(DRAWN_SEED + held_out)
    seed, part = DRAWN_SEED + held_out, 4 if held_out else 1
    drawn: list[Iterable[np.ndarray]] = [
        not_cells.blanks(300 // part, seed=seed),
        not_cells.textures(500 // part, seed=seed),
        not_cells.texts(200 // part, seed=seed),
        not_cells.drawings(250 // part, seed=seed),
    ]
    if not held_out:
        drawn.append(_home_pictures(home, random))
    fields = [] if bccd is None else _fields(bccd, held_out=held_out)
    drawn += [red_cell_squares(field, 3, random) for field in fields]
    whole = [field.image for field in fields]
    empty = torch.zeros(0, 3, STORED_PX, STORED_PX, dtype=torch.uint8)
    return NoCells(pictures=decode(chain.from_iterable(drawn)), fields=decode(whole) if whole else empty)


@dataclass(frozen=True, kw_only=True, slots=True)
class PhotoCrops:
    """Crops of ordinary pictures."""

    pictures: Tensor
    """(N, 3, S, S) uint8."""


def photo_crops(folder: Path) -> PhotoCrops:
    """Return square crops of a folder's pictures, of any size and anywhere, each picture as often."""
    pictures = {path.name: open_image(path.read_bytes()) for path in sorted(folder.iterdir())}
    return PhotoCrops(pictures=decode(not_cells.random_crops(pictures, PHOTO_CROPS, seed=DRAWN_SEED)))


_Kind = TypeVar("_Kind", LabelledImages, NoCells, PhotoCrops)


def cached(path: Path, kind: type[_Kind], make: Callable[[], _Kind]) -> _Kind:
    """Return what was decoded before, or decode and keep it."""
    if path.exists():
        return kind(**torch.load(path, weights_only=True))
    made = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({entry.name: getattr(made, entry.name) for entry in fields(made)}, path)
    return made
