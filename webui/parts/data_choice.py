"""The choice of a dataset folder: only what lies in BLOODCELL_DATA or in the home's data folder can be chosen."""

import contextlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import streamlit as st

from bloodcell.datasets.folder_scan import folder_stamp, holds_classes, scan_dataset
from bloodcell.errors import DatasetError
from bloodcell.laboratories.named import laboratory, laboratory_names
from bloodcell.paths import data_folder, own_data_folder

NO_DATA_WORDS = (
    "There is no dataset yet. Put a folder that holds one folder per class into `{folder}`, or start the app with "
    "`BLOODCELL_DATA` naming one."
)


def available_data_folders() -> dict[str, Path]:
    """Return the dataset folders that pages may use, by the name under which they are shown.

    These are BLOODCELL_DATA and the folders in it, and the folders in the home's `data`, as far as they hold folders of
    classes. What a link leads out of these two places to is left out.
    """
    found: dict[str, Path] = {}
    named = data_folder()
    if named is not None:
        root = named.resolve()
        for folder in (root, *_folders_in(root)):
            if holds_classes(folder):
                found[folder.name] = folder
    for folder in _folders_in(own_data_folder()):
        if holds_classes(folder):
            found[folder.name if folder.name not in found else f"{folder.name} (downloaded)"] = folder
    return found


def named_laboratories() -> dict[str, Path]:
    """Return the folders of all laboratories that were added, by the name under which they are shown."""
    found = {}
    for name in laboratory_names():
        # An entry that was damaged is told by `laboratory list`; here it is not offered.
        with contextlib.suppress(DatasetError):
            found[f"Laboratory {name}"] = laboratory(name).folder
    return found


def chosen_data_folder(
    key: str, *, label: str = "Dataset", more: Mapping[str, Path] = MappingProxyType({})
) -> Path | None:
    """Show the choice of a dataset; where there is none, say how to get one and return None.

    Args:
        key: the widget's, a name from `session_keys`.
        more: further folders to choose from, by name; they come first.
    """
    folders = {**more, **available_data_folders()}
    if not folders:
        st.info(NO_DATA_WORDS.format(folder=own_data_folder()), icon=":material/folder_open:")
        return None
    # Names come from this very list, so none can lead elsewhere.
    return folders[st.selectbox(label, list(folders), key=key, help="Folders with one folder per class of cell.")]


def choose_unusable(key: str) -> bool:
    """Show the switch that lets training begin although many images are unusable; return it.

    Args:
        key: the widget's, a name from `session_keys`.
    """
    return st.toggle(
        "Train although images are unusable",
        key=key,
        help="Otherwise training stops before it begins where a class has no usable image or more than 1 % of the "
        "images cannot be read: what is left would give figures that hide it.",
    )


def ask_for_memory(shortage: str, *, key: str, start: Callable[[], None]) -> None:
    """Say why nothing was started, and offer to start it all the same.

    Args:
        key: the button's.
    """
    st.warning(f"Not started. {shortage}", icon=":material/memory:")
    st.button("Start all the same", key=key, icon=":material/play_arrow:", on_click=start)


def image_count(folder: Path) -> int:
    """Return how many images a dataset holds; counted again once files were added or removed.

    Raises:
        DatasetError: it holds none.
        OSError: it cannot be read.
    """
    return _image_count(str(folder), folder_stamp(folder))


@st.cache_data(max_entries=8, show_spinner="Counting images …")
def _image_count(folder: str, stamp: int) -> int:
    return len(scan_dataset(Path(folder)).files)


def _folders_in(root: Path) -> list[Path]:
    try:
        entries = sorted(entry.name for entry in os.scandir(root) if entry.is_dir() and not entry.name.startswith("."))
    except OSError:
        return []
    return [folder for name in entries if (folder := (root / name).resolve()).is_relative_to(root)]
