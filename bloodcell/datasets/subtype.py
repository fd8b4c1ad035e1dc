"""The second level of labels: the subtype that the source's pathologists wrote in front of a file's name."""

import re
from dataclasses import dataclass

from bloodcell.cell_classes import CLASS_KEYS

_NEUTROPHIL = CLASS_KEYS.index("neutrophil")
_IMMATURE = CLASS_KEYS.index("immature_granulocyte")


@dataclass(frozen=True, kw_only=True, slots=True)
class Subtype:
    """What a code before the first underscore of a file name means."""

    code: str
    display_name: str
    label: int
    """Index of the class that the subtype belongs to."""
    neighbour: int | None = None
    """Index of the class that the next stage of maturation belongs to, where that is another one; else None."""


def _subtype(code: str, display_name: str, class_key: str, neighbour: int | None = None) -> Subtype:
    return Subtype(code=code, display_name=display_name, label=CLASS_KEYS.index(class_key), neighbour=neighbour)


SUBTYPES: tuple[Subtype, ...] = (
    _subtype("BA", "Basophil", "basophil"),
    _subtype("EO", "Eosinophil", "eosinophil"),
    _subtype("ERB", "Erythroblast", "erythroblast"),
    _subtype("PMY", "Promyelocyte", "immature_granulocyte"),
    _subtype("MY", "Myelocyte", "immature_granulocyte"),
    _subtype("MMY", "Metamyelocyte", "immature_granulocyte", _NEUTROPHIL),
    _subtype("IG", "Immature granulocyte, stage not given", "immature_granulocyte"),
    _subtype("LY", "Lymphocyte", "lymphocyte"),
    _subtype("MO", "Monocyte", "monocyte"),
    _subtype("BNE", "Band neutrophil", "neutrophil", _IMMATURE),
    _subtype("SNE", "Segmented neutrophil", "neutrophil"),
    _subtype("NEUTROPHIL", "Neutrophil, stage not given", "neutrophil"),
    _subtype("PLATELET", "Platelet", "platelet"),
)
"""In class order and, within the granulocytes, in the order in which they mature.

Source: A. Acevedo et al., "A dataset of microscopic peripheral blood cell images", Data in Brief 30, 2020.
"""

_BY_CODE = {subtype.code: subtype for subtype in SUBTYPES}
_CODE = re.compile(r"([A-Za-z]+)[_ -]?\d*")


def subtype_of_file(file: str) -> Subtype | None:
    """Return the subtype in front of a file's name ('neutrophil/BNE_417.jpg'), or None where there is no known code."""
    found = _CODE.match(file.rpartition("/")[2])
    return _BY_CODE.get(found.group(1).upper()) if found else None


def subtype_name(subtype: Subtype | None) -> str:
    """Return the subtype's name and code; None: the file name says nothing."""
    return "No subtype in the name" if subtype is None else f"{subtype.display_name} ({subtype.code})"


def is_near_miss(file: str, predicted: int) -> bool:
    """Say whether an answer is the class of the next stage of maturation.

    Band neutrophil and metamyelocyte are such neighbours: the nucleus of one becomes that of the other without a step,
    so observers disagree there as well. Any other mistake is none.
    """
    subtype = subtype_of_file(file)
    return subtype is not None and subtype.neighbour == predicted
