import numpy as np

from bloodcell.cell_classes import CLASS_COUNT, CLASS_KEYS
from bloodcell.measures.by_subtype import answers_by_subtype

NEUTROPHIL, IMMATURE, PLATELET = (CLASS_KEYS.index(key) for key in ("neutrophil", "immature_granulocyte", "platelet"))


def test_mistakes_are_divided_into_near_misses_and_others() -> None:
    files = ["BNE_1.jpg", "BNE_2.jpg", "BNE_3.jpg", "MMY_1.jpg", "unnamed.jpg"]
    labels = np.array([NEUTROPHIL, NEUTROPHIL, NEUTROPHIL, IMMATURE, PLATELET])
    predicted = np.array([NEUTROPHIL, IMMATURE, PLATELET, NEUTROPHIL, NEUTROPHIL])
    counted = answers_by_subtype(files, labels, predicted, CLASS_COUNT)
    divided = [(one.n, one.right, one.near_misses, one.other_mistakes) for one in counted]
    assert [one.subtype and one.subtype.code for one in counted] == ["MMY", "BNE", None]
    assert divided == [(1, 0, 1, 0), (3, 1, 1, 1), (1, 0, 0, 1)]
    assert sum(one.counts for one in counted).tolist() == np.bincount(predicted, minlength=CLASS_COUNT).tolist()


def test_a_name_that_contradicts_the_folder_has_no_subtype() -> None:
    (one,) = answers_by_subtype(["BNE_1.jpg"], np.array([IMMATURE]), np.array([IMMATURE]), CLASS_COUNT)
    assert one.subtype is None
    assert one.right == 1
    assert one.near_misses == 0
