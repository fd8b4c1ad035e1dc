from collections import Counter
from pathlib import Path

import pytest

from bloodcell.datasets.folder_scan import LabelledFile, scan_dataset
from bloodcell.datasets.split import SplitFile, read_split, stratified_split, write_split
from bloodcell.errors import DatasetError, RunFolderError


def files_of(counts: list[int]) -> list[LabelledFile]:
    return [
        LabelledFile(path=Path(f"/{label}/{i}.png"), relative_path=f"{label}/{i}.png", label=label)
        for label, count in enumerate(counts)
        for i in range(count)
    ]


def own_hashes(files: list[LabelledFile]) -> dict[str, str]:
    return {file.relative_path: f"hash of {file.relative_path}" for file in files}


def test_each_class_gives_a_fifth_to_validation() -> None:
    files = files_of([400] * 8)
    split = stratified_split(files, own_hashes(files), split_seed=0)
    assert Counter(entry.label for entry in split.validation) == dict.fromkeys(range(8), 80)
    assert Counter(entry.label for entry in split.training) == dict.fromkeys(range(8), 320)


def test_every_file_is_on_exactly_one_side() -> None:
    files = files_of([13, 27])
    split = stratified_split(files, own_hashes(files), split_seed=3)
    names = [entry.file for entry in (*split.training, *split.validation)]
    assert sorted(names) == sorted(file.relative_path for file in files)


def test_copies_of_one_image_stay_on_one_side() -> None:
    files = files_of([60])
    hashes = {file.relative_path: str(index // 3) for index, file in enumerate(files)}
    for seed in range(20):
        split = stratified_split(files, hashes, split_seed=seed)
        assert not {entry.sha256 for entry in split.training} & {entry.sha256 for entry in split.validation}
        assert len(split.validation) == 12


def test_the_same_seed_gives_the_same_split_and_another_seed_another() -> None:
    files = files_of([50, 50])
    hashes = own_hashes(files)
    first = stratified_split(files, hashes, split_seed=1)
    assert stratified_split(files, hashes, split_seed=1) == first
    assert stratified_split(files, hashes, split_seed=2) != first


def test_the_split_does_not_depend_on_the_order_of_files() -> None:
    files = files_of([50, 50])
    hashes = own_hashes(files)
    assert stratified_split(files[::-1], hashes, split_seed=1) == stratified_split(files, hashes, split_seed=1)


def test_a_class_too_small_to_split_is_refused() -> None:
    files = files_of([50, 2])
    with pytest.raises(DatasetError, match="too small to split"):
        stratified_split(files, own_hashes(files), split_seed=0)


def test_a_written_split_is_read_back_the_same(tmp_path: Path) -> None:
    files = files_of([10, 10])
    split = stratified_split(files, own_hashes(files), split_seed=0)
    write_split(split, tmp_path / "split.csv")
    assert read_split(tmp_path / "split.csv") == split


def test_names_with_commas_quotes_and_line_breaks_survive_the_file(tmp_path: Path) -> None:
    entry = SplitFile(file='ig/a, "b"\nc.png', label=3, sha256="0")
    files = [LabelledFile(path=Path("/x"), relative_path=entry.file, label=3), *files_of([6])]
    hashes = {**own_hashes(files), entry.file: "0"}
    split = stratified_split(files_of([6]), hashes, split_seed=0)
    odd = type(split)(training=(entry, *split.training), validation=split.validation)
    write_split(odd, tmp_path / "split.csv")
    assert read_split(tmp_path / "split.csv") == odd


@pytest.mark.parametrize(
    "content",
    [
        "",
        "part,file,label,sha256\n",
        "nonsense\n1\n",
        "part,file,label,sha256\nelsewhere,a,0,0\n",
        "part,file\ntraining,a\n",
        "part,file,label,sha256\ntraining,a,0,0\nvalidation,b,0,0\ntraining,a,0\n",
        "part,file,label,sha256\ntraining,a,0,0\nvalidation,b,0,0\ntraining,a\n",
    ],
)
def test_a_damaged_split_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "split.csv"
    path.write_text(content)
    with pytest.raises(RunFolderError, match=r"split\.csv"):
        read_split(path)


def test_a_scan_reads_class_folders_at_any_depth_and_skips_hidden_names(tmp_path: Path) -> None:
    for name in ("ig/a.JPG", "ig/deep/b.png", "ig/.hidden.png", ".cache/x.png", "ig/notes.txt", "photos/c.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    scan = scan_dataset(tmp_path)
    assert [(file.relative_path, file.label) for file in scan.files] == [("ig/a.JPG", 3), ("ig/deep/b.png", 3)]
    assert scan.other_folders == ("photos",)
    assert scan.class_counts() == (0, 0, 0, 2, 0, 0, 0, 0)


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="does not exist"):
        scan_dataset(tmp_path / "nowhere")


def test_a_folder_without_class_folders_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="folders named after the classes"):
        scan_dataset(tmp_path)
