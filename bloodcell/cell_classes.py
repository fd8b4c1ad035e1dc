"""The eight classes of blood cells: order, names to show, folder aliases and colours."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class CellClass:
    """One class that a model can answer."""

    key: str
    """Name in CSV files, folders of ours and `p_*` columns."""
    display_name: str
    """Name on pages and in figures."""
    folder_aliases: tuple[str, ...]
    """Other folder names that mean this class, in lower case."""
    colour: str
    """Hex colour, safe for colour-blind readers. Source: P. Tol, "Colour schemes", SRON/EPS/TN/09-002, muted scheme."""


CELL_CLASSES: tuple[CellClass, ...] = (
    CellClass(key="basophil", display_name="Basophil", folder_aliases=("basophils", "ba"), colour="#332288"),
    CellClass(key="eosinophil", display_name="Eosinophil", folder_aliases=("eosinophils", "eo"), colour="#CC6677"),
    CellClass(
        key="erythroblast",
        display_name="Erythroblast",
        folder_aliases=("erythroblasts", "erb", "normoblast", "nrbc"),
        colour="#882255",
    ),
    CellClass(
        key="immature_granulocyte",
        display_name="Immature granulocyte",
        folder_aliases=(
            "ig",
            "immature granulocyte",
            "immature-granulocyte",
            "immature granulocytes",
            "immature_granulocytes",
        ),
        colour="#999933",
    ),
    CellClass(key="lymphocyte", display_name="Lymphocyte", folder_aliases=("lymphocytes", "ly"), colour="#88CCEE"),
    CellClass(key="monocyte", display_name="Monocyte", folder_aliases=("monocytes", "mo"), colour="#117733"),
    CellClass(key="neutrophil", display_name="Neutrophil", folder_aliases=("neutrophils", "ne"), colour="#44AA99"),
    CellClass(
        key="platelet",
        display_name="Platelet",
        folder_aliases=("platelets", "thrombocyte", "thrombocytes", "plt"),
        colour="#DDCC77",
    ),
)
"""Order of logits, probabilities and confusion matrices."""

CLASS_KEYS: tuple[str, ...] = tuple(cell_class.key for cell_class in CELL_CLASSES)
CLASS_COUNT: int = len(CELL_CLASSES)

_INDEX_OF_FOLDER = {
    name: index
    for index, cell_class in enumerate(CELL_CLASSES)
    for name in (cell_class.key, *cell_class.folder_aliases)
}


FOLDER_NAMES: tuple[str, ...] = tuple(_INDEX_OF_FOLDER)
"""All names of folders that mean a class, in small letters."""


def class_index_of_folder(folder_name: str) -> int | None:
    """Return the class that a folder name means, or None. Case and surrounding blanks do not matter."""
    return _INDEX_OF_FOLDER.get(folder_name.strip().lower())
