from pathlib import Path

from bloodcell.data.folder_scan import folder_stamp


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
