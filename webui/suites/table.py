"""The table of a suite: figures and verdict per arm, where they come from, and the CSV."""

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from bloodcell.errors import BloodcellError
from bloodcell.report.comparison_table import verdict_words
from bloodcell.suites.suite import Suite, SuiteFolder
from bloodcell.suites.table import AccuracyFigures, ArmRow, suite_rows, suite_warning, table_csv
from webui.parts.words import counted, duration_words, error_words, percent

_DASH = "–"


def show_suite_table(folder: SuiteFolder) -> None:
    """Show what a suite has measured so far and what can be concluded from it."""
    try:
        suite, rows = folder.read(), suite_rows(folder)
    except BloodcellError as error:
        st.error(error_words(error), icon=":material/broken_image:")
        return
    if not any(row.runs for row in rows):
        st.caption("The table stands here as soon as the first run is finished.")
        return
    st.subheader("What can be concluded", anchor=False)
    if warning := suite_warning(rows):
        st.warning(warning, icon=":material/block:")
    st.table(_verdict_columns(rows), border="horizontal", alt="Difference from the base and verdict per arm")
    st.caption(
        "Difference from the base in percentage points; in brackets, what it may be on other images and with other "
        "seeds (95 % interval). Verdicts and intervals hold for all arms of the table at once: the chance that any of "
        "them is wrong is 5 %. The last column, p, is how often chance alone would show such a difference. A seed "
        "that collapsed, which means that it fell back towards guessing, is reported and left out of the difference."
    )
    st.subheader("Figures", anchor=False)
    st.table(_figure_columns(rows), border="horizontal", alt="Accuracies and speed per arm")
    st.caption(
        "Mean over seeds ± standard deviation, then its 95 % intervals over seeds and over images. The best epoch "
        "was picked on the validation images: their figure is optimistic. Training accuracy is measured on varied "
        "images and with dropout on, which switches parts of the network off and lowers it; where it still lies "
        "above validation, the run learned its images by heart or validation moves from epoch to epoch."
    )
    st.caption(_origin_words(suite, rows))
    st.download_button(
        "Download CSV",
        table_csv(rows),
        file_name=f"{folder.path.name}_table.csv",
        mime="text/csv",
        key="ablation_download_csv",
        icon=":material/download:",
        on_click="ignore",
    )


def _verdict_columns(rows: Sequence[ArmRow]) -> dict[str, list[str]]:
    compared = [row for row in rows if row.arm.base is not None]
    titles = {row.arm.name: row.arm.title for row in rows}
    return {
        "Arm": [row.arm.title for row in compared],
        "Verdict": [verdict_words(row) for row in compared],
        "Difference": [_difference_words(row) for row in compared],
        "Compared with": [titles[row.arm.base or ""] for row in compared],
        "On": [_images_words(row) for row in compared],
        "p": [_p_words(row) for row in compared],
    }


def _figure_columns(rows: Sequence[ArmRow]) -> dict[str, list[str]]:
    columns = {
        "Arm": [row.arm.title for row in rows],
        "Epochs": [str(row.arm.config.epochs) for row in rows],
        "Seeds": [str(row.runs) for row in rows],
        "Training, last epoch": [
            _DASH if row.training_accuracy is None else percent(row.training_accuracy) for row in rows
        ],
        "Validation, last epoch": [
            _DASH if row.last_validation_accuracy is None else percent(row.last_validation_accuracy) for row in rows
        ],
        "Validation, best (optimistic)": [_accuracy_words(row.best_validation) for row in rows],
        "Test": [_accuracy_words(row.test) for row in rows],
        "Images per second": [
            _DASH if row.images_per_second is None else f"{row.images_per_second:.0f}" for row in rows
        ],
        "Time per run": [_DASH if row.seconds is None else duration_words(row.seconds) for row in rows],
    }
    return columns if any(row.test for row in rows) else {name: columns[name] for name in columns if name != "Test"}


def _accuracy_words(figures: AccuracyFigures | None) -> str:
    if figures is None:
        return _DASH
    seeds, (low, high) = figures.seeds, figures.wilson
    words = percent(seeds.mean)
    if seeds.standard_deviation is not None and seeds.interval is not None:
        words += f" ± {100 * seeds.standard_deviation:.1f}; seeds {_range_words(*seeds.interval)}"
    return f"{words}; {figures.n:,} images {_range_words(low, high)}"


def _range_words(low: float, high: float) -> str:
    return f"{100 * max(low, 0):.1f} to {100 * min(high, 1):.1f} %"


def _images_words(row: ArmRow) -> str:
    if row.comparison is None:
        return _DASH
    words = f"{row.comparison.n:,} {row.compared_on} images, {counted(row.compared_epochs or 0, 'epoch', 'epochs')}"
    return words if row.compared_epochs == row.base_epochs else f"{words} (base {row.base_epochs})"


def _difference_words(row: ArmRow) -> str:
    if row.comparison is None:
        return _DASH
    words = f"{100 * row.comparison.difference:+.1f}"
    if row.comparison.interval is None:
        return words
    low, high = row.comparison.interval
    images_alone = " by the images alone" if row.comparison.is_single_seed else ""
    return f"{words} ({100 * low:+.1f} to {100 * high:+.1f}{images_alone})"


def _p_words(row: ArmRow) -> str:
    comparison = row.comparison
    if comparison is not None and comparison.adjusted_p_value is not None:
        return _p_value_words(comparison.adjusted_p_value)
    if comparison is not None and comparison.two_runs_p_value is not None:
        return f"{_p_value_words(comparison.two_runs_p_value)} for these two runs (McNemar), not for the arms"
    return _DASH


def _p_value_words(p_value: float) -> str:
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def _origin_words(suite: Suite, rows: Sequence[ArmRow]) -> str:
    """Return what the figures come from: image size, split, seeds, precision, hardware."""
    config = suite.arms[0].config
    hardware = ", ".join(dict.fromkeys(name for row in rows for name in row.hardware))
    seeds = ", ".join(map(str, suite.seeds))
    seen = (
        f"{counted(suite.seen_test_images, 'test image is', 'test images are')} among the training and validation "
        "images and left out · "
        if suite.seen_test_images
        else ""
    )
    return (
        f"{seen}{Path(suite.data_folder).name}, divided into training and validation images by seed "
        f"{config.split_seed} · {config.image_size_px} px · trained with seeds {seeds} · "
        f"computed in {config.precision} on {hardware} · version {suite.code_version}"
    )
