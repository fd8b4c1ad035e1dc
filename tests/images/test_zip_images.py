import io
import random
import shutil
import struct
import zipfile
from pathlib import Path

import pytest

from bloodcell.datasets.zip_dataset import FREE_BYTES_LEFT, Unpacked, plan_dataset, unpack_dataset
from bloodcell.errors import DatasetError
from bloodcell.images.limits import MAXIMUM_BYTES
from bloodcell.images.zip_images import open_zip

JPEG = b"\xff\xd8\xff"
"""What a JPEG begins with."""


def named_archive(entries: dict[str, bytes]) -> zipfile.ZipFile:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, JPEG + data)
    return zipfile.ZipFile(stream)


def files_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_images_of_class_folders_at_any_depth_are_unpacked_and_nothing_else(tmp_path: Path) -> None:
    archive = named_archive(
        {
            "set/train/IG/a.jpg": b"1",
            "monocyte/b.png": b"2",
            "monocyte/notes.txt": b"3",
            "other/c.png": b"4",
            "monocyte/.hidden.png": b"5",
            "__MACOSX/monocyte/b.png": b"6",
        }
    )
    assert unpack_dataset(archive, tmp_path / "new") == Unpacked(images=2, left_out=())
    assert files_below(tmp_path) == ["new/IG/a.jpg", "new/monocyte/b.png"]


@pytest.mark.parametrize(
    "name",
    ["../monocyte/a.png", "/monocyte/a.png", "monocyte/../../a.png", "..\\monocyte/a.png", "C:/monocyte/a.png"],
)
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    unpack_dataset(named_archive({name: b"1", "monocyte/b.png": b"2"}), tmp_path / "in" / "new")
    assert all(path.startswith("in/new/monocyte/") for path in files_below(tmp_path))


def test_hostile_names_become_harmless(tmp_path: Path) -> None:
    entries = {"monocyte/=1+1|<b>\n`x`.png": b"1", f"monocyte/{'long' * 60}.png": b"2", "monocyte/ñ.PNG": b"3"}
    unpack_dataset(named_archive(entries), tmp_path / "new")
    names = [Path(name).name for name in files_below(tmp_path / "new")]
    assert len(names) == 3
    assert all(len(name) <= 124 and not set(name) & set("=|<>`\nñ") for name in names)


def test_two_files_that_would_share_a_name_are_both_kept(tmp_path: Path) -> None:
    unpack_dataset(named_archive({"a/monocyte/x.png": b"1", "b/monocyte/x.png": b"2"}), tmp_path / "new")
    assert files_below(tmp_path / "new") == ["monocyte/x.png", "monocyte/x_2.png"]


def test_a_zip_that_unpacks_to_too_much_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    archive = named_archive(
        {f"monocyte/{number}.png": random.Random(number).randbytes(100_000) for number in range(20)}
    )
    with pytest.raises(DatasetError, match="would unpack to more than"):
        unpack_dataset(archive, tmp_path / "new", most_bytes=1_000_000)
    assert list(tmp_path.iterdir()) == []


def test_an_entry_that_is_larger_than_an_image_may_be_is_refused(tmp_path: Path) -> None:
    archive = named_archive({"monocyte/a.png": bytes(MAXIMUM_BYTES + 1)})
    with pytest.raises(DatasetError, match=r"a\.png: The file is larger"):
        unpack_dataset(archive, tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_an_entry_that_lies_about_its_size_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("monocyte/a.png", bytes(1_000_000))
    data = stream.getvalue().replace(struct.pack("<I", 1_000_000), struct.pack("<I", 10))
    with pytest.raises(DatasetError):
        unpack_dataset(zipfile.ZipFile(io.BytesIO(data)), tmp_path / "new", most_bytes=1000)
    assert list(tmp_path.iterdir()) == []


def test_a_link_in_a_zip_becomes_no_link(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        link = zipfile.ZipInfo("monocyte/a.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("monocyte/b.png", JPEG)
    assert unpack_dataset(zipfile.ZipFile(stream), tmp_path / "new").left_out == ("monocyte/a.png",)
    assert files_below(tmp_path / "new") == ["monocyte/b.png"]


def test_what_does_not_begin_like_a_picture_is_left_out_and_named(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in {"a.jpg": JPEG, "b.jpg": b"", "c.png": b"MZ\x90\0program", "d.png": b"<html>"}.items():
            archive.writestr(f"monocyte/{name}", data)
    done = unpack_dataset(zipfile.ZipFile(stream), tmp_path / "new")
    assert done == Unpacked(images=1, left_out=("monocyte/b.jpg", "monocyte/c.png", "monocyte/d.png"))
    assert files_below(tmp_path / "new") == ["monocyte/a.jpg"]


def test_a_zip_without_any_picture_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("monocyte/a.png", "text")
    with pytest.raises(DatasetError, match=r"None of the first \d+ files .* begins like a picture"):
        unpack_dataset(zipfile.ZipFile(stream), tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_a_zip_that_would_fill_the_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=FREE_BYTES_LEFT))
    with pytest.raises(DatasetError, match="Free some space"):
        unpack_dataset(named_archive({"monocyte/a.png": b"1"}), tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_a_zip_without_class_folders_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no image in a class folder"):
        unpack_dataset(named_archive({"a.png": b"1", "fields/b.png": b"2"}), tmp_path / "new")


def test_an_existing_dataset_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    with pytest.raises(DatasetError, match="already"):
        unpack_dataset(named_archive({"monocyte/a.png": b"1"}), tmp_path / "new")


def test_what_is_no_zip_is_refused() -> None:
    with pytest.raises(DatasetError, match="not a ZIP"):
        open_zip(io.BytesIO(b"text"), "x.zip")


def test_class_folders_that_differ_by_a_blank_keep_all_their_images(tmp_path: Path) -> None:
    archive = named_archive({"basophil/x.png": b"1", "basophil /x.png": b"2"})
    assert unpack_dataset(archive, tmp_path / "new") == Unpacked(images=2, left_out=())
    assert sorted(path.read_bytes() for path in (tmp_path / "new").rglob("*.png")) == [JPEG + b"1", JPEG + b"2"]


def test_thousands_of_equal_names_are_numbered(tmp_path: Path) -> None:
    archive = named_archive({f"patient{number}/basophil/cell.png": b"1" for number in range(3000)})
    assert len({target.name for target in plan_dataset(archive).targets}) == 3000
