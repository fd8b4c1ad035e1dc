"""The statistics of a suite's arms as a table to read: figures with intervals, and the verdict in words."""

from collections.abc import Sequence

from bloodcell.report.table import Table
from bloodcell.suites.table import AccuracyFigures, ArmRow

NOT_MEASURED = "–"


def comparison_table(rows: Sequence[ArmRow]) -> Table:
    """Return a row per arm, in the suite's order."""
    return Table(
        name="comparison",
        title="Arms compared",
        columns=(
            *("Arm", "Verdict", "Seeds", "Test", "Validation (optimistic)"),
            *(
                "Δ to base",
                "95 % interval of Δ",
                "p",
                "Compared on",
                "Epochs",
                "Images per second",
                "Minutes",
            ),
        ),
        rows=tuple(_cells(row) for row in rows),
        note="Test, validation: the share of these images that is right, as the mean over seeds, then its 95 % "
        "interval over seeds, or over images where there is one seed. Δ is the difference from the base in "
        "percentage points. Its interval and the verdict count seeds and images together, and hold for all arms of "
        "the table at once: the chance that any of them is wrong is 5 %. With a single seed the interval is that of "
        "the images alone. A seed that collapsed, falling back towards guessing, is left out of Δ. p: how often "
        "chance alone would show such a difference, all arms of the table considered. The best epoch was picked on "
        "the validation images; test images were kept apart from every choice.",
    )


def verdict_words(row: ArmRow) -> str:
    """Return the verdict of an arm, or why there is none yet."""
    return row.verdict or ("not finished yet" if row.runs else "still to be run")


def _cells(row: ArmRow) -> tuple[str, ...]:
    comparison = row.comparison
    interval = None if comparison is None else comparison.interval
    adjusted = None if comparison is None else comparison.adjusted_p_value
    return (
        row.arm.title,
        NOT_MEASURED if row.arm.base is None and row.runs else verdict_words(row),
        str(row.runs),
        _accuracy(row.test),
        _accuracy(row.best_validation),
        NOT_MEASURED if comparison is None else _points(comparison.difference),
        NOT_MEASURED if interval is None else f"{_points(interval[0])} to {_points(interval[1])}",
        NOT_MEASURED if adjusted is None else f"{adjusted:.3g}",
        NOT_MEASURED if row.compared_on is None else f"{row.compared_on} images",
        _epochs(row),
        NOT_MEASURED if row.images_per_second is None else f"{row.images_per_second:,.0f}",
        NOT_MEASURED if row.seconds is None else f"{row.seconds / 60:,.1f}",
    )


def _epochs(row: ArmRow) -> str:
    if row.compared_epochs is None or row.compared_epochs == row.base_epochs:
        return str(row.compared_epochs or row.arm.config.epochs)
    return f"{row.compared_epochs}, base {row.base_epochs}"


def _accuracy(figures: AccuracyFigures | None) -> str:
    if figures is None:
        return NOT_MEASURED
    low, high = figures.seeds.interval or figures.wilson
    return f"{100 * figures.seeds.mean:.2f} % ({100 * max(0, low):.1f} to {100 * min(1, high):.1f})"


def _points(difference: float) -> str:
    return f"{100 * difference:+.2f}".replace("-", "−")
