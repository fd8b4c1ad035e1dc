"""The pictures that an audit is about: copies side by side, what is hardly a picture, imaging conditions."""

import io
from collections.abc import Sequence
from math import exp
from pathlib import Path

import streamlit as st
from PIL import Image
from streamlit.delta_generator import DeltaGenerator

from bloodcell.audit.audit import DatasetAudit, ImagingCondition
from bloodcell.errors import BloodcellError
from bloodcell.images.open_image import read_image_file
from bloodcell.wording import counted
from webui.parts.words import class_name, name_as_markdown, shown_name

_PAIRS_SHOWN, _NAMES_SHOWN, _EXAMPLES = 12, 50, 6
_THUMBNAIL_PX = 160


def show_faults(folder: Path, audit: DatasetAudit) -> None:
    """Show each kind of fault that occurs with its pictures; where none occurs, say so."""
    integrity = audit.integrity
    equal = [group[:2] for group in integrity.duplicate_groups if group not in integrity.conflicting_groups]
    conflicts = [group[:2] for group in integrity.conflicting_groups]
    similar = {pair.files: f"similarity {pair.similarity:.3f}{f', {pair.turn}' if pair.turn else ''}"
               for pair in audit.near_duplicates}  # fmt: skip
    label_conflicts = [*conflicts, *(pair.files for pair in audit.label_conflicts)]
    near = [pair.files for pair in audit.near_duplicates if pair.labels[0] == pair.labels[1]]
    _show_pairs(folder, "The same cell under two labels: one label is wrong", label_conflicts, similar)
    _show_pairs(
        folder,
        "In training and again in validation: accuracy looks too good",
        audit.leaks,
        similar,
        noun="image",
        remark_otherwise="copies of the same image",
    )
    _show_pairs(folder, "Near duplicates: turned, resized, recompressed or cropped copies", near, similar)
    _show_groups([group for group in audit.copy_groups if len(group) > 2])
    if audit.partly_compared:
        st.warning(
            f"{counted(audit.partly_compared, 'image looks', 'images look')} like so many others that not all of these "
            "were compared. Copies among them may be missing here.",
            icon=":material/warning:",
        )
    _show_pairs(folder, "Equal files, kept together when images are divided into training and validation", equal, {})
    if integrity.low_variance:
        with _section("Almost one colour: no cell to be seen", len(integrity.low_variance), "image"):
            _thumbnails(folder, [name for name, _ in integrity.low_variance[:_PAIRS_SHOWN]])
    if integrity.unreadable:
        with _section("Unreadable", len(integrity.unreadable), "file"):
            for name, reason in integrity.unreadable[:_NAMES_SHOWN]:
                st.markdown(f"{name_as_markdown(name)}: {reason}")
    if not (label_conflicts or audit.leaks or near or equal or integrity.low_variance or integrity.unreadable):
        st.success("No unreadable image, no copy, no label conflict, no leak.", icon=":material/check:")


def show_conditions(folder: Path, audit: DatasetAudit) -> None:
    """Show what the imaging conditions look like and in which classes they occur."""
    if len(audit.conditions) < 2:
        st.caption("All images look as if they came from one microscope and setting.")
        return
    mixed = ", ".join(class_name(label) for label in audit.mixed_classes) or "none"
    st.markdown(
        f"{len(audit.conditions)} groups of images differ in background or sharpness. A model can learn the setting in "
        f"place of the cell where it goes with the class. Classes with more than one: {mixed}."
    )
    for number, condition in enumerate(audit.conditions, start=1):
        _show_condition(folder, number, condition)


def _show_condition(folder: Path, number: int, condition: ImagingCondition) -> None:
    red, green, blue = condition.background
    st.markdown(
        f"**Condition {number}** · {counted(len(condition.files), 'image', 'images')} · background red {red}, "
        f"green {green}, blue {blue} (of 255) · "
        f"sharpness: fine detail is {100 * exp(condition.sharpness):.0f} % of coarse"
    )
    counts = [f"{class_name(label)} {count:,}" for label, count in enumerate(condition.class_counts) if count]
    st.caption(" · ".join(counts))
    step = max(1, len(condition.files) // _EXAMPLES)
    _thumbnails(folder, condition.files[::step][:_EXAMPLES])


def _show_pairs(
    folder: Path,
    title: str,
    pairs: Sequence[tuple[str, ...]],
    remarks: dict[tuple[str, str], str],
    *,
    noun: str = "pair",
    remark_otherwise: str = "equal bytes",
) -> None:
    if not pairs:
        return
    with _section(title, len(pairs), noun):
        for first, second, *_ in pairs[:_PAIRS_SHOWN]:
            remark = remarks.get((first, second)) or remarks.get((second, first)) or remark_otherwise
            with st.container(horizontal=True, vertical_alignment="center"):
                for name in (first, second):
                    with st.container(width=2 * _THUMBNAIL_PX):
                        _thumbnail(folder, name)
                        st.caption(name_as_markdown(name))
                st.caption(remark, width="content")
        if len(pairs) > _PAIRS_SHOWN:
            st.caption(f"The first {_PAIRS_SHOWN} of {len(pairs):,}. `python -m bloodcell check` lists them all.")


def _show_groups(groups: Sequence[tuple[str, ...]]) -> None:
    """Name all members of groups that the pairs show only in part."""
    if not groups:
        return
    with _section("Three or more copies of one image", len(groups), "group"):
        for group in groups[:_PAIRS_SHOWN]:
            names = " · ".join(name_as_markdown(name) for name in group[:_NAMES_SHOWN])
            more = f" · and {len(group) - _NAMES_SHOWN:,} more" if len(group) > _NAMES_SHOWN else ""
            st.markdown(f"**{len(group):,} images**: {names}{more}")
        st.caption("`python -m bloodcell check --json` lists them all.")


def _section(title: str, number: int, noun: str) -> DeltaGenerator:
    return st.expander(f"{title} · {counted(number, noun, f'{noun}s')}", icon=":material/warning:")


def _thumbnails(folder: Path, names: Sequence[str]) -> None:
    with st.container(horizontal=True):
        for name in names:
            with st.container(width=_THUMBNAIL_PX):
                _thumbnail(folder, name)


def _thumbnail(folder: Path, name: str) -> None:
    path = folder / name
    try:
        picture = _small_picture(str(path), path.stat().st_mtime_ns)
    except (BloodcellError, OSError):
        st.caption(f"{name_as_markdown(name)} cannot be read any more.")
        return
    st.image(picture, alt=f"Cell image {shown_name(name)}", width=_THUMBNAIL_PX)


# The time of change is part of the key, so that a file that was replaced is read anew.
@st.cache_data(max_entries=512, show_spinner=False)
def _small_picture(path: str, changed_ns: int) -> bytes:
    picture = Image.fromarray(read_image_file(Path(path)))
    picture.thumbnail((2 * _THUMBNAIL_PX, 2 * _THUMBNAIL_PX))
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=90)
    return stream.getvalue()
