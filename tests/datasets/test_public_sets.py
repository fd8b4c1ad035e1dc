import hashlib
import io
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bloodcell.cell_classes import CLASS_KEYS
from bloodcell.datasets.download import Fetch
from bloodcell.datasets.drawn_cells import draw_cell, write_synthetic_dataset
from bloodcell.datasets.folder_scan import scan_dataset
from bloodcell.datasets.public_sets import (
    DOWNLOADS,
    PBC,
    PublicSet,
    bloodmnist,
    download_public_set,
    is_here,
    public_sets,
)
from bloodcell.errors import DatasetError, DownloadError
from tests.datasets.flaky_server import Behaviour, flaky_server

SMALL_PBC = replace(PBC, class_counts=(2,) * 8)


def pbc_zip() -> bytes:
    """A ZIP as the public one is built, with two drawn cells per class and what else lies in it."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("PBC_dataset_normal_DIB/readme.txt", "text")
        for label, key in enumerate(CLASS_KEYS):
            folder = "ig" if key == "immature_granulocyte" else key
            for seed in range(2):
                picture = io.BytesIO()
                Image.fromarray(draw_cell(label, seed=seed, size_px=64)).save(picture, "JPEG")
                archive.writestr(f"PBC_dataset_normal_DIB/{folder}/X_{seed}.jpg", picture.getvalue())
        archive.writestr("PBC_dataset_normal_DIB/neutrophil/.DS_1.jpg", picture.getvalue())
    return stream.getvalue()


def bloodmnist_npz(counts: tuple[int, int, int] = (16, 8, 8), side_px: int = 28) -> bytes:
    arrays: dict[str, np.ndarray] = {}
    for part, count in zip(("train", "val", "test"), counts, strict=True):
        arrays[f"{part}_images"] = np.random.default_rng(count).integers(0, 256, (count, side_px, side_px, 3), np.uint8)
        arrays[f"{part}_labels"] = (np.arange(count) % 8).astype(np.uint8)[:, None]
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def small_bloodmnist(content: bytes) -> PublicSet:
    return replace(bloodmnist(28), class_counts=(4,) * 8, md5=hashlib.md5(content).hexdigest())


@pytest.fixture
def behaviour() -> Behaviour:
    return Behaviour(pbc_zip())


@pytest.fixture
def fetch(behaviour: Behaviour) -> Iterator[Fetch]:
    with flaky_server(behaviour) as url:
        yield Fetch(url=url, most_bytes=10**8, timeout_seconds=5, first_pause_seconds=0.001)


def test_pbc_becomes_a_dataset_folder_and_the_zip_goes(fetch: Fetch, tmp_path: Path) -> None:
    (folder,) = download_public_set(SMALL_PBC, tmp_path, fetch=fetch)
    assert folder == tmp_path / "pbc"
    assert scan_dataset(folder).class_counts() == (2,) * 8
    assert [path.name for path in (tmp_path / DOWNLOADS).iterdir()] == ["pbc.zip.lock"]


def test_a_download_that_is_there_is_not_fetched_again(behaviour: Behaviour, fetch: Fetch, tmp_path: Path) -> None:
    download_public_set(SMALL_PBC, tmp_path, fetch=fetch)
    download_public_set(SMALL_PBC, tmp_path, fetch=fetch)
    assert len(behaviour.requested_ranges) == 1


def test_other_counts_than_published_are_refused_and_the_file_goes(fetch: Fetch, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="Platelet 2 in place of 3"):
        download_public_set(replace(PBC, class_counts=(2,) * 7 + (3,)), tmp_path, fetch=fetch)
    assert not (tmp_path / "pbc").exists()
    assert not (tmp_path / DOWNLOADS / "pbc.zip").exists()


@pytest.mark.parametrize("content", [b"<html>Sorry</html>", pbc_zip()[:5000]], ids=["a web page", "cut short"])
def test_what_is_no_whole_zip_is_refused(content: bytes, tmp_path: Path) -> None:
    with flaky_server(Behaviour(content)) as url, pytest.raises(DownloadError, match="damaged or not a ZIP"):
        download_public_set(SMALL_PBC, tmp_path, fetch=Fetch(url=url, most_bytes=10**8))
    assert not (tmp_path / "pbc").exists()
    assert not (tmp_path / DOWNLOADS / "pbc.zip").exists()


def test_bloodmnist_becomes_three_dataset_folders_with_the_same_pixels(tmp_path: Path) -> None:
    content = bloodmnist_npz()
    with flaky_server(Behaviour(content, drop_after=20_000)) as url:
        fetch = Fetch(url=url, most_bytes=10**8, first_pause_seconds=0.001)
        folders = download_public_set(small_bloodmnist(content), tmp_path, fetch=fetch)
    assert [folder.name for folder in folders] == ["bloodmnist_28_train", "bloodmnist_28_val", "bloodmnist_28_test"]
    assert [len(scan_dataset(folder).files) for folder in folders] == [16, 8, 8]
    images = np.load(io.BytesIO(content))["train_images"]
    third = folders[0] / CLASS_KEYS[3] / "train_00003.png"
    assert np.array_equal(np.asarray(Image.open(third)), images[3])


def test_a_file_with_another_md5_is_refused_and_deleted(tmp_path: Path) -> None:
    content = bloodmnist_npz()
    with flaky_server(Behaviour(content)) as url, pytest.raises(DownloadError, match="MD5"):
        download_public_set(bloodmnist(28), tmp_path, fetch=Fetch(url=url, most_bytes=10**8))
    assert not (tmp_path / DOWNLOADS / "bloodmnist_28.npz").exists()


@pytest.mark.parametrize("kind", ["objects", "labels", "shape"])
def test_an_npz_of_another_kind_is_refused(tmp_path: Path, kind: str) -> None:
    stream = io.BytesIO()
    arrays = dict(np.load(io.BytesIO(bloodmnist_npz())))
    if kind == "objects":
        arrays["train_labels"] = np.array([{}] * 16, dtype=object)
    elif kind == "labels":
        arrays["train_labels"] = arrays["train_labels"] + 100
    else:
        arrays["val_images"] = arrays["val_images"][..., 0]
    np.savez(stream, **arrays)
    content = stream.getvalue()
    with flaky_server(Behaviour(content)) as url, pytest.raises(DatasetError, match="no BloodMNIST file"):
        download_public_set(small_bloodmnist(content), tmp_path, fetch=Fetch(url=url, most_bytes=10**8))
    assert not (tmp_path / "bloodmnist_28_train").exists()


def test_every_public_set_has_as_many_images_as_published() -> None:
    assert list(public_sets()) == ["pbc", "bloodmnist_28", "bloodmnist_64", "bloodmnist_128", "bloodmnist_224"]
    assert {sum(public_set.class_counts) for public_set in public_sets().values()} == {17_092}
    assert all(public_set.url.startswith("https://") for public_set in public_sets().values())


def test_a_folder_that_merely_has_the_name_is_neither_taken_for_the_dataset_nor_changed(
    behaviour: Behaviour, fetch: Fetch, tmp_path: Path
) -> None:
    write_synthetic_dataset(tmp_path / "pbc", per_class=3, size_px=64, seed=0)
    before = scan_dataset(tmp_path / "pbc").files
    assert not is_here(SMALL_PBC, tmp_path)
    with pytest.raises(DownloadError, match="Rename or delete it"):
        download_public_set(SMALL_PBC, tmp_path, fetch=fetch)
    assert scan_dataset(tmp_path / "pbc").files == before
    assert behaviour.requested_ranges == []


def test_a_dataset_that_lost_an_image_is_not_here(fetch: Fetch, tmp_path: Path) -> None:
    download_public_set(SMALL_PBC, tmp_path, fetch=fetch)
    assert is_here(SMALL_PBC, tmp_path)
    next((tmp_path / "pbc").rglob("*.jpg")).unlink()
    assert not is_here(SMALL_PBC, tmp_path)
    assert not is_here(SMALL_PBC, tmp_path / "elsewhere")
