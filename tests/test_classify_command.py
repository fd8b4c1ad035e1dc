import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from PIL import Image

from bloodcell.answers.prediction_table import COLUMNS
from bloodcell.cell_classes import CLASS_KEYS
from bloodcell.runs.run_folder import RunFolder
from tests.answers.pictures import encoded, write_broken_and_odd_files
from tests.conftest import REPOSITORY
from tests.shell import assert_is_a_sentence, bloodcell, rows_of


def test_classify_writes_a_row_per_image_and_an_overlay_each(finished_run: RunFolder, tmp_path: Path) -> None:
    good, bad = write_broken_and_odd_files(tmp_path / "in")
    result = bloodcell(
        *("classify", tmp_path / "in", "--weights", finished_run.best),
        *("--csv", tmp_path / "out.csv", "--heat-maps", tmp_path / "maps", "--device", "cpu"),
    )
    assert_is_a_sentence(result, status=1)
    rows = rows_of(tmp_path / "out.csv")
    assert tuple(rows[0]) == COLUMNS
    assert [row["file"] for row in rows] == sorted(good | bad)
    assert {row["file"] for row in rows if row["status"] == "error"} == bad
    assert all(name in result.stderr for name in bad)
    assert {path.name for path in (tmp_path / "maps").iterdir()} == {f"{name}.png" for name in good}


def test_classify_ends_with_0_when_all_is_answered(finished_run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "cell.png").write_bytes(encoded(0))
    result = bloodcell(
        "classify",
        tmp_path / "cell.png",
        "--weights",
        finished_run.best,
        "--csv",
        tmp_path / "out.csv",
        "--device",
        "cpu",
    )
    assert result.returncode == 0, result.stderr
    row = rows_of(tmp_path / "out.csv")[0]
    assert row["predicted"] in CLASS_KEYS
    assert float(row["confidence"]) == max(float(row[f"p_{key}"]) for key in CLASS_KEYS)


def test_a_batch_of_broken_files_alone_is_listed(finished_run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "empty.png").write_bytes(b"")
    result = bloodcell(
        "classify", tmp_path / "empty.png", "--weights", finished_run.best, "--csv", tmp_path / "out.csv"
    )
    assert_is_a_sentence(result, status=1)
    assert rows_of(tmp_path / "out.csv")[0]["status"] == "error"


def test_a_csv_path_that_is_a_pipe_is_written_to_and_stays_one(finished_run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "cell.png").write_bytes(encoded(0))
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.PIPE) as reader:
        result = bloodcell(
            "classify", tmp_path / "cell.png", "--weights", finished_run.best, "--csv", tmp_path / "pipe"
        )
        written, _ = reader.communicate(timeout=300)
    assert result.returncode == 0, result.stderr
    assert written.startswith(b"file,predicted,")
    assert (tmp_path / "pipe").is_fifo()


def test_a_csv_path_that_is_a_link_keeps_its_link(finished_run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "cell.png").write_bytes(encoded(0))
    (tmp_path / "target.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to(tmp_path / "target.csv")
    result = bloodcell(
        "classify", tmp_path / "cell.png", "--weights", finished_run.best, "--csv", tmp_path / "link.csv"
    )
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "link.csv").is_symlink()
    assert rows_of(tmp_path / "target.csv")[0]["file"] == "cell.png"


def test_an_interrupted_classify_leaves_no_half_csv(finished_run: RunFolder, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for index in range(3000):
        (folder / f"{index}.png").write_bytes(
            encoded(index % 8) if index < 8 else (folder / f"{index % 8}.png").read_bytes()
        )
    command = [sys.executable, "-m", "bloodcell", "classify", folder, "--weights", finished_run.best]
    process = subprocess.Popen(
        [*command, "--csv", tmp_path / "out.csv"],
        cwd=REPOSITORY,
        stderr=subprocess.PIPE,
        # A shell's background jobs, and so this test there, start with Ctrl-C ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 300
    while not list(tmp_path.glob(".out.csv*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 1
    assert b"Traceback" not in errors
    assert list(tmp_path.glob("*out.csv*")) == []


def test_an_image_that_is_no_cell_is_refused_with_its_reason_and_gets_no_overlay(tmp_path: Path) -> None:
    Image.new("RGB", (360, 360), (240, 230, 225)).save(tmp_path / "blank.png")
    arguments = (tmp_path / "blank.png", "--csv", tmp_path / "out.csv", "--heat-maps", tmp_path / "overlays")
    result = bloodcell("classify", *arguments)
    assert result.returncode == 0, result.stderr
    assert "0 of 1 images answered as sure, 0 to be looked at, 1 refused" in result.stdout
    assert "Laboratory: undecided. 1 of 1 images show no single cell." in result.stdout
    (row,) = rows_of(tmp_path / "out.csv")
    assert (row["status"], row["predicted"], row["confidence"]) == ("refused", "", "")
    assert "unlike the images that this model was trained on: " in row["reason"]
    assert "; in training " in row["reason"]
    assert float(row["p_platelet"]) > 0
    assert not (tmp_path / "overlays").exists()
