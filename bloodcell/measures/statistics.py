"""How sure a share is: intervals for counts."""

from math import sqrt
from statistics import NormalDist

SEEDS_AND_IMAGES = "seeds and images"
"""What an interval of several runs counts, as cards store it; where they do not say so it counts the seeds alone."""


def wilson_interval(successes: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval of a share, lower and upper bound, both 0 to 1.

    Args:
        successes: 0 to total.
        total: at least 1.
        confidence: above 0 and below 1.

    Raises:
        ValueError: an argument is out of its range.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    """
    if total < 1:
        raise ValueError(f"total must be at least 1, got {total}")
    if not 0 <= successes <= total:
        raise ValueError(f"successes must lie between 0 and total ({total}), got {successes}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = successes / total
    centre = (share + z * z / (2 * total)) / (1 + z * z / total)
    half_width = z / (1 + z * z / total) * sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    # Both bounds are exact at the ends in theory; rounding alone would put them 1e-17 off.
    low = 0.0 if successes == 0 else centre - half_width
    high = 1.0 if successes == total else centre + half_width
    return low, high
