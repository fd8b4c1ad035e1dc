"""How cards write shares and intervals."""


def share_text(share: float, decimals: int = 1) -> str:
    """Write a share from 0 to 1 as a percentage."""
    return f"{100 * float(share):.{decimals}f} %"


def range_text(low: float, high: float, *, decimals: int = 1) -> str:
    """Write an interval of shares from 0 to 1 as percentages."""
    return f"{100 * float(low):.{decimals}f} to {100 * float(high):.{decimals}f} %"
