"""The statistics of a suite's arms as tables to read: figures with intervals, and the verdict in words."""

from collections.abc import Sequence

from bloodcell.report.table import Table
from bloodcell.suites.columns import COLUMNS
from bloodcell.suites.table import ArmRow

_VERDICTS = ("arm", "verdict", "difference", "interval", "compared_on", "p")
_FIGURES = ("arm", "epochs", "seeds", "training", "last_validation", "best_validation", "test", "speed", "time")
_ALL = (
    *("arm", "verdict", "seeds", "test", "best_validation", "difference", "interval", "p", "compared_on"),
    *("epochs", "speed", "time"),
)
VERDICTS_NOTE = (
    "Difference from the base in percentage points, and what it may be on other images and with other seeds "
    "(95 % interval). Verdicts and intervals hold for all arms of the table at once: the chance that any of "
    "them is wrong is 5 %. The last column, p, is how often chance alone would show such a difference. A seed "
    "that collapsed, which means that it fell back towards guessing, is reported and left out of the difference."
)
FIGURES_NOTE = (
    "Mean over seeds ± standard deviation, then its 95 % intervals over seeds and over images. The best epoch "
    "was picked on the validation images: their figure is optimistic. Training accuracy is measured on varied "
    "images and with dropout on, which switches parts of the network off and lowers it; where it still lies "
    "above validation, the run learned its images by heart or validation moves from epoch to epoch."
)
_NOTE = (
    "Test, validation: the share of these images that is right, as the mean over seeds ± standard deviation, then its "
    "95 % intervals over seeds and over images. The difference from the base is in percentage points. Its interval and "
    "the verdict count seeds and images together, and hold for all arms of the table at once: the chance that any of "
    "them is wrong is 5 %. With a single seed the interval is that of the images alone. A seed that collapsed, falling "
    "back towards guessing, is left out of the difference. p: how often chance alone would show such a difference, all "
    "arms of the table considered. The best epoch was picked on the validation images; test images were kept apart "
    "from every choice."
)


def comparison_table(rows: Sequence[ArmRow]) -> Table:
    """Return figures and verdict, a row per arm, in the suite's order."""
    return _table(rows, _ALL, name="comparison", title="Arms compared", note=_NOTE)


def verdicts_table(rows: Sequence[ArmRow]) -> Table:
    """Return what can be concluded, a row per arm that has a base, with the name of that."""
    compared = [row for row in rows if row.arm.base is not None]
    table = _table(compared, _VERDICTS, name="verdicts", title="What can be concluded", note=VERDICTS_NOTE)
    titles = {row.arm.name: row.arm.title for row in rows}
    bases = [titles[row.arm.base or ""] for row in compared]
    return Table(
        name=table.name,
        title=table.title,
        columns=(*table.columns[:4], "Compared with", *table.columns[4:]),
        rows=tuple((*cells[:4], base, *cells[4:]) for cells, base in zip(table.rows, bases, strict=True)),
        note=table.note,
    )


def figures_table(rows: Sequence[ArmRow]) -> Table:
    """Return accuracies and speed, a row per arm; without a column of test images where no arm has any."""
    names = [name for name in _FIGURES if name != "test" or any(row.test for row in rows)]
    return _table(rows, names, name="figures", title="Figures", note=FIGURES_NOTE)


def _table(rows: Sequence[ArmRow], names: Sequence[str], *, name: str, title: str, note: str) -> Table:
    columns = [COLUMNS[column] for column in names]
    return Table(
        name=name,
        title=title,
        columns=tuple(column.title for column in columns),
        rows=tuple(tuple(column.words(row) for column in columns) for row in rows),
        note=note,
    )
