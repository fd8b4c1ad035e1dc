"""Near duplicates: copies that were turned, mirrored, recompressed, resized or slightly cropped.

First every pair is compared roughly: a picture of 8 × 8 grey values in the eight turns and mirrorings against the whole
and ten crops of every other, all by matrix products. The pairs that are left are laid over each other exactly.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bloodcell.audit.sketch_alignment import align_sketches

SKETCH_PX = 64
"""Side, in pixels, of the grey picture that an image is compared by."""
_COARSE_PX = 8
_OFFSETS = (-0.05, 0.0, 0.05)
_BOXES = np.array(
    [(0, 0, 1, 1), *((x, y, 0.95, 0.95) for x in _OFFSETS for y in _OFFSETS), (0, 0, 0.9, 0.9)], np.float32
)
"""Parts of an original that a copy may show: centre x, centre y, width, height; 0, 0, 1, 1 is all, edges at ±1."""
_COARSE_SIMILARITY = 0.95
"""Correlation from which on a pair is looked at more closely. Measured on copies of 300 PBC images, cropped by up to
5 % at each side: the least alike have 0.975."""
LEAST_SIMILARITY = 0.97
"""Correlation after alignment from which on two pictures show the same. Measured: copies of 300 PBC images,
recompressed, resized, turned, cropped and all at once, have at least 0.997; the most alike of 3,200 different
images 0.931."""
_ROWS_AT_ONCE = 256
_CANDIDATES_PER_ROUND = 20
"""Pictures that an image is laid over at once, the most alike first."""
_MOST_ROUNDS = 20
"""Bounds the time where hundreds look alike and are no copies, as drawings do; what is left out is counted."""

_TURNS: tuple[str, ...] = (
    "", "rotated by 90°", "rotated by 180°", "rotated by 270°", "mirrored", *["mirrored and rotated"] * 3,
)  # fmt: skip

Progress = Callable[[int, int], object]
"""Called with images done and images in all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SimilarPair:
    """Two pictures that show the same, by their places in the input."""

    first: int
    second: int
    """Above `first`."""
    similarity: float
    """Correlation of the grey values after alignment, at least `LEAST_SIMILARITY`, at most 1."""
    turn: str
    """How one is turned against the other, in words; empty: not at all."""


def sketch(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 → (S, S) uint8 grey, the whole image squeezed into a square of `SKETCH_PX`."""
    grey = Image.fromarray(image).convert("L")
    return np.asarray(grey.resize((SKETCH_PX, SKETCH_PX), Image.Resampling.BILINEAR))


@dataclass(frozen=True, kw_only=True, slots=True)
class SimilarImages:
    """Which pictures show the same."""

    pairs: tuple[SimilarPair, ...]
    """In order. Of many copies of one picture not every pair is here, but pairs lead from each copy to all others."""
    partly_compared: int
    """Pictures that look like so many others that some of these were never laid over them."""


def find_similar_images(sketches: NDArray[np.uint8], *, progress: Progress | None = None) -> SimilarImages:
    """Find all pictures that show the same.

    Args:
        sketches: (N, S, S), see `sketch`.
        progress: called in this thread after each block of images.
    """
    grey = sketches.astype(np.float32)
    crops = _descriptors(grey, _BOXES)
    turned = np.stack([_descriptors(picture, _BOXES[:1])[0] for picture in _turned(grey)])
    groups = np.arange(len(grey))
    found: dict[tuple[int, int], SimilarPair] = {}
    partly_compared = 0
    for start in range(0, len(grey), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        likeness = _likeness(crops[:, rows], turned, start)
        for _ in range(_MOST_ROUNDS):
            wholes, copies = _take_most_alike(likeness, start)
            if not len(wholes):
                break
            for pair in _verified(grey, crops, turned, wholes, copies):
                known = found.get((pair.first, pair.second))
                if known is None or known.similarity < pair.similarity:
                    found[pair.first, pair.second] = pair
                groups[groups == groups[pair.second]] = groups[pair.first]
            # Copies that are known to belong together need no further look.
            likeness[groups[rows, None] == groups] = -1
        partly_compared += int((likeness >= _COARSE_SIMILARITY).any(axis=1).sum())
        if progress is not None:
            progress(min(start + _ROWS_AT_ONCE, len(grey)), len(grey))
    return SimilarImages(pairs=tuple(found[pair] for pair in sorted(found)), partly_compared=partly_compared)


def _turned(pictures: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Return the eight turns and mirrorings of pictures (…, S, S), in the order of `_TURNS`."""
    return [np.rot90(side, turns, (-2, -1)) for side in (pictures, pictures[..., ::-1]) for turns in range(4)]


def _descriptors(pictures: NDArray[np.float32], boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, S, S) and (B, 4) → (B, N, D): each box of each picture as a vector of mean 0 and length 1."""
    parts = []
    for x, y, width, height in boxes:
        small = _shrinking(y, height) @ pictures @ _shrinking(x, width).T
        flat = small.reshape(len(pictures), -1)
        flat = flat - flat.mean(1, keepdims=True)
        parts.append(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-3))
    return np.stack(parts)


def _shrinking(centre: float, scale: float) -> NDArray[np.float32]:
    """Return the matrix (D, S) by which Pillow shrinks a part of an axis, antialiased."""
    low, high = ((centre + sign * scale + 1) / 2 * SKETCH_PX for sign in (-1, 1))
    axis = Image.fromarray(np.eye(SKETCH_PX, dtype=np.float32))
    return np.asarray(axis.resize((SKETCH_PX, _COARSE_PX), Image.Resampling.BILINEAR, box=(0, low, SKETCH_PX, high)))


def _likeness(crops: NDArray[np.float32], turned: NDArray[np.float32], start: int) -> NDArray[np.float32]:
    """Return how much each of a block of originals, from `start` on, is roughly like every image; -1 like itself."""
    best = np.full((crops.shape[1], turned.shape[1]), -1, np.float32)
    for way in turned:
        for crop in crops:
            np.maximum(best, crop @ way.T, out=best)
    own = np.arange(len(best))
    best[own, start + own] = -1
    return best


def _take_most_alike(likeness: NDArray[np.float32], start: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return originals and what may be a copy of each, the most alike; they are taken out of `likeness`."""
    count = min(_CANDIDATES_PER_ROUND, likeness.shape[1])
    most_alike = np.argpartition(likeness, -count, axis=1)[:, -count:]
    rows, places = np.nonzero(np.take_along_axis(likeness, most_alike, axis=1) >= _COARSE_SIMILARITY)
    copies = most_alike[rows, places]
    likeness[rows, copies] = -1
    return rows + start, copies


def _verified(
    grey: NDArray[np.float32],
    crops: NDArray[np.float32],
    turned: NDArray[np.float32],
    wholes: NDArray[np.intp],
    copies: NDArray[np.intp],
) -> Iterator[SimilarPair]:
    """Yield those of the candidates that show the same after alignment."""
    if not len(wholes):
        return
    fits = np.einsum("bnd,tnd->nbt", crops[:, wholes], turned[:, copies]).reshape(len(wholes), -1)
    box, way = np.divmod(fits.argmax(1), len(turned))
    pictures = np.stack([_turned(grey[copy])[turn] for copy, turn in zip(copies, way, strict=True)])
    similarities = align_sketches(grey[wholes], pictures, _BOXES[box])
    for pair in np.nonzero(similarities >= LEAST_SIMILARITY)[0]:
        yield SimilarPair(
            first=int(min(wholes[pair], copies[pair])),
            second=int(max(wholes[pair], copies[pair])),
            similarity=min(1.0, float(similarities[pair])),
            turn=_TURNS[way[pair]],
        )
