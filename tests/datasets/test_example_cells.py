"""The cells that ship as examples: whose they are, that no weights that ship knew them, and what is answered."""

import hashlib
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from bloodcell.answers.classifier import Classifier
from bloodcell.answers.reading_ahead import ImageSource
from bloodcell.cell_classes import CLASS_COUNT
from bloodcell.datasets.example_cells import EXAMPLES_CREDIT, EXAMPLES_FOLDER, example_cells
from bloodcell.datasets.locked_test import LOCKED_TEST_FILE
from bloodcell.images.open_image import read_image_bytes
from bloodcell.paths import DEFAULT_WEIGHTS, SHIPPED_WEIGHTS
from bloodcell.weights.file import load_weights

SHA256 = (
    "261ddd42160f8c02996f626cc8ea4bec2c436c9e52ec3af65c9dac9b0ad09519",  # basophil/BA_101611.jpg
    "2d8437fcdb3c175167df160af6795094aef03364de07c925b9b4708bef4c2cf9",  # basophil/BA_107595.jpg
    "389a4797d69d787be38e28428a06af4199f106ef53b047774e21b75d22eda264",  # basophil/BA_107876.jpg
    "048df0ef925babba50e6c5e6f10f14d04ed8564f69d04081af2d8124101c01db",  # eosinophil/EO_114140.jpg
    "169fef43d50b42ab65dbfdff233584fccef73190763b13e25feacde903e2703a",  # eosinophil/EO_118266.jpg
    "90c05509ff2f6675670104c44efd2f5255e64d0e60a48aa380bd6d485ac7919e",  # eosinophil/EO_134458.jpg
    "24b5c340b4df1a9a820401df4b2d75d85308c6b2ebbbd6ece33f35e3d5647101",  # erythroblast/ERB_103778.jpg
    "f3644feca9a9d58e1292a2f0a88a14b3af9edbaa3d40cc5dbe156b23403e21b7",  # erythroblast/ERB_106275.jpg
    "6cc7983d761e33f894b6ab1a2a79b904b51b45b759f20b079c19bc5c8ebe59a5",  # erythroblast/ERB_113770.jpg
    "c0f3e314a8c0ce558eb07eef7e8d6c7103ca4e16467f4c4d8010818dc06f2959",  # immature_granulocyte/IG_132866.jpg
    "03dd109c73d2657416b67e419c11d8924c21cff7fafbe5d0f0856862ccad0d4c",  # immature_granulocyte/IG_562106.jpg
    "a3504964d8f61d9d0d8ca0d92d6106ae325c6076a21908f65a871bafb4bba717",  # immature_granulocyte/IG_663576.jpg
    "90d0165609e1decdc2381bee798bf3921fe0ddc4727c7d3f7baeb713e7e395fa",  # lymphocyte/LY_121452.jpg
    "9a54a960efc2f5258bc3cbe062bf5c84642f4a37701eb0d818dd1d16eefdc350",  # lymphocyte/LY_123592.jpg
    "b1e0d06d55ee0093429b21e3785dc97e3d6f2e7bedd5b60a6a9a159cc62f98f1",  # lymphocyte/LY_13675.jpg
    "77bcd5f68663d710e1f57239455c10366ce40e56fccce23827891375bc0ea601",  # monocyte/MO_105547.jpg
    "60c4421f3f02e66c7a5b52d3cbd4089e0bcce3b27bac0f043b7cb47deeac6217",  # monocyte/MO_10819.jpg
    "b2a8ce670b1bfc31688efcb20cb694ffbf147490913c3a31f89693f3d10eb668",  # monocyte/MO_112202.jpg
    "124c181f1eb18f652fac4cfe09b253961e8557def52879e060439d58741b2b1d",  # neutrophil/BNE_125415.jpg
    "59dcff0af6eb9635d59151b2636d3c426dd98def817014600cbb9bcb4615afd3",  # neutrophil/BNE_141953.jpg
    "373a590866068393b73c9130757b8c58a86cc866348c9529fed22c1d2d123fc2",  # neutrophil/BNE_17008.jpg
    "c44aab1b1abaeb83b86cb77ca41a29862d026daa8bf98de558dc4c1ad24a37f1",  # platelet/PLATELET_102535.jpg
    "33dc8a0a4a384da212eee95413e659b9c31c6825780db31910ab870b729ccbf0",  # platelet/PLATELET_113280.jpg
    "d1c7acdc818a53cd0164b21df04d60d644727ba325fc9eb7147a0a3b399dfca9",  # platelet/PLATELET_129331.jpg
)
"""Of the files as the locked test set holds them."""
SOURCE_NAMES = {"immature_granulocyte": "ig"}


def _sha256() -> list[str]:
    return [hashlib.sha256(file.path.read_bytes()).hexdigest() for file in example_cells()]


def test_they_are_unchanged_three_per_class_small_and_credited() -> None:
    assert sorted(_sha256()) == sorted(SHA256)
    assert Counter(file.label for file in example_cells()) == dict.fromkeys(range(CLASS_COUNT), 3)
    assert sum(path.stat().st_size for path in EXAMPLES_FOLDER.rglob("*") if path.is_file()) < 600_000
    credit = (EXAMPLES_FOLDER / "README.md").read_text(encoding="utf-8")
    assert all(words in credit for words in ("Acevedo", "105474", "CC BY 4.0", "snkd93bnjr"))
    assert "Acevedo" in EXAMPLES_CREDIT
    assert "CC BY 4.0" in EXAMPLES_CREDIT


def test_all_are_locked_test_images() -> None:
    locked = {line.split()[0] for line in LOCKED_TEST_FILE.read_text().splitlines() if not line.startswith("#")}
    assert set(_sha256()) <= locked


@pytest.mark.parametrize("name", sorted(path.stem for path in SHIPPED_WEIGHTS.glob("*.safetensors")))
def test_no_weights_that_ship_know_them(name: str) -> None:
    known = load_weights(name).known_images
    if known is None:
        pytest.skip(f"The weights {name} do not record their training images.")
    assert known.isdisjoint(_sha256())


def test_they_are_the_first_of_each_class_by_name(real_data_folder: Path) -> None:
    for folder in sorted(path for path in EXAMPLES_FOLDER.iterdir() if path.is_dir()):
        originals = sorted((real_data_folder / "pbc_test" / SOURCE_NAMES.get(folder.name, folder.name)).iterdir())[:3]
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
            path.name: path.read_bytes() for path in originals
        }


def test_the_weights_that_ship_answer_them_rightly_and_most_as_sure() -> None:
    files = example_cells()
    sources = [ImageSource(name=file.path.name, read=partial(read_image_bytes, file.path)) for file in files]
    rows = [answer.row for answer in Classifier.load(DEFAULT_WEIGHTS).answers(sources)]
    assert [row.predicted for row in rows] == [file.label for file in files]
    assert sum(row.status == "ok" for row in rows) >= 20
