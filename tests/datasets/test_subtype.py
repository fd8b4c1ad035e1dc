from pathlib import Path

import pytest

from bloodcell.cell_classes import CLASS_KEYS
from bloodcell.datasets.folder_scan import scan_dataset
from bloodcell.datasets.subtype import SUBTYPES, is_near_miss, subtype_of_file

NEUTROPHIL, IMMATURE, BASOPHIL = (CLASS_KEYS.index(key) for key in ("neutrophil", "immature_granulocyte", "basophil"))


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("neutrophil/BNE_417.jpg", "Band neutrophil"),
        ("SNE_1.jpg", "Segmented neutrophil"),
        ("ig/MMY_22.jpg", "Metamyelocyte"),
        ("ig/MY_22.jpg", "Myelocyte"),
        ("ig/pmy_22.jpg", "Promyelocyte"),
        ("a/b/PLATELET_9.png", "Platelet"),
    ],
)
def test_the_code_in_front_of_a_name_is_the_subtype(file: str, name: str) -> None:
    subtype = subtype_of_file(file)
    assert subtype is not None
    assert subtype.display_name == name


@pytest.mark.parametrize(
    "file", ["", "417.jpg", "BNEX_1.jpg", "BNE_dir/417.jpg", "=cmd.jpg", "<script>.jpg", "cell.png"]
)
def test_another_name_has_no_subtype(file: str) -> None:
    assert subtype_of_file(file) is None


def test_band_neutrophil_and_metamyelocyte_are_near_misses_of_each_other() -> None:
    assert is_near_miss("BNE_1.jpg", IMMATURE)
    assert is_near_miss("MMY_1.jpg", NEUTROPHIL)


@pytest.mark.parametrize("file", ["SNE_1.jpg", "PMY_1.jpg", "BA_1.jpg", "1.jpg"])
def test_no_other_mistake_is_a_near_miss(file: str) -> None:
    assert not any(is_near_miss(file, predicted) for predicted in range(len(CLASS_KEYS)))
    assert not is_near_miss("BNE_1.jpg", BASOPHIL)


@pytest.mark.real_images
def test_every_real_file_has_a_subtype_of_its_class(real_data_folder: Path) -> None:
    files = scan_dataset(real_data_folder / "pbc3200").files
    subtypes = [subtype_of_file(file.relative_path) for file in files]
    assert [subtype and subtype.label for subtype in subtypes] == [file.label for file in files]
    assert {subtype.code for subtype in subtypes if subtype} == {subtype.code for subtype in SUBTYPES}
