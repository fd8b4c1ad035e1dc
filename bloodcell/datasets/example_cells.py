"""The 24 real cells that ship with the program, three per class; `examples/README.md` says whose they are.

They are the first by name of each class in the locked test set, not picked by what a model says of them.
"""

from pathlib import Path

from bloodcell.datasets.folder_scan import LabelledFile, scan_dataset

EXAMPLES_FOLDER = Path(__file__).with_name("examples")
EXAMPLES_CREDIT = (
    "Acevedo et al., Data in Brief 30 (2020) 105474, CellaVision DM96, Hospital Clínic de Barcelona; CC BY 4.0"
)


def example_cells() -> tuple[LabelledFile, ...]:
    """Return the files with the class that pathologists gave, class by class."""
    files = scan_dataset(EXAMPLES_FOLDER).files
    return tuple(sorted(files, key=lambda file: (file.label, file.path.name)))
