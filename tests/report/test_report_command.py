from pathlib import Path

import pytest

from bloodcell.command_line import main
from tests.builders.drawn_records import write_drawn_suite


def test_the_command_writes_the_report_and_five_figures_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = write_drawn_suite(tmp_path / "suite", seeds=2, epochs=None, images=80, name="paper")
    out, pictures = tmp_path / "report.html", tmp_path / "pictures"
    assert main(["report", str(suite), str(out), "--figures", str(pictures)]) == 0
    page = out.read_text(encoding="utf-8")
    assert "Arms compared" in page
    assert "never learned" in page
    names = {f"figure_{number}{suffix}" for number in range(2, 7) for suffix in (".png", ".svg")}
    assert {path.name for path in pictures.iterdir()} == names
    assert "12 runs in 6 arms" in capsys.readouterr().out


def test_a_folder_without_runs_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path), str(tmp_path / "report.html")]) == 1
    assert "There is no run below" in capsys.readouterr().err
    assert not (tmp_path / "report.html").exists()


def test_a_damaged_run_is_named_and_the_others_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    suite = write_drawn_suite(tmp_path / "suite", seeds=1, epochs=None, images=80, name="paper")
    damaged = suite / "runs" / "deep_cnn-seed0" / "metrics.csv"
    damaged.write_text("epoch\nno number\n")
    assert main(["report", str(suite), str(tmp_path / "report.html")]) == 1
    assert "deep_cnn-seed0" in capsys.readouterr().err
    assert "damaged" in (tmp_path / "report.html").read_text(encoding="utf-8")
