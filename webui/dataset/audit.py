"""The audit of a dataset on its page: run with progress or read from where it was kept, its figures and counts."""

import logging
from pathlib import Path

import plotly.graph_objects as go
import streamlit as st

from bloodcell.audit.audit import DatasetAudit, audit_dataset
from bloodcell.audit.audit_cache import keep_audit, read_kept_audit
from bloodcell.audit.audit_report import NOT_FOUND
from bloodcell.cell_classes import CELL_CLASSES
from bloodcell.datasets.folder_scan import FolderScan, other_files_words, scan_dataset
from bloodcell.errors import BloodcellError
from bloodcell.wording import counted, duration_words
from webui.parts.session_keys import DATASET_AUDIT
from webui.parts.words import error_words, plain_words, shown_name

logger = logging.getLogger(__name__)

_CHART = {"displayModeBar": False}
_SECONDS_PER_IMAGE = 0.01
"""About, on one to two cores."""


def scanned(folder: Path) -> FolderScan | None:
    """Return what a dataset folder holds; where it cannot be read, say why and return None."""
    try:
        return scan_dataset(folder)
    except (BloodcellError, OSError) as error:
        st.error(error_words(error), icon=":material/folder_off:")
        return None


def audited(scan: FolderScan) -> DatasetAudit | None:
    """Return the kept audit of a dataset, or offer to make it and return None until it is made."""
    try:
        audit = read_kept_audit(scan)
    except OSError as error:
        st.error(error_words(error))
        return None
    again = audit is not None
    words = "Audit again" if again else "Audit this dataset"
    with st.container(horizontal=True, vertical_alignment="center"):
        asked = st.button(
            words, key=DATASET_AUDIT, icon=":material/fact_check:", type="tertiary" if again else "primary"
        )
        about = duration_words(max(1, len(scan.files) * _SECONDS_PER_IMAGE))
        took = f"Took {duration_words(audit.seconds)}. No file has changed since." if audit else f"About {about}."
        st.caption(f"{counted(len(scan.files), 'image', 'images')}. {took}", width="content")
    return _audit(scan) if asked else audit


def _audit(scan: FolderScan) -> DatasetAudit | None:
    bar = st.progress(0.0, text="Checking images …")

    def progress(what: str, done: int, total: int) -> None:
        if done % 20 == 0 or done == total:
            bar.progress(done / total, text=f"{what.capitalize()}: {done:,} of {total:,}")

    try:
        audit = audit_dataset(scan.files, progress=progress)
        keep_audit(scan, audit)
    except (BloodcellError, OSError) as error:
        logger.warning("audit of %s: %s", scan.folder, error)
        bar.empty()
        st.error(error_words(error))
        return None
    bar.empty()
    # The whole page once more: the button and the words beside it now speak of a finished audit.
    st.rerun()


def show_figures(scan: FolderScan, audit: DatasetAudit) -> None:
    """Show the numbers of the audit in a row, and what of the folder was not read."""
    integrity = audit.integrity
    figures = {
        "Images": integrity.images,
        "Usable for training": len(integrity.usable),
        "Unreadable": len(integrity.unreadable),
        "Almost one colour": len(integrity.low_variance),
        "Equal files, groups": len(integrity.duplicate_groups),
        "Images with near duplicates": sum(map(len, audit.copy_groups)),
        "Copies under two labels": len(integrity.conflicting_groups) + len(audit.label_conflicts),
        "In both training and validation": len(audit.leaks),
        "Imaging conditions": len(audit.conditions),
    }
    with st.container(horizontal=True, gap="medium"):
        for name, number in figures.items():
            st.metric(name, f"{number:,}", width="content")
    st.caption(NOT_FOUND)
    if integrity.locked:
        st.info(
            f"{counted(len(integrity.locked), 'image belongs', 'images belong')} to the locked test set, or are copies "
            "of it. Training leaves them out, so that figures on that test set stay honest.",
            icon=":material/lock:",
        )
    if scan.other_folders:
        names = ", ".join(f"`{shown_name(name)}`" for name in scan.other_folders)
        st.caption(f"Folders that mean none of the eight classes are not read: {names.replace('``', '`')}.")
    if scan.other_files:
        st.caption(plain_words(other_files_words(scan.other_files)))


def show_counts(audit: DatasetAudit) -> None:
    """Show training and validation images per class, and the sizes of all images."""
    names = [cell_class.display_name for cell_class in CELL_CLASSES]
    training, validation = audit.training_counts, audit.validation_counts
    left_out = [
        total - one - other
        for total, one, other in zip(audit.integrity.class_counts, training, validation, strict=True)
    ]
    figure = go.Figure()
    series = (
        ("Training", training, "#1d6a96"),
        ("Validation", validation, "#ddaa33"),
        ("Left out", left_out, "#999999"),
    )
    for name, counts, colour in series:
        figure.add_bar(name=name, x=names, y=list(counts), marker_color=colour)
    figure.update_layout(
        barmode="stack", height=320, margin={"l": 0, "r": 0, "t": 10, "b": 0}, yaxis_title="images", legend_y=1.1,
        legend_orientation="h",
    )  # fmt: skip
    in_words = "; ".join(
        f"{name} {one:,} training, {other:,} validation"
        for name, one, other in zip(names, training, validation, strict=True)
    )
    st.plotly_chart(figure, config=_CHART, key="dataset_counts_chart", alt=f"Images per class: {in_words}")
    if any(training):
        share = sum(validation) / (sum(training) + sum(validation))
        st.caption(
            f"Divided by chance as training divides it (seed {audit.split_seed}): "
            f"{sum(training):,} images train, {sum(validation):,} "
            f"validate ({100 * share:.1f} %). Rarest class {min(training):,}, most frequent {max(training):,}."
        )
    elif audit.integrity.locked:
        st.caption("None of these images trains: they belong to the locked test set, or too few others are left.")
    else:
        st.caption("Too few images to divide into training and validation: training needs at least 5 per class.")
    sizes = [f"{width} × {height} px: {count:,}" for width, height, count in audit.sizes[:6]]
    more = f" · {len(audit.sizes) - 6} more sizes" if len(audit.sizes) > 6 else ""
    st.caption(f"Sizes: {' · '.join(sizes)}{more}")
