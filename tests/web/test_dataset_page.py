"""The Dataset page, run from the router: without a dataset, with one that has faults, and with one that is broken."""

import io
import shutil
import time
import zipfile
from pathlib import Path

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from bloodcell.cell_classes import CLASS_KEYS
from bloodcell.datasets.drawn_cells import draw_cell, write_synthetic_dataset
from bloodcell.datasets.public_sets import PBC
from bloodcell.jobs import enqueue_command, read_job
from bloodcell.paths import home_folder

APP = str(Path(__file__).resolve().parents[2] / "app.py")


def opened() -> AppTest:
    page = AppTest.from_file(APP, default_timeout=300).run().switch_page("pages/dataset.py").run()
    assert not page.exception
    return page


def texts(page: AppTest) -> str:
    kinds = (page.caption, page.markdown, page.error, page.warning, page.info, page.success)
    return "\n".join(element.value for elements in kinds for element in elements)


def metrics(page: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in page.metric}


@pytest.fixture
def faulty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A dataset with an unreadable file, an equal file under two labels and a turned copy."""
    folder = tmp_path / "cells"
    write_synthetic_dataset(folder, per_class=5, size_px=96, seed=0)
    (folder / "platelet" / "broken.jpg").write_bytes(b"")
    shutil.copy(folder / "monocyte/monocyte_00000.jpg", folder / "platelet/same.jpg")
    turned = Image.open(folder / "basophil/basophil_00001.jpg").transpose(Image.Transpose.ROTATE_90)
    turned.save(folder / "basophil/turned.jpg", quality=80)
    monkeypatch.setenv("BLOODCELL_DATA", str(folder))
    return folder


@pytest.fixture
def no_dataset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BLOODCELL_DATA", raising=False)


def zip_of_cells() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for label, key in enumerate(("basophil", "eosinophil")):
            picture = io.BytesIO()
            Image.fromarray(draw_cell(label, seed=1, size_px=64)).save(picture, "PNG")
            archive.writestr(f"mine/{key}/a.png", picture.getvalue())
    return stream.getvalue()


def upload(page: AppTest, content: bytes, name: str) -> AppTest:
    page.file_uploader[0].upload("cells.zip", content)
    page.text_input(key="dataset_upload_name").set_value(name)
    page.button(key="dataset_upload").click().run()
    assert not page.exception
    return page


@pytest.mark.usefixtures("no_dataset")
def test_without_a_dataset_it_is_said_how_to_get_one() -> None:
    page = opened()
    assert "There is no dataset yet" in texts(page)
    assert page.button(key="dataset_download").label == "Download"
    assert not page.metric


@pytest.mark.usefixtures("no_dataset")
def test_a_zip_becomes_a_dataset_that_is_chosen() -> None:
    page = upload(opened(), zip_of_cells(), "mine")
    assert "`mine` is added: 2 images" in texts(page)
    assert page.selectbox(key="dataset_folder").value == "mine"
    assert (home_folder() / "data/mine/basophil/a.png").is_file()


def zip_of_paths(*paths: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for path in paths:
            archive.writestr(path, b"1")
    return stream.getvalue()


@pytest.mark.usefixtures("no_dataset")
def test_what_a_zip_would_lose_or_merge_is_said_before_anything_is_added() -> None:
    names = [f"{part}/{key}/{number}.png" for part in ("train", "val") for key in CLASS_KEYS[:6] for number in range(7)]
    page = opened()
    page.file_uploader[0].upload("cells.zip", zip_of_paths(*names, *(f"train/neutrofil/{n}.png" for n in range(12))))
    page.run()
    assert not page.exception
    lost, empty, merged = (warning.value for warning in page.warning)
    assert "12 images lie in no class folder" in lost
    assert "`train/neutrofil` (12, did you mean neutrophil?)" in lost
    assert "No image of: Neutrophil, Platelet." in empty
    assert "merged: `train`, `val`" in merged
    assert "**84 images in 6 of 8 classes**" in texts(page)
    assert not (home_folder() / "data").exists()


@pytest.mark.usefixtures("no_dataset")
@pytest.mark.parametrize(
    ("content", "name", "reason"),
    [(b"text", "mine", "not a ZIP"), (zip_of_cells(), "../mine", "small letters"), (b"", "mine", "not a ZIP")],
    ids=["no ZIP", "hostile name", "empty"],
)
def test_what_cannot_be_added_is_refused_with_the_reason(content: bytes, name: str, reason: str) -> None:
    page = upload(opened(), content, name)
    assert reason in texts(page)
    assert not (home_folder() / "data").exists()


def test_the_audit_shows_faults_with_figures_and_pictures(faulty: Path) -> None:
    page = opened()
    assert not page.metric
    page.button(key="dataset_audit").click().run()
    assert not page.exception
    shown = metrics(page)
    assert shown["Images"] == "43"
    assert shown["Usable for training"] == "40"
    assert shown["Unreadable"] == "1"
    assert shown["Images with near duplicates"] == "2"
    assert shown["Copies under two labels"] == "1"
    assert [expander.label for expander in page.expander][1:] == [
        "The same cell under two labels: one label is wrong · 1 pair",
        "Near duplicates: turned, resized, recompressed or cropped copies · 1 pair",
        "Unreadable · 1 file",
    ]
    assert "platelet/broken.jpg" in texts(page)


def test_a_kept_audit_is_shown_at_once_until_a_file_changes(faulty: Path) -> None:
    opened().button(key="dataset_audit").click().run()
    assert metrics(opened())["Images"] == "43"
    (faulty / "platelet" / "broken.jpg").unlink()
    assert not opened().metric


def test_a_damaged_kept_audit_is_made_anew(faulty: Path) -> None:
    opened().button(key="dataset_audit").click().run()
    for file in (home_folder() / "audits").iterdir():
        file.write_bytes(b"{")
    page = opened()
    assert not page.metric
    assert page.button(key="dataset_audit").label == "Audit this dataset"


def test_a_sound_dataset_is_called_sound(drawn_dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLOODCELL_DATA", str(drawn_dataset))
    page = opened().button(key="dataset_audit").click().run()
    assert "No unreadable image, no copy, no label conflict, no leak." in texts(page)
    assert "64 images train, 16 validate (20.0 %)" in texts(page)


def test_a_dataset_without_images_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cells" / "monocyte").mkdir(parents=True)
    monkeypatch.setenv("BLOODCELL_DATA", str(tmp_path / "cells"))
    assert "No labelled image" in texts(opened())


@pytest.mark.usefixtures("no_dataset")
def test_a_download_that_failed_says_why_and_can_go_on() -> None:
    job = home_folder() / "downloads" / PBC.name
    enqueue_command(["download", "nothing"], folder=job, device="none")
    for _ in range(200):
        if not read_job(job).is_active:
            break
        time.sleep(0.1)
    page = opened()
    assert page.button(key="dataset_download").label == "Go on"
    assert len(page.error) == 1
