"""Laboratories that a person has named: a labelled folder each, kept in BLOODCELL_HOME, measured under their name."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bloodcell.cell_classes import CELL_CLASSES, CLASS_KEYS
from bloodcell.datasets.folder_scan import scan_dataset
from bloodcell.errors import DatasetError
from bloodcell.json_objects import json_object
from bloodcell.paths import laboratories_folder, readable_path, write_atomically

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}")


@dataclass(frozen=True, kw_only=True, slots=True)
class NamedLaboratory:
    """A laboratory's name and where its labelled cells lie."""

    name: str
    folder: Path
    """Absolute."""
    images: tuple[int, ...]
    """(K,), labelled images per class when it was added."""

    def words(self) -> str:
        """Return name, number of images, classes and folder in a line."""
        classes = ", ".join(
            f"{CELL_CLASSES[label].display_name.lower()} {count:,}" for label, count in enumerate(self.images) if count
        )
        return f"{self.name}: {sum(self.images):,} images ({classes}) in {readable_path(self.folder)}"


def add_laboratory(folder: Path, name: str) -> NamedLaboratory:
    """Name a labelled folder.

    Raises:
        DatasetError: the name is none or is taken, or the folder holds no labelled images.
        OSError: BLOODCELL_HOME cannot be written.
    """
    if _NAME.fullmatch(name) is None:
        raise DatasetError(
            f"A laboratory's name is up to 60 letters, digits, - and _, and begins with a letter or digit: {name!r}."
        )
    path = laboratories_folder() / f"{name}.json"
    if path.exists():
        raise DatasetError(f"There is a laboratory named '{name}' already. Choose another name.")
    made = NamedLaboratory(name=name, folder=folder.resolve(), images=scan_dataset(folder).class_counts())
    entries = {"folder": str(made.folder), "images": dict(zip(CLASS_KEYS, made.images, strict=True))}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, (json.dumps(entries, indent=1) + "\n").encode())
    return made


def laboratory(name: str) -> NamedLaboratory:
    """Return a laboratory by its name.

    Raises:
        DatasetError: nobody has added it, or its file was damaged.
    """
    path = laboratories_folder() / f"{name}.json"
    if _NAME.fullmatch(name) is None or not path.is_file():
        known = ", ".join(laboratory_names()) or "none yet"
        raise DatasetError(
            f"There is no laboratory named '{name}'. Laboratories: {known}. Add one with "
            "`python -m bloodcell laboratory add DIR --name NAME`."
        )
    try:
        entries = json_object(path.read_bytes())
        images = tuple(int(entries["images"][key]) for key in CLASS_KEYS)
        return NamedLaboratory(name=name, folder=Path(str(entries["folder"])), images=images)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(
            f"The entry of the laboratory '{name}' cannot be read. Remove {readable_path(path)} and add it anew."
        ) from error


def laboratory_names() -> Sequence[str]:
    """Return the names of all laboratories that were added, sorted."""
    return sorted(path.stem for path in laboratories_folder().glob("*.json"))
