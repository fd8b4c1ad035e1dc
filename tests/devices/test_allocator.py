import ctypes
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from bloodcell.command_line import main
from bloodcell.devices.allocator import keep_freed_memory
from tests.answers.pictures import encoded
from tests.conftest import REPOSITORY, quick_config, train_quietly

HAS_GLIBC = sys.platform == "linux" and hasattr(ctypes.CDLL(None), "gnu_get_libc_version")
FAULTS = """
import resource, sys, torch
from bloodcell.devices.allocator import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory("cpu")
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.ones(16 * 2**20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""


def told(monkeypatch: pytest.MonkeyPatch, **functions: object) -> list[tuple[int, int]]:
    """Put a C library in place that only notes what it is told, so that this process keeps its own allocator."""
    calls: list[tuple[int, int]] = []

    def mallopt(number: int, value: int) -> int:
        calls.append((number, value))
        return 1

    library = SimpleNamespace(mallopt=mallopt, **functions)
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    monkeypatch.setattr(sys, "platform", "linux")
    return calls


@pytest.mark.skipif(not HAS_GLIBC, reason="this system has no glibc")
def test_memory_that_is_freed_and_asked_for_again_costs_no_page_faults() -> None:
    def faults(which: str) -> int:
        command = [sys.executable, "-c", FAULTS, which]
        return int(subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout)

    assert faults("kept") < faults("given back") / 10


def test_the_train_command_does_it_on_the_processor(
    drawn_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = told(monkeypatch, gnu_get_libc_version=None)
    arguments = ("--experiment", "fast_simple_cnn", "--data", drawn_dataset, "--run-dir", tmp_path / "run")
    options = ("--epochs", 1, "--image-size", 32, "--batch-size", 8, "--device", "cpu")
    assert main(["train", *map(str, (*arguments, *options))]) == 0
    assert [number for number, _ in calls] == [-4, -1, -2]


def test_the_ablate_command_does_it_on_the_processor(
    drawn_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = told(monkeypatch, gnu_get_libc_version=None)
    arguments = ("--suite", "smoke", "--data", drawn_dataset, "--out", tmp_path / "suite", "--epochs", 1)
    options = ("--seeds", 0, "--arms", "simple_cnn", "--device", "cpu")
    assert main(["ablate", *map(str, (*arguments, *options))]) == 0
    assert [number for number, _ in calls] == [-4, -1, -2]


def test_the_classify_command_does_it_on_the_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = told(monkeypatch, gnu_get_libc_version=None)
    (tmp_path / "cell.png").write_bytes(encoded(0))
    arguments = (tmp_path / "cell.png", "--csv", tmp_path / "answers.csv", "--weights", "simple_cnn")
    assert main(["classify", *map(str, arguments), "--device", "cpu"]) == 0
    assert [number for number, _ in calls] == [-4, -1, -2]


def test_who_trains_from_python_keeps_the_allocator_as_it_is(
    drawn_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = told(monkeypatch, gnu_get_libc_version=None)
    train_quietly(quick_config(epochs=1), drawn_dataset, tmp_path / "run")
    assert calls == []


def test_nothing_is_told_without_glibc_or_where_a_gpu_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = told(monkeypatch)
    assert not keep_freed_memory("cpu")
    calls += told(monkeypatch, gnu_get_libc_version=None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert not keep_freed_memory("cuda")
    assert not keep_freed_memory("auto")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_freed_memory("cpu")
    assert calls == []
