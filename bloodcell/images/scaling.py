"""Samples of more than 8 bits, brought to 0 … 255 by the range that they really use."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from bloodcell.errors import UnreadableImage

_STRAY_SHARE = 0.001
"""Share of samples at either end that may be hot or dead pixels."""
_STRAY_GAP = 0.5
"""How far beyond all others, in parts of their range, such samples must lie to be left out of the range."""
_CAMERA_BITS = (8, 9, 10, 11, 12, 13, 14, 16)
_BLOCK_SAMPLES = 1_000_000
_LOWEST_HIGH_RANGE = 16.0


def stretched_grey(grey: NDArray[np.generic], *, white_is_zero: bool = False) -> NDArray[np.uint8]:
    """Stretch one channel (H, W) linearly: its lowest finite value becomes 0, its highest 255.

    A few values far beyond all others, such as hot pixels, are left out of the range and clipped. NaN and minus
    infinity become 0, plus infinity 255, and an image with one value everywhere mid-grey. `white_is_zero` swaps the
    two ends.

    Raises:
        UnreadableImage: no value is finite.
    """
    low, high = _range_without_strays(grey)
    scaled = _to_bytes(grey, low, high)
    return 255 - scaled if white_is_zero else scaled


def scaled_colour(samples: NDArray[np.generic], *, bits: int | None = None) -> NDArray[np.uint8]:
    """Scale colour (H, W, 3 or 4), by one factor for all channels, so that hues stay.

    Integers are divided by the largest value of the bits that they really use: a 12-bit camera's colours in 16 bits
    by 4095. Floats up to 1 are taken as 0 to 1, larger ones as integers; a range that begins below zero is shifted.

    Args:
        bits: how many bits the file says that samples have, where it packs fewer than the array's type holds.

    Raises:
        UnreadableImage: no value is finite.
    """
    low, high = _range_without_strays(samples)
    if low < -0.01 * max(high, 0.0):
        return _to_bytes(samples, low, high)
    if bits is not None:
        return _to_bytes(samples, 0.0, 2.0**bits - 1)
    if np.issubdtype(samples.dtype, np.floating):
        return _to_bytes(samples, 0.0, _top_of_floats(high))
    return _to_bytes(samples, 0.0, _top_of_integers(high))


def _top_of_integers(high: float) -> float:
    tops = (2.0**bits - 1 for bits in (*_CAMERA_BITS, *range(17, 65)))
    return next(top for top in tops if high <= top)


def _top_of_floats(high: float) -> float:
    if high <= 1.001:
        return 1.0
    # Between: light beyond white, as HDR has it. From there on, floats that hold a camera's integers.
    return high if high < _LOWEST_HIGH_RANGE or high > 2.0**64 - 1 else _top_of_integers(high)


def _range_without_strays(samples: NDArray[np.generic]) -> tuple[float, float]:
    """Return the lowest and the highest finite sample, a few that lie far beyond all others left out."""
    size = sum(block.size for block in _finite_blocks(samples))
    if not size:
        raise UnreadableImage("The image holds no finite value. Export it again from its source.")
    strays = max(1, int(size * _STRAY_SHARE))
    below, above = _ends(samples, strays + 1 if size > 2 * strays else 1)
    if size <= 2 * strays:
        return float(below.min()), float(above.max())
    inner_low, inner_high = float(below.max()), float(above.min())
    gap = _STRAY_GAP * (inner_high - inner_low)
    return float(below[below >= inner_low - gap].min()), float(above[above <= inner_high + gap].max())


def _ends(samples: NDArray[np.generic], count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the `count` lowest and the `count` highest finite samples, (count,) each, as float64."""
    lowest = highest = np.empty(0, samples.dtype)
    for block in _finite_blocks(samples):
        lowest, highest = np.concatenate((lowest, block)), np.concatenate((highest, block))
        if lowest.size > count:
            lowest = np.partition(lowest, count - 1)[:count]
            highest = np.partition(highest, highest.size - count)[-count:]
    return lowest.astype(np.float64), highest.astype(np.float64)


def _finite_blocks(samples: NDArray[np.generic]) -> Iterator[NDArray[np.generic]]:
    """Yield the finite samples in blocks of rows: copies of a whole picture would be several times its bytes."""
    for rows in _row_blocks(samples):
        values = samples[rows].ravel()
        yield values[np.isfinite(values)] if np.issubdtype(values.dtype, np.floating) else values


def _row_blocks(samples: NDArray[np.generic]) -> Iterator[slice]:
    rows = max(1, _BLOCK_SAMPLES // max(1, samples[0].size))
    return (slice(start, start + rows) for start in range(0, len(samples), rows))


def _to_bytes(samples: NDArray[np.generic], low: float, high: float) -> NDArray[np.uint8]:
    """Map low … high to 0 … 255, in blocks of rows: float64 of a whole image would be eight times its bytes."""
    result = np.empty(samples.shape, np.uint8)
    for rows in _row_blocks(samples):
        # float64: float32 cannot hold the difference of two 32-bit integers, nor that of the largest float32 values.
        block = samples[rows].astype(np.float64)
        if low == high:
            block = np.where(block == low, 0.5, np.where(block > low, 1.0, np.where(block < low, 0.0, np.nan)))
        else:
            block -= low
            block /= high - low
        np.nan_to_num(block, copy=False, nan=0.0, posinf=1.0, neginf=0.0)
        np.clip(block, 0.0, 1.0, out=block)
        block *= 255.0
        result[rows] = np.rint(block, out=block)
    return result
