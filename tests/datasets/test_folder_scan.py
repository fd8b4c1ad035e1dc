from pathlib import Path

from bloodcell.datasets.folder_scan import default_dataset, folder_stamp


def test_the_stamp_of_a_folder_changes_with_files_at_any_depth(tmp_path: Path) -> None:
    deep = tmp_path / "neutrophil" / "ward"
    deep.mkdir(parents=True)
    first = folder_stamp(tmp_path)
    assert folder_stamp(tmp_path) == first
    (deep / "a.png").write_bytes(b"")
    second = folder_stamp(tmp_path)
    assert second != first
    (deep / "a.png").unlink()
    assert folder_stamp(tmp_path) != second


def test_of_several_datasets_the_first_is_taken(tmp_path: Path) -> None:
    assert default_dataset(None) is None
    assert default_dataset(tmp_path) == tmp_path
    for name in (".hidden", "b", "a", "c"):
        (tmp_path / name).mkdir()
        if name != "a":
            (tmp_path / name / "neutrophil").mkdir()
    assert default_dataset(tmp_path) == tmp_path / "b"
    assert default_dataset(tmp_path / "c") == tmp_path / "c"
    assert default_dataset(tmp_path / "gone") == tmp_path / "gone"
