from pathlib import Path

import pytest

from bloodcell.datasets.drawn_cells import write_synthetic_dataset
from bloodcell.errors import DatasetError
from bloodcell.laboratories.named import add_laboratory, laboratory, laboratory_names
from bloodcell.paths import laboratories_folder
from bloodcell.runs.run_folder import RunFolder
from tests.shell import assert_is_a_sentence, bloodcell


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLOODCELL_HOME", str(tmp_path / "home"))


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    write_synthetic_dataset(tmp_path / "cells", per_class=2, size_px=64, seed=0)
    return tmp_path / "cells"


def test_a_laboratory_is_known_by_its_name_from_then_on(cells: Path) -> None:
    added = add_laboratory(cells, "north_2")
    assert laboratory("north_2") == added
    assert laboratory_names() == ["north_2"]
    assert added.images == (2,) * 8
    assert added.words().startswith("north_2: 16 images (basophil 2, ")


@pytest.mark.parametrize("name", ["", "../x", "a b", "-x", "x" * 61, ".x", "a/b"])
def test_a_name_that_is_none_is_a_sentence(cells: Path, name: str) -> None:
    with pytest.raises(DatasetError, match="name is up to 60 letters"):
        add_laboratory(cells, name)
    with pytest.raises(DatasetError, match="There is no laboratory named"):
        laboratory(name)


def test_a_name_is_given_once_and_an_unknown_one_says_which_there_are(cells: Path) -> None:
    add_laboratory(cells, "north")
    with pytest.raises(DatasetError, match="There is a laboratory named 'north' already"):
        add_laboratory(cells, "north")
    with pytest.raises(DatasetError, match="Laboratories: north"):
        laboratory("south")


def test_a_folder_without_labelled_images_is_no_laboratory(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError):
        add_laboratory(tmp_path / "empty", "north")
    assert laboratory_names() == []


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"folder": 3, "images": {}}', b"\xff"])
def test_an_entry_that_was_edited_is_a_sentence(cells: Path, content: bytes) -> None:
    add_laboratory(cells, "north")
    (laboratories_folder() / "north.json").write_bytes(content)
    with pytest.raises(DatasetError, match="cannot be read"):
        laboratory("north")


def test_weights_are_measured_on_a_named_laboratory_from_a_shell(
    cells: Path, tmp_path: Path, finished_run: RunFolder
) -> None:
    assert bloodcell("laboratory", "list").stdout.startswith("No laboratory yet.")
    added = bloodcell("laboratory", "add", cells, "--name", "north")
    assert added.returncode == 0, added.stderr
    assert bloodcell("laboratory", "list").stdout == added.stdout
    arguments = ("evaluate", "--weights", finished_run.best, "--device", "cpu", "--out", tmp_path / "out")
    measured = bloodcell(*arguments, "--lab", "north")
    assert measured.returncode == 0, measured.stderr
    assert "Laboratory: undecided. These weights do not tell laboratories apart." in measured.stdout
    assert (tmp_path / "out" / "metrics.json").is_file()
    assert_is_a_sentence(bloodcell(*arguments, "--lab", "south"), status=1)
