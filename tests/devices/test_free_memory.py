from pathlib import Path

import pytest
import torch

from bloodcell.devices.free_memory import free_memory_mib

CPU = torch.device("cpu")
MEMINFO = "MemTotal:        8388608 kB\nMemFree:          524288 kB\nMemAvailable:    4194304 kB\n"


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    folder = tmp_path / "proc"
    folder.mkdir()
    (folder / "meminfo").write_text(MEMINFO)
    return folder


def container(folder: Path, *, bound: str, used: int, cache: int, version: int) -> Path:
    if version == 2:
        names, key = ("memory.max", "memory.current", "memory.stat"), "inactive_file"
    else:
        names = ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat")
        key = "total_inactive_file"
        (folder / "memory").mkdir(parents=True)
    folder.mkdir(exist_ok=True)
    for name, text in zip(names, (bound, str(used), f"anon 5\n{key} {cache}\n"), strict=True):
        (folder / name).write_text(text + "\n")
    return folder


def test_what_the_system_calls_available_is_free(proc: Path, tmp_path: Path) -> None:
    assert free_memory_mib(CPU, proc=proc, cgroup=tmp_path) == 4096


@pytest.mark.parametrize("version", [1, 2])
def test_a_containers_bound_counts_where_it_is_lower(version: int, proc: Path, tmp_path: Path) -> None:
    group = container(tmp_path / "group", bound=str(2 << 30), used=1 << 30, cache=256 << 20, version=version)
    assert free_memory_mib(CPU, proc=proc, cgroup=group) == 1024 + 256


@pytest.mark.parametrize(("bound", "version"), [("max", 2), (str(2**63 - 4096), 1)])
def test_a_container_without_a_bound_does_not_count(bound: str, version: int, proc: Path, tmp_path: Path) -> None:
    group = container(tmp_path / "group", bound=bound, used=1 << 30, cache=0, version=version)
    assert free_memory_mib(CPU, proc=proc, cgroup=group) == 4096


def test_a_system_that_does_not_say_is_not_guessed(tmp_path: Path) -> None:
    assert free_memory_mib(CPU, proc=tmp_path, cgroup=tmp_path) is None


def test_this_computer_says_something_likely() -> None:
    found = free_memory_mib(CPU)
    assert found is None or 0 < found < 2**30
