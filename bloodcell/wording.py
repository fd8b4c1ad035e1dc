"""How figures are written for people: shares, counts, durations, memory; the same on pages and in suites' tables."""


def percent(share: float) -> str:
    """Write a share from 0 to 1 as a percentage with one decimal; only 1 and 0 themselves as 100.0 % and 0.0 %."""
    if 0.9995 <= share < 1:
        return "> 99.9 %"
    if 0 < share < 0.0005:
        return "< 0.1 %"
    return f"{100 * share:.1f} %"


def counted(number: int, one: str, many: str) -> str:
    """Return a number with its noun: 1 cell, 1,000 cells."""
    return f"{number:,} {one if number == 1 else many}"


def duration_words(seconds: float) -> str:
    """Write a duration with its one or two largest units: 40 s, 12 min, 3 h 20 min, 5 days."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return f"{round(hours / 24):,} days"
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def memory_words(mebibytes: float) -> str:
    """Write an amount of memory: 840 MB, 1.4 GB."""
    megabytes = mebibytes * 1.048576
    return f"{megabytes:.0f} MB" if megabytes < 1000 else f"{megabytes / 1000:.1f} GB"
