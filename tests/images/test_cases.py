"""Odd but sound files that microscopes, phones and Windows write, each of the same cell: shared/cases/README.md."""

import csv
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bloodcell.answers.image_sources import open_sources
from bloodcell.datasets.folder_scan import scan_dataset
from bloodcell.datasets.zip_dataset import unpack_dataset
from bloodcell.images.open_image import open_image
from bloodcell.images.zip_images import open_zip

pytestmark = pytest.mark.real_images


@pytest.fixture(scope="module")
def base(cases_folder: Path) -> np.ndarray:
    """The cell that all cases show."""
    return np.asarray(Image.open(cases_folder / "00_base.png").convert("RGB"))


def difference(one: np.ndarray, other: np.ndarray) -> float:
    assert one.shape == other.shape
    return float(np.abs(one.astype(float) - other.astype(float)).mean())


@pytest.mark.parametrize(
    ("name", "levels"),
    [
        ("00_base.png", 0.0),
        ("t05_rgb16_12bit.tif", 1.0),
        ("t06_rgb16_planar.tif", 0.0),
        ("t07_rgb_float32.tif", 0.0),
        ("t08_rgb_float16.tif", 0.2),
        ("t17_jpeg2000.tif", 0.0),
        ("t22_rgba_alpha0.tif", 0.0),
        ("t24_thumbnail_first.tif", 0.0),
        ("t26_ome_cyx.ome.tif", 0.0),
        ("t32_rgb_uint32.tif", 0.0),
        ("t33_webp_in_tiff.tif", 0.0),
        ("j06_12bit.jpg", 1.5),
        ("o01_iphone.heic", 1.5),
        ("o05_anim.webp", 0.0),
        ("o06_anim.gif", 1.5),
        ("p05_apng_black_first.png", 0.0),
    ],
)
def test_the_picture_of_a_case_is_the_cell(cases_folder: Path, base: np.ndarray, name: str, levels: float) -> None:
    assert difference(open_image((cases_folder / name).read_bytes()), base) <= levels


def test_a_hot_pixel_does_not_blacken_a_16_bit_picture(cases_folder: Path, base: np.ndarray) -> None:
    grey = np.asarray(Image.fromarray(base).convert("L")).astype(float)
    # Grey is stretched by its real range, which is that of the base: the file holds its values times 16.
    stretched = (grey - grey.min()) / (grey.max() - grey.min()) * 255
    decoded = open_image((cases_folder / "t10_grey16_hotpixel.tif").read_bytes())
    assert np.array_equal(decoded[..., 0], decoded[..., 2])
    assert difference(decoded[..., 0], stretched) < 1


@pytest.mark.parametrize("name", ["j03_icc_channels_swapped.jpg", "j04_icc_display_p3.jpg"])
def test_colours_with_a_profile_become_srgb(cases_folder: Path, base: np.ndarray, name: str) -> None:
    assert difference(open_image((cases_folder / name).read_bytes()), base) < 2


def test_every_file_of_a_folder_is_read_or_named(cases_folder: Path, classify: Callable[[Path], "Classified"]) -> None:
    done = classify(cases_folder / "n1_suffixes")
    told = {*done.rows, *done.passed_over}
    assert told == {path.name for path in (cases_folder / "n1_suffixes").iterdir()}
    for name in ("no_suffix", "trailing space.jpg ", "photo.heic", "region.svs", "upper.JPG", "pic.JFIF"):
        assert done.rows[name] != "error", name
    assert "DICOM" in done.reasons["scan.dcm"]
    assert "gzip" in done.reasons["x.tif.gz"]


def test_a_zip_of_phone_photographs_is_read(cases_folder: Path, classify: Callable[[Path], "Classified"]) -> None:
    done = classify(cases_folder / "z12_heic_only.zip")
    assert set(done.rows) == {"IMG_0001.HEIC", "IMG_0002.HEIC"}
    assert "error" not in done.rows.values()


def test_backslashes_of_a_zip_are_folders_and_apples_companions_no_rows(cases_folder: Path, tmp_path: Path) -> None:
    file = cases_folder / "z2_windows_backslash.zip"
    with open_sources([file]) as found:
        assert [source.name for source in found.sources] == ["cells/eosinophil/a.jpg", "cells/monocyte/b.jpg"]
        assert found.passed_over == []
    with open_zip(file, file.name) as archive:
        assert unpack_dataset(archive, tmp_path / "new").images == 2
    scan = scan_dataset(tmp_path / "new")
    assert [image.relative_path for image in scan.files] == ["eosinophil/a.jpg", "monocyte/b.jpg"]


def test_four_cells_in_one_picture_are_not_one_cell(
    cases_folder: Path, tmp_path: Path, classify: Callable[[Path], "Classified"]
) -> None:
    shutil.copy(cases_folder / "c06_montage2x2.png", tmp_path / "montage.png")
    done = classify(tmp_path / "montage.png")
    assert done.rows == {"montage.png": "refused"}
    assert "several pictures are put together" in done.reasons["montage.png"]


class Classified:
    """What `classify` wrote and said."""

    def __init__(self, table: Path, errors: str) -> None:
        with table.open(newline="") as stream:
            lines = list(csv.DictReader(stream))
        self.rows = {line["file"]: line["status"] for line in lines}
        self.reasons = {line["file"]: line["reason"] for line in lines}
        said = next((line for line in errors.splitlines() if "not read: " in line), "not read: ")
        self.passed_over = [name for name in said.rpartition("not read: ")[2].rstrip(".").split(", ") if name]


@pytest.fixture
def classify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[Path], Classified]:
    """A function that runs the command on a path."""
    from bloodcell.command_line import main

    def run(path: Path) -> Classified:
        main(["classify", str(path), "--csv", str(tmp_path / "answers.csv")])
        return Classified(tmp_path / "answers.csv", capsys.readouterr().err)

    return run


def test_a_folder_tells_what_is_no_image(
    cases_folder: Path, tmp_path: Path, classify: Callable[[Path], "Classified"]
) -> None:
    folder = tmp_path / "cells"
    folder.mkdir()
    shutil.copy(cases_folder / "00_base.png", folder / "a.png")
    for name in ("labels.csv", "notes", "Thumbs.db", ".hidden.png"):
        (folder / name).write_text("text")
    done = classify(folder)
    assert set(done.rows) == {"a.png"}
    assert done.passed_over == ["labels.csv", "notes"]


def test_a_zip_in_an_unread_packing_says_which(cases_folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "cells.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(cases_folder / "00_base.png", "a.png")
    for number, name in ((9, "Deflate64"), (93, "Zstandard")):
        data = bytearray(file.read_bytes())
        central = data.rindex(b"PK\x01\x02")
        data[8:10] = data[central + 10 : central + 12] = number.to_bytes(2, "little")
        other = tmp_path / f"{name}.zip"
        other.write_bytes(data)
        with open_sources([other]) as found, pytest.raises(Exception, match=f"packed with {name}"):
            found.sources[0].read()


def test_an_ordinary_jpeg_is_decoded_to_the_very_pixels_that_pillow_decodes(real_data_folder: Path) -> None:
    files = sorted((real_data_folder / "pbc_test").rglob("*.jpg"))
    assert len(files) == 1000
    for file in files[::5]:
        assert np.array_equal(open_image(file.read_bytes()), np.asarray(Image.open(file).convert("RGB"))), file.name
