import io
import zipfile

import pytest

from bloodcell.cell_classes import CLASS_KEYS
from bloodcell.datasets.zip_dataset import likely_class, plan_dataset


def archive(*paths: str) -> zipfile.ZipFile:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as written:
        for path in paths:
            written.writestr(path, b"1")
    return zipfile.ZipFile(stream)


def test_images_in_an_unknown_folder_are_counted_as_left_out() -> None:
    plan = plan_dataset(archive("cells/neutrofil/a.png", "cells/neutrofil/b.png", "cells/monocyte/a.png", "c.png"))
    assert plan.outside == {"cells/neutrofil": 2, "": 1}
    assert plan.per_class == tuple(int(key == "monocyte") for key in CLASS_KEYS)
    assert len(plan.targets) == 1


def test_train_and_test_folders_of_one_zip_are_several_parents() -> None:
    plan = plan_dataset(archive("x/train/monocyte/a.png", "x/val/monocyte/a.png"))
    assert plan.parents == ("x/train", "x/val")
    assert len({(target.folder, target.name) for target in plan.targets}) == 2


def test_one_tree_of_class_folders_has_one_parent() -> None:
    assert plan_dataset(archive("x/monocyte/a.png", "x/basophil/a.png")).parents == ("x",)
    assert plan_dataset(archive("monocyte/a.png", "basophil/sub/a.png")).parents == ("",)


def test_every_class_can_be_the_first_in_the_order() -> None:
    assert plan_dataset(archive("basophil/a.png")).per_class[0] == 1


@pytest.mark.parametrize(
    ("folder", "meant"),
    [("neutrofil", "neutrophil"), ("x/Monocite", "monocyte"), ("Lymphozyt ", "lymphocyte"), ("train", None)],
)
def test_a_misspelt_class_folder_is_recognised(folder: str, meant: str | None) -> None:
    assert likely_class(folder) == meant
