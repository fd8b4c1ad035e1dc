"""The most that this machine does with torch: a large matrix product per precision, and a large copy."""

import torch

from benchmarks.results_file import medians, time_in_turn

COPIED_BYTES = 200_000_000


def machine_peak(device: torch.device, *, side: int = 2048, repeats: int = 7) -> dict[str, float]:
    """Return GFLOP/s of a square matrix product in fp32 and bf16, and GB/s of a copy, read and written bytes together.

    A multiply-add counts as two operations. fp32 means fp32: torch keeps TF32 off for matrix products by default.
    """
    factors = {"fp32": torch.randn(side, side, device=device)}
    factors["bf16"] = factors["fp32"].bfloat16()
    source = torch.ones(COPIED_BYTES // 4, device=device)
    target = torch.empty_like(source)

    def synchronised() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize()

    def multiply(name: str) -> None:
        torch.mm(factors[name], factors[name])
        synchronised()

    def copy() -> None:
        target.copy_(source)
        synchronised()

    work = {"fp32": lambda: multiply("fp32"), "bf16": lambda: multiply("bf16"), "copy": copy}
    seconds = medians(time_in_turn(work, repeats=repeats))
    return {
        "fp32": 2 * side**3 / seconds["fp32"] / 1e9,
        "bf16": 2 * side**3 / seconds["bf16"] / 1e9,
        "copy": 2 * COPIED_BYTES / seconds["copy"] / 1e9,
    }
