"""The CSV of predictions: its exact bytes, hostile names, and the way back from a labelled table."""

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bloodcell.answers.labelled_table import LABELLED_COLUMNS, LabelledRow, read_labelled_table, write_labelled_table
from bloodcell.answers.prediction_table import COLUMNS, PredictionRow, table_bytes, write_table
from bloodcell.errors import RunFolderError
from bloodcell.images.safe_text import clean_file_name, spreadsheet_safe

SURE = PredictionRow(
    file="smear/cell 1.png",
    status="ok",
    reason="",
    predicted=3,
    confidence=0.93,
    probabilities=(0.01, 0.01, 0.01, 0.93, 0.01, 0.01, 0.01, 0.01),
    model="main",
    model_sha256="ab12",
    answer_sha256="cd34",
    precision="bf16",
    engine="torch",
)
REFUSED = replace(SURE, status="refused", reason="unlike the training images", predicted=None, confidence=None)
BROKEN = replace(REFUSED, status="error", reason="The file is empty.", probabilities=None)


def cells_of(row: PredictionRow) -> dict[str, str]:
    """The row as a CSV reader sees it."""
    (cells,) = csv.DictReader(io.StringIO(table_bytes([row]).decode(), newline=""))
    return cells


def test_a_table_has_exactly_these_bytes() -> None:
    assert table_bytes([replace(SURE, laboratory="known")]) == (
        b"file,predicted,confidence,status,reason,p_basophil,p_eosinophil,p_erythroblast,p_immature_granulocyte,"
        b"p_lymphocyte,p_monocyte,p_neutrophil,p_platelet,model,model_sha256,answer_sha256,precision,engine,laboratory\r\n"
        b"smear/cell 1.png,immature_granulocyte,0.930000,ok,,0.010000,0.010000,0.010000,0.930000,"
        b"0.010000,0.010000,0.010000,0.010000,main,ab12,cd34,bf16,torch,known\r\n"
    )


def test_a_table_without_rows_is_its_header() -> None:
    assert table_bytes([]).decode() == ",".join(COLUMNS) + "\r\n"


def test_a_name_with_comma_quote_and_umlaut_comes_back_whole() -> None:
    assert cells_of(replace(SURE, file='Zelle "ä", 2.png'))["file"] == 'Zelle "ä", 2.png'


def test_a_refused_image_keeps_its_probabilities_and_has_no_prediction() -> None:
    cells = cells_of(REFUSED)
    assert (cells["predicted"], cells["confidence"], cells["p_immature_granulocyte"]) == ("", "", "0.930000")


def test_an_unreadable_image_has_its_reason_and_no_numbers() -> None:
    cells = cells_of(BROKEN)
    assert cells["reason"] == "The file is empty."
    assert {cells[column] for column in COLUMNS if column.startswith(("p_", "predicted", "confidence"))} == {""}


def test_line_breaks_in_a_reason_become_blanks() -> None:
    assert cells_of(replace(BROKEN, reason="cut\r\noff\x00"))["reason"] == "cut off"


def test_a_negative_zero_is_written_without_its_sign() -> None:
    row = replace(SURE, predicted=0, confidence=1.0, probabilities=(1.0, -0.0, 0, 0, 0, 0, 0, 0))
    assert cells_of(row)["p_eosinophil"] == "0.000000"


def test_rows_are_written_as_they_come() -> None:
    stream = io.StringIO(newline="")
    lines_before: list[int] = []

    def rows() -> Iterator[PredictionRow]:
        for _ in range(3):
            lines_before.append(stream.getvalue().count("\r\n"))
            yield SURE

    write_table(rows(), stream)
    assert lines_before == [1, 2, 3]


@pytest.mark.parametrize(
    "cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\rx", "\nx", " =1", "＝1", "＋1", "－1", "＠a", "﹦1"]
)
def test_a_cell_that_a_spreadsheet_would_run_gets_a_quote(cell: str) -> None:
    assert spreadsheet_safe(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["", "cell.png", "a=b", "'quoted", "0.5", "3-4"])
def test_a_harmless_cell_stays_as_it_is(cell: str) -> None:
    assert spreadsheet_safe(cell) == cell


def test_every_text_column_is_safe_in_a_spreadsheet() -> None:
    cells = cells_of(replace(BROKEN, file="=f.png", reason="=r", model="=m", model_sha256="=s"))
    assert [cells[column] for column in ("file", "reason", "model", "model_sha256")] == ["'=f.png", "'=r", "'=m", "'=s"]


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("a/b.png", "a/b.png"),
        ("a\nb\r\t\x00\x7f\x85c.png", "abc.png"),
        ("a\u2028b\u2029.png", "ab.png"),
        ("cell\u202egnp.exe", "cellgnp.exe"),
        ("a\\b\\c.png", "a/b/c.png"),
        ("/etc/passwd", "etc/passwd"),
        ("\\\\server\\share\\x.png", "server/share/x.png"),
        ("C:\\cells\\x.png", "cells/x.png"),
        ("../C:../x.png", "x.png"),
        ("c:d:x.png", "x.png"),
        ("a/../../b/./c.png", "a/b/c.png"),
        (".\x00./x.png", "x.png"),
        (".hidden", ".hidden"),
        ("a..b.png", "a..b.png"),
        ("кровь/血 1.png", "кровь/血 1.png"),
        ("bad\udcff.png", "bad\ufffd.png"),
        ("", "unnamed"),
        ("../..", "unnamed"),
        ("\n", "unnamed"),
    ],
)
def test_a_file_name_is_cleaned(name: str, cleaned: str) -> None:
    assert clean_file_name(name) == cleaned


def test_a_name_that_is_no_utf_8_can_be_written() -> None:
    assert cells_of(replace(SURE, file="bad\udcff.png"))["file"] == "bad\ufffd.png"


@pytest.mark.parametrize(
    ("row", "changes", "named"),
    [
        (SURE, {"status": "sure"}, "status"),
        (SURE, {"predicted": None}, "predicted"),
        (SURE, {"predicted": 8}, "predicted"),
        (SURE, {"predicted": -1}, "predicted"),
        (SURE, {"predicted": 2}, "predicted"),
        (SURE, {"confidence": None}, "confidence"),
        (SURE, {"confidence": 0.5}, "confidence"),
        (SURE, {"confidence": float("nan")}, "confidence"),
        (SURE, {"probabilities": None}, "probabilities"),
        (SURE, {"probabilities": (0.5, 0.5)}, "probabilities"),
        (SURE, {"probabilities": (0.25,) * 8}, "probabilities"),
        (SURE, {"probabilities": (1.5, -0.5, 0, 0, 0, 0, 0, 0)}, "probabilities"),
        (SURE, {"probabilities": (float("nan"), 1, 0, 0, 0, 0, 0, 0)}, "probabilities"),
        (REFUSED, {"predicted": 3}, "predicted"),
        (REFUSED, {"confidence": 0.93}, "confidence"),
        (REFUSED, {"probabilities": None}, "probabilities"),
        (REFUSED, {"reason": ""}, "reason"),
        (BROKEN, {"probabilities": SURE.probabilities}, "probabilities"),
        (BROKEN, {"reason": ""}, "reason"),
    ],
)
def test_a_row_that_contradicts_itself_is_refused_by_the_name_of_the_field(
    row: PredictionRow, changes: dict[str, Any], named: str
) -> None:
    with pytest.raises(ValueError, match=f"^{named} "):
        replace(row, **changes)


@pytest.mark.parametrize("label", [-1, 8])
def test_a_label_that_is_no_class_is_refused(label: int) -> None:
    with pytest.raises(ValueError, match=r"^label "):
        LabelledRow(prediction=SURE, label=label, sha256="cd34")


def write_three(folder: Path) -> Path:
    """A labelled table with a sure, a refused and an unreadable image."""
    path = folder / "predictions_validation.csv"
    rows = [
        LabelledRow(prediction=replace(SURE, file="=a.png"), label=3, sha256="01"),
        LabelledRow(prediction=replace(BROKEN, file="b.png"), label=0, sha256="02"),
        LabelledRow(prediction=replace(REFUSED, file="'c.png"), label=7, sha256="03"),
    ]
    write_labelled_table(rows, path)
    return path


def test_a_labelled_table_adds_label_and_hash_behind_the_model(tmp_path: Path) -> None:
    lines = write_three(tmp_path).read_bytes().decode().split("\r\n")
    assert lines[0] == ",".join((*COLUMNS[:15], "label", "sha256", *COLUMNS[15:]))
    assert lines[1].endswith(",immature_granulocyte,01,cd34,bf16,torch,")


def test_a_labelled_table_comes_back_as_it_was_written(tmp_path: Path) -> None:
    table = read_labelled_table(write_three(tmp_path))
    assert table.files == ("=a.png", "'c.png")
    assert table.sha256 == ("01", "03")
    assert table.labels.dtype == np.int64
    assert table.labels.tolist() == [3, 7]
    assert [tuple(row) for row in table.probabilities] == [SURE.probabilities, REFUSED.probabilities]


def test_unreadable_images_are_named_and_not_dropped_silently(tmp_path: Path) -> None:
    assert read_labelled_table(write_three(tmp_path)).unreadable_files == ("b.png",)


def test_a_labelled_table_without_rows_gives_empty_arrays(tmp_path: Path) -> None:
    path = tmp_path / "predictions_validation.csv"
    write_labelled_table([], path)
    table = read_labelled_table(path)
    assert (table.labels.shape, table.probabilities.shape) == ((0,), (0, 8))


def test_columns_added_by_a_later_version_are_ignored(tmp_path: Path) -> None:
    path = write_three(tmp_path)
    lines = path.read_bytes().decode().split("\r\n")
    path.write_bytes("\r\n".join([f"{lines[0]},new", *(f"{line},1" for line in lines[1:-1]), ""]).encode())
    assert read_labelled_table(path).labels.tolist() == [3, 7]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"immature_granulocyte,01", b"unicorn,01"),
        (b"0.930000,ok", b"0.930000,fine"),
        (b"p_basophil", b"basophil"),
        (b"ab12,immature_granulocyte,01,", b"ab12,"),
        (b"0.010000,main", b"much,main"),
        (b"0.010000,main", b"nan,main"),
        (b"0.010000,main", b"0.910000,main"),
        (b"ab12", b"\xff\xfe"),
    ],
)
def test_a_damaged_table_is_refused_with_its_path(tmp_path: Path, before: bytes, after: bytes) -> None:
    path = write_three(tmp_path)
    content = path.read_bytes()
    assert before in content
    path.write_bytes(content.replace(before, after))
    with pytest.raises(RunFolderError, match=r"predictions_validation\.csv"):
        read_labelled_table(path)


def test_a_missing_or_empty_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").touch()
    for name in ("none.csv", "empty.csv"):
        with pytest.raises(RunFolderError, match=name):
            read_labelled_table(tmp_path / name)


def test_columns_of_the_first_version_stand_where_they_stood() -> None:
    assert COLUMNS[13:15] == ("model", "model_sha256")
    assert LABELLED_COLUMNS[:17] == (*COLUMNS[:15], "label", "sha256")


def test_a_table_tells_what_answered_once_each(tmp_path: Path) -> None:
    path = tmp_path / "predictions_test.csv"
    predictions = [SURE, replace(SURE, precision="fp32"), SURE]
    write_labelled_table([LabelledRow(prediction=row, label=3, sha256="01") for row in predictions], path)
    assert read_labelled_table(path).answered_by == (("cd34", "bf16", "torch"), ("cd34", "fp32", "torch"))


def test_a_labelled_table_of_an_older_version_is_read(tmp_path: Path) -> None:
    path = write_three(tmp_path)
    lines = [line.rsplit(",", 4)[0] for line in path.read_bytes().decode().split("\r\n")[:-1]]
    assert lines[0].endswith(",model_sha256,label,sha256")
    path.write_bytes("\r\n".join([*lines, ""]).encode())
    table = read_labelled_table(path)
    assert (table.labels.tolist(), table.sha256, table.answered_by) == ([3, 7], ("01", "03"), ())
