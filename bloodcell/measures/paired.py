"""Two runs on the same images: where both are right, where one is, and whether the difference can be chance."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from bloodcell.measures.significance import mcnemar_p_value


@dataclass(frozen=True, kw_only=True, slots=True)
class PairedAnswers:
    """Counts of images, by which of two runs is right."""

    both_right: int
    only_first: int
    only_second: int
    both_wrong: int
    p_value: float
    """Exact McNemar test, two-sided: how probable a division of the one-sided images is that is at least as uneven."""


def paired_answers(first_is_right: ArrayLike, second_is_right: ArrayLike) -> PairedAnswers:
    """Compare two runs image by image.

    Args:
        first_is_right: (N,), bool.
        second_is_right: (N,), bool, the same images in the same order.

    Raises:
        ValueError: they are not as many.
    """
    first, second = np.asarray(first_is_right, dtype=bool), np.asarray(second_is_right, dtype=bool)
    if first.ndim != 1 or first.shape != second.shape:
        raise ValueError(f"both must have the shape (N,), got {first.shape} and {second.shape}")
    only_first, only_second = int((first & ~second).sum()), int((~first & second).sum())
    return PairedAnswers(
        both_right=int((first & second).sum()),
        only_first=only_first,
        only_second=only_second,
        both_wrong=int((~first & ~second).sum()),
        p_value=mcnemar_p_value(only_first, only_second),
    )
