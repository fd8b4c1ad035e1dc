"""How much memory a new process can have here."""

from pathlib import Path

import torch

_PROC, _CGROUP = Path("/proc"), Path("/sys/fs/cgroup")


def free_memory_mib(device: torch.device, *, proc: Path = _PROC, cgroup: Path = _CGROUP) -> float | None:
    """Return what is free on a GPU, or of the computer's memory; None where the system does not say.

    A container's own bound counts where it is the lower one.

    Args:
        proc, cgroup: where Linux keeps its figures.
    """
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0] / 2**20)
    found = [bytes_free for bytes_free in (_machine(proc), _container(cgroup)) if bytes_free is not None]
    return min(found) / 2**20 if found else None


def _machine(proc: Path) -> int | None:
    try:
        lines = (proc / "meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None  # no Linux
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")), None)


def _container(cgroup: Path) -> int | None:
    """Return what is left below the bound of a container, of either version of control groups."""
    for bound, used, cache in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"),
    ):
        try:
            most, now = (cgroup / bound).read_text().strip(), int((cgroup / used).read_text())
            statistics = (cgroup / bound).with_name("memory.stat").read_text().split()
        except OSError:
            continue
        if most != "max":
            # Files that the system has read ahead give way.
            given_back = int(statistics[statistics.index(cache) + 1]) if cache in statistics else 0
            return int(most) - now + given_back
    return None
