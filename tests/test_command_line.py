import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bloodcell.cell_classes import CLASS_KEYS
from bloodcell.data.prediction_table import COLUMNS
from bloodcell.training.run_folder import RunFolder
from tests.conftest import REPOSITORY
from tests.prediction.pictures import encoded, write_broken_and_odd_files


def bloodcell(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bloodcell", *map(str, arguments)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, **environment},
        check=False,
    )


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def assert_is_a_sentence(result: subprocess.CompletedProcess[str], *, status: int) -> None:
    assert result.returncode == status, result.stderr
    assert "Traceback" not in result.stderr
    assert result.stderr.strip()


COMMANDS = ("classify", "train", "evaluate", "check", "models", "publish")


def test_help_names_every_command_in_a_moment() -> None:
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        result = bloodcell("--help")
        seconds.append(time.perf_counter() - start)
    assert result.returncode == 0
    assert all(command in result.stdout for command in COMMANDS)
    # 0.08 s on two AMD cores; importing torch would take seconds.
    assert min(seconds) < 0.6


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    result = bloodcell(command, "--help")
    assert result.returncode == 0
    assert "usage:" in result.stdout


def test_the_package_is_imported_without_torch() -> None:
    code = "import sys, bloodcell, bloodcell.command_line; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False).returncode == 0


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


@pytest.mark.parametrize(
    "arguments",
    [
        ("classify", "{tmp}/nowhere", "--csv", "{tmp}/out.csv", "--weights", "{best}"),
        ("classify", "{tmp}/cell.png", "--csv", "{tmp}/no/such/folder/out.csv", "--weights", "{best}"),
        ("classify", "{tmp}/cell.png", "--csv", "{tmp}/out.csv", "--weights", "nothing"),
        ("classify", "{tmp}/cell.png", "--csv", "{tmp}/out.csv", "--weights", "{tmp}/damaged.safetensors"),
        ("train", "--experiment", "nothing", "--data", "{tmp}", "--run-dir", "{tmp}/run"),
        ("train", "--experiment", "paper_simple_cnn", "--data", "{tmp}/nowhere", "--run-dir", "{tmp}/run2"),
        ("train", "--run-dir", "{tmp}/nowhere", "--resume"),
        ("train", "--experiment", "paper_simple_cnn", "--data", "{tmp}", "--run-dir", "{tmp}/r", "--image-size", "4"),
        ("evaluate", "--weights", "{best}", "--data", "{tmp}/nowhere", "--out", "{tmp}/out"),
        ("evaluate", "--run-dir", "{tmp}", "--data", "{tmp}", "--out", "{tmp}/out"),
        ("check", "{tmp}/nowhere"),
        ("train", "--run-dir", "{run}", "--resume", "--epochs", "3"),
        ("train", "--run-dir", "{run}", "--resume", "--experiment", "paper_deep_cnn"),
        ("classify", "~nobody/cell.png", "--csv", "{tmp}/out.csv", "--weights", "{best}"),
        ("publish", "{tmp}", "mine"),
        ("publish", "{run}", "Not A Name"),
    ],
    ids=lambda arguments: " ".join(arguments),
)
def test_what_cannot_be_done_is_a_sentence_and_status_1(
    arguments: tuple[str, ...], finished_run: RunFolder, tmp_path: Path
) -> None:
    (tmp_path / "cell.png").write_bytes(encoded(0))
    (tmp_path / "damaged.safetensors").write_bytes(finished_run.best.read_bytes()[:500])
    (tmp_path / "damaged.json").write_bytes(finished_run.best.with_suffix(".json").read_bytes())
    places = {"tmp": tmp_path, "best": finished_run.best, "run": finished_run.path}
    result = bloodcell(*(argument.format(**places) for argument in arguments))
    assert_is_a_sentence(result, status=1)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("nothing",),
        ("classify",),
        ("classify", "x.png"),
        ("classify", "x.png", "--csv", "o.csv", "--batch-size", "0"),
        ("train",),
        ("train", "--experiment", "paper_simple_cnn", "--run-dir", "x"),
        ("train", "--run-dir", "x", "--epochs", "many"),
        ("evaluate", "--data", "x", "--out", "y"),
        ("evaluate", "--weights", "a", "--run-dir", "b", "--data", "x", "--out", "y"),
    ],
    ids=lambda arguments: " ".join(arguments) or "no command",
)
def test_wrong_usage_ends_with_2(arguments: tuple[str, ...]) -> None:
    assert_is_a_sentence(bloodcell(*arguments), status=2)


def test_a_csv_path_that_is_a_pipe_is_written_to_and_stays_one(finished_run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "cell.png").write_bytes(encoded(0))
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.PIPE) as reader:
        result = bloodcell(
            "classify", tmp_path / "cell.png", "--weights", finished_run.best, "--csv", tmp_path / "pipe"
        )
        written, _ = reader.communicate(timeout=60)
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
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob(".out.csv*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"Traceback" not in errors
    assert list(tmp_path.glob("*out.csv*")) == []


def test_a_run_stops_on_sigterm_resumes_and_is_measured_and_published(drawn_dataset: Path, tmp_path: Path) -> None:
    run_dir, home = tmp_path / "run", tmp_path / "home"
    train = ("train", "--run-dir", run_dir)
    new = (
        *train,
        "--device",
        "cpu",
        "--experiment",
        "paper_simple_cnn",
        "--data",
        drawn_dataset,
        "--image-size",
        32,
        "--epochs",
        400,
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "bloodcell", *map(str, new)], cwd=REPOSITORY, stderr=subprocess.PIPE, text=True
    )
    folder, deadline = RunFolder(run_dir), time.monotonic() + 120
    while not folder.metrics.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "--resume" in errors
    outcome = folder.read_outcome()
    assert outcome is not None
    assert outcome["state"] == "stopped"

    done = len(rows_of(folder.metrics))
    assert 0 < done < 400
    config = json.loads(folder.config.read_bytes())
    config["config"]["epochs"] = done + 2
    folder.config.write_text(json.dumps(config))
    resumed = bloodcell(*train, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert len(rows_of(folder.metrics)) == done + 2

    measured = bloodcell("evaluate", "--run-dir", run_dir, "--data", drawn_dataset, "--out", tmp_path / "out")
    assert measured.returncode == 0, measured.stderr
    figures = json.loads((tmp_path / "out" / "metrics.json").read_bytes())
    assert figures["n"] == 80
    assert "95 % interval" in measured.stdout

    seen = bloodcell("publish", run_dir, "drawn", "--test-data", drawn_dataset, BLOODCELL_HOME=str(home))
    assert_is_a_sentence(seen, status=1)
    assert "80 of the 80 test images were seen" in seen.stderr
    assert not (home / "weights").exists()
    published = bloodcell("publish", run_dir, "drawn", BLOODCELL_HOME=str(home))
    assert published.returncode == 0, published.stderr
    answered = bloodcell(
        *("classify", drawn_dataset, "--weights", "drawn", "--csv", tmp_path / "out.csv"), BLOODCELL_HOME=str(home)
    )
    assert answered.returncode == 0, answered.stderr
    right = sum(row["file"].startswith(row["predicted"]) for row in rows_of(tmp_path / "out.csv"))
    assert right == figures["correct"]


def test_check_reports_what_is_wrong(drawn_dataset: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    for name in ("a.png", "copy_of_a.png"):
        (data / "basophil").mkdir(parents=True, exist_ok=True)
        (data / "basophil" / name).write_bytes(encoded(0))
    (data / "monocyte").mkdir()
    (data / "monocyte" / "a_under_another_label.png").write_bytes(encoded(0))
    (data / "monocyte" / "text.png").write_bytes(b"text")
    result = bloodcell("check", data, "--json", tmp_path / "report.json")
    assert result.returncode == 1
    report = json.loads((tmp_path / "report.json").read_bytes())
    assert [entry["file"] for entry in report["unreadable"]] == ["monocyte/text.png"]
    assert len(report["conflicting_groups"]) == 1
    assert bloodcell("check", drawn_dataset).returncode == 0


def test_models_prints_the_papers_tables() -> None:
    result = bloodcell("models")
    assert result.returncode == 0
    assert "4,718,312" in result.stdout
    for row in ("Enc1 256×256 32", "Enc2 128×128 64", "Enc3 64×64 128", "Enc4 32×32 256", "Bottleneck 16×16 512"):
        assert re.search(r"\s+".join(map(re.escape, row.split())), result.stdout)
