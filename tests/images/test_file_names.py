from pathlib import PurePosixPath

import pytest

from bloodcell.images.file_names import base_name, is_hidden, is_image_file, path_parts


@pytest.mark.parametrize(
    "path",
    [
        "",
        ".",
        "a.png",
        "./a.png",
        "b//a.png",
        "b/./a.png",
        "b/a.png/.",
        "b/a.png/",
        "../a.png",
        "b/../a.png",
        "b/ .png",
    ],
)
def test_paths_are_taken_apart_as_pathlib_does(path: str) -> None:
    assert path_parts(path) == list(PurePosixPath(path).parts)
    assert base_name(path) == PurePosixPath(path).name


@pytest.mark.parametrize("path", [".a.png", "b/.c/a.png", "__MACOSX/a.png", "b/Thumbs.db", "b/._a.png"])
def test_hidden_places_and_files_of_systems_are_hidden(path: str) -> None:
    assert is_hidden(path)


@pytest.mark.parametrize("path", ["a.png", "../a.png", "./b/a.png", "b.c/a.png", ""])
def test_other_places_are_not_hidden(path: str) -> None:
    assert not is_hidden(path)


@pytest.mark.parametrize("name", ["a.JPG", "a.png . ", "slide.1.tif", "a.svs.gz", "A.TIF.GZ"])
def test_an_ending_of_an_image_decides_without_a_look_inside(name: str) -> None:
    assert is_image_file(name, lambda: b"")


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "png", ".png"])
def test_another_ending_or_none_makes_no_image_of_empty_bytes(name: str) -> None:
    assert not is_image_file(name, lambda: b"")
