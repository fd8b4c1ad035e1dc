"""The columns of a suite's table: each in words for people and in figures for programs, spelled once.

Pages, reports and table.csv show them; a column without a title stands in the CSV alone.
"""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bloodcell.paths import write_atomically
from bloodcell.suites.suite import SuiteFolder
from bloodcell.suites.table import AccuracyFigures, ArmRow, suite_rows
from bloodcell.wording import counted, duration_words, percent

NOT_MEASURED = "–"


@dataclass(frozen=True, kw_only=True, slots=True)
class ArmColumn:
    """One fact about an arm."""

    title: str = ""
    words: Callable[[ArmRow], str] = lambda row: NOT_MEASURED
    """As it is shown."""
    figures: Callable[[ArmRow], Mapping[str, Any]] = lambda row: {}
    """CSV column → value; None where it is not measured. Shares from 0 to 1, times in seconds."""


def verdict_words(row: ArmRow) -> str:
    """Return the verdict of an arm, or why there is none yet; a dash for the base of all."""
    if row.arm.base is None and row.runs:
        return NOT_MEASURED
    return row.verdict or ("not finished yet" if row.runs else "still to be run")


def _share(value: float | None) -> str:
    return NOT_MEASURED if value is None else percent(value)


def _accuracy(figures: AccuracyFigures | None) -> str:
    if figures is None:
        return NOT_MEASURED
    seeds, (low, high) = figures.seeds, figures.wilson
    words = percent(seeds.mean)
    if seeds.standard_deviation is not None and seeds.interval is not None:
        words += f" ± {100 * seeds.standard_deviation:.1f}; seeds {_range(*seeds.interval)}"
    return f"{words}; {figures.n:,} images {_range(low, high)}"


def _range(low: float, high: float) -> str:
    return f"{100 * max(low, 0):.1f} to {100 * min(high, 1):.1f} %"


def _points(difference: float) -> str:
    return f"{100 * difference:+.2f}".replace("-0.00", "0.00").replace("+0.00", "0.00").replace("-", "−")


def _difference(row: ArmRow) -> str:
    return NOT_MEASURED if row.comparison is None else _points(row.comparison.difference)


def _interval(row: ArmRow) -> str:
    if row.comparison is None or row.comparison.interval is None:
        return NOT_MEASURED
    low, high = row.comparison.interval
    images_alone = ", by the images alone" if row.comparison.is_single_seed else ""
    return f"{_points(low)} to {_points(high)}{images_alone}"


def _p(row: ArmRow) -> str:
    comparison = row.comparison
    if comparison is not None and comparison.adjusted_p_value is not None:
        return _p_value(comparison.adjusted_p_value)
    if comparison is not None and comparison.two_runs_p_value is not None:
        return f"{_p_value(comparison.two_runs_p_value)} for these two runs (McNemar), not for the arms"
    return NOT_MEASURED


def _p_value(p_value: float) -> str:
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def _compared_on(row: ArmRow) -> str:
    if row.comparison is None:
        return NOT_MEASURED
    words = f"{row.comparison.n:,} {row.compared_on} images, {counted(row.compared_epochs or 0, 'epoch', 'epochs')}"
    return words if row.compared_epochs == row.base_epochs else f"{words} (base {row.base_epochs})"


def _figures_of(name: str, figures: AccuracyFigures | None) -> dict[str, Any]:
    seeds = None if figures is None else figures.seeds
    return {
        f"{name}_accuracy": None if seeds is None else seeds.mean,
        f"{name}_sd_over_seeds": None if seeds is None else seeds.standard_deviation,
        **_ends(f"{name}_over_seeds", None if seeds is None else seeds.interval),
        f"{name}_images": None if figures is None else figures.n,
        **_ends(f"{name}_over_images", None if figures is None else figures.wilson),
    }


def _ends(name: str, interval: tuple[float, float] | None) -> dict[str, Any]:
    low, high = interval or (None, None)
    return {f"{name}_low": low, f"{name}_high": high}


def _compared(name: str) -> Callable[[ArmRow], Any]:
    return lambda row: None if row.comparison is None else getattr(row.comparison, name)


COLUMNS: Mapping[str, ArmColumn] = {
    "arm": ArmColumn(
        title="Arm", words=lambda row: row.arm.title, figures=lambda row: {"arm": row.arm.name, "base": row.arm.base}
    ),
    "epochs": ArmColumn(
        title="Epochs",
        words=lambda row: str(row.arm.config.epochs),
        figures=lambda row: {"epochs": row.arm.config.epochs, "image_size_px": row.arm.config.image_size_px},
    ),
    "seeds": ArmColumn(title="Seeds", words=lambda row: str(row.runs), figures=lambda row: {"seeds": row.runs}),
    "training": ArmColumn(
        title="Training, last epoch",
        words=lambda row: _share(row.training_accuracy),
        figures=lambda row: {"training_accuracy": row.training_accuracy},
    ),
    "best_validation": ArmColumn(
        title="Validation, best (optimistic)",
        words=lambda row: _accuracy(row.best_validation),
        figures=lambda row: _figures_of("best_validation", row.best_validation),
    ),
    "last_validation": ArmColumn(
        title="Validation, last epoch",
        words=lambda row: _share(row.last_validation_accuracy),
        figures=lambda row: {"last_validation_accuracy": row.last_validation_accuracy},
    ),
    "test": ArmColumn(
        title="Test", words=lambda row: _accuracy(row.test), figures=lambda row: _figures_of("test", row.test)
    ),
    "compared_on": ArmColumn(
        title="Compared on",
        words=_compared_on,
        figures=lambda row: {"compared_on": row.compared_on, "compared_epochs": row.compared_epochs},
    ),
    "difference": ArmColumn(
        title="Difference", words=_difference, figures=lambda row: {"difference": _compared("difference")(row)}
    ),
    "interval": ArmColumn(
        title="95 % interval", words=_interval, figures=lambda row: _ends("difference", _compared("interval")(row))
    ),
    "p": ArmColumn(
        title="p",
        words=_p,
        figures=lambda row: {
            "p_value": _compared("p_value")(row),
            "p_value_holm": _compared("adjusted_p_value")(row),
            "p_value_two_runs": _compared("two_runs_p_value")(row),
        },
    ),
    "verdict": ArmColumn(title="Verdict", words=verdict_words, figures=lambda row: {"verdict": row.verdict}),
    "speed": ArmColumn(
        title="Images per second",
        words=lambda row: NOT_MEASURED if row.images_per_second is None else f"{row.images_per_second:,.0f}",
        figures=lambda row: {"images_per_second": row.images_per_second},
    ),
    "time": ArmColumn(
        title="Time per run",
        words=lambda row: NOT_MEASURED if row.seconds is None else duration_words(row.seconds),
        figures=lambda row: {"seconds_per_run": row.seconds},
    ),
    "hardware": ArmColumn(figures=lambda row: {"hardware": "; ".join(row.hardware)}),
    "base_epochs": ArmColumn(figures=lambda row: {"base_epochs": row.base_epochs}),
    "verdict_kind": ArmColumn(
        figures=lambda row: {
            "verdict_kind": _compared("verdict")(row),
            "differs_by_less_than": _compared("largest_difference")(row),
        }
    ),
    "collapsed": ArmColumn(
        figures=lambda row: {
            "seeds_collapsed": None if row.comparison is None else len(row.comparison.collapsed),
            "base_seeds_collapsed": None if row.comparison is None else len(row.comparison.base_collapsed),
            "explaining_sd_over_seeds": _compared("explaining_spread")(row),
        }
    ),
}
"""In the order of the CSV, where new ones are added at the end."""


def table_csv(rows: Sequence[ArmRow]) -> bytes:
    """Return the table as CSV, UTF-8: shares from 0 to 1 with six decimals, times in seconds."""
    cells = [
        {name: value for column in COLUMNS.values() for name, value in column.figures(row).items()} for row in rows
    ]
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, fieldnames=list(cells[0]) if cells else ["arm"], lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({name: _text(value) for name, value in row.items()} for row in cells)
    return stream.getvalue().encode()


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.6f}" if isinstance(value, float) else str(value)


def write_suite_table(folder: SuiteFolder) -> None:
    """Write table.csv of a suite.

    Raises:
        As `suite_rows`.
    """
    write_atomically(folder.table, table_csv(suite_rows(folder)))
