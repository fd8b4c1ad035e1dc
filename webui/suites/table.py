"""The table of a suite: figures and verdict per arm, where they come from, and the CSV."""

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from bloodcell.errors import BloodcellError
from bloodcell.report.comparison_table import figures_table, verdicts_table
from bloodcell.suites.columns import table_csv
from bloodcell.suites.suite import Suite, SuiteFolder
from bloodcell.suites.table import ArmRow, suite_rows, suite_warning
from bloodcell.wording import counted
from webui.parts.words import error_words


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
    verdicts, figures = verdicts_table(rows), figures_table(rows)
    st.subheader(verdicts.title, anchor=False)
    if warning := suite_warning(rows):
        st.warning(warning, icon=":material/block:")
    st.table(verdicts.by_column(), border="horizontal", alt="Difference from the base and verdict per arm")
    st.caption(verdicts.note)
    st.subheader(figures.title, anchor=False)
    st.table(figures.by_column(), border="horizontal", alt="Accuracies and speed per arm")
    st.caption(figures.note)
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
