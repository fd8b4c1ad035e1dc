import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bloodcell.runs.run_folder import RunFolder
from tests.answers.pictures import encoded
from tests.conftest import REPOSITORY
from tests.shell import assert_is_a_sentence, bloodcell, rows_of

COMMANDS = (
    "classify",
    "train",
    "evaluate",
    "laboratory",
    "ablate",
    "report",
    "check",
    "download",
    "models",
    "publish",
    "gate",
    "export",
    "runs",
    "work",
)


def test_help_names_every_command() -> None:
    result = bloodcell("--help")
    assert result.returncode == 0
    assert all(command in result.stdout for command in COMMANDS)


def test_help_loads_nothing_that_takes_a_while() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "bloodcell", "--help"]
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in result.stderr.splitlines()}
    assert "bloodcell" in loaded
    assert loaded & {"torch", "scipy", "pandas", "sklearn", "PIL", "streamlit", "plotly"} == set()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    result = bloodcell(command, "--help")
    assert result.returncode == 0
    assert "usage:" in result.stdout


def test_the_package_is_imported_without_torch() -> None:
    code = "import sys, bloodcell, bloodcell.command_line; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False).returncode == 0


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
    folder, deadline = RunFolder(run_dir), time.monotonic() + 300
    while not folder.metrics.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=300)
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
    again = bloodcell("publish", run_dir, "drawn", BLOODCELL_HOME=str(home))
    assert_is_a_sentence(again, status=1)
    assert "already" in again.stderr
    assert bloodcell("publish", run_dir, "drawn", "--replace", BLOODCELL_HOME=str(home)).returncode == 0
    answered = bloodcell(
        *("classify", drawn_dataset, "--weights", "drawn", "--csv", tmp_path / "out.csv"), BLOODCELL_HOME=str(home)
    )
    assert answered.returncode == 0, answered.stderr
    rows = rows_of(tmp_path / "out.csv")
    assert "" not in {row["predicted"] for row in rows}
    right = sum(row["file"].startswith(row["predicted"]) for row in rows)
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
    sound = bloodcell("check", drawn_dataset)
    assert sound.returncode == 0
    assert "Not looked for: crops of one field" in sound.stdout


def test_models_prints_the_papers_tables() -> None:
    result = bloodcell("models")
    assert result.returncode == 0
    assert "4,718,312" in result.stdout
    for row in ("Enc1 256×256 32", "Enc2 128×128 64", "Enc3 64×64 128", "Enc4 32×32 256", "Bottleneck 16×16 512"):
        assert re.search(r"\s+".join(map(re.escape, row.split())), result.stdout)


def test_export_writes_a_file_and_says_how_it_was_compared(drawn_dataset: Path, tmp_path: Path) -> None:
    result = bloodcell("export", "simple_cnn", tmp_path / "out.onnx", "--data", drawn_dataset)
    assert result.returncode == 0, result.stderr
    assert "on 64 images of the dataset: the same class for every one" in result.stdout
    assert (tmp_path / "out.onnx").stat().st_size > 50_000


def test_export_of_unknown_weights_is_a_sentence(tmp_path: Path) -> None:
    assert_is_a_sentence(bloodcell("export", "nothing", tmp_path / "out.onnx"), status=1)
    assert list(tmp_path.iterdir()) == []


def test_the_gate_of_unknown_weights_is_a_sentence(drawn_dataset: Path) -> None:
    assert_is_a_sentence(bloodcell("gate", "nothing", "--data", drawn_dataset), status=1)
