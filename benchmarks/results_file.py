"""What all benchmarks share: timing in turn, medians and ratios, and the one section each writes to RESULTS.md."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from bloodcell.paths import write_atomically

RESULTS = Path(__file__).resolve().parent / "RESULTS.md"
_HEADING = "# Results\n\nEach section is written by its benchmark, all of it in one run; edits by hand are lost.\n"
_CPU_FLAGS = ("avx512_bf16", "amx_bf16")


def seconds_of(work: Callable[[], object]) -> float:
    """Return the seconds that one call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure_in_turn(
    measurements: Mapping[str, Callable[[], float]],
    *,
    repeats: int,
    warm_up: Mapping[str, Callable[[], object]] | None = None,
) -> dict[str, list[float]]:
    """Take every measurement once per round, so that a slow minute of the machine touches all of them.

    A first round warms up and is left out; where it would take long, `warm_up` is that round. Returns name → values,
    one per round, in the order of the rounds.
    """
    for warm in (warm_up or measurements).values():
        warm()
    values: dict[str, list[float]] = {name: [] for name in measurements}
    for _ in range(repeats):
        for name, measure in measurements.items():
            values[name].append(measure())
    return values


def time_in_turn(work: Mapping[str, Callable[[], object]], *, repeats: int) -> dict[str, list[float]]:
    """Return name → seconds per round, as `measure_in_turn` does."""

    def timed(function: Callable[[], object]) -> Callable[[], float]:
        return lambda: seconds_of(function)

    return measure_in_turn({name: timed(function) for name, function in work.items()}, repeats=repeats)


def medians(values: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Return name → median."""
    return {name: statistics.median(series) for name, series in values.items()}


def ratio_text(numerators: Sequence[float], denominators: Sequence[float]) -> str:
    """Return the ratio of the medians and, over the rounds, the lowest and highest ratio: '3.10 × (3.02–3.15)'."""
    ratio = statistics.median(numerators) / statistics.median(denominators)
    rounds = [above / below for above, below in zip(numerators, denominators, strict=True)]
    return f"{ratio:.2f} × ({min(rounds):.2f}–{max(rounds):.2f})"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as a Markdown table; the first is the head. The first column stands left, the others right."""
    rule = ["---"] + ["---:"] * (len(rows[0]) - 1)
    return "\n".join("| " + " | ".join(row) + " |" for row in (rows[0], rule, *rows[1:]))


def machine_line(device: str = "cpu") -> str:
    """Return date, hardware, bf16 instructions of the processor, and torch's version as one line."""
    import torch

    from bloodcell.devices.hardware import hardware_name

    present = _cpu_flags()
    flags = ", ".join(f"{flag} {'yes' if flag in present else 'no'}" for flag in _CPU_FLAGS)
    today = datetime.now(UTC).date().isoformat()
    return f"{today} · {hardware_name(device)} · {flags} · torch {torch.__version__}"


def write_section(name: str, body: str, *, path: Path = RESULTS) -> None:
    """Put `body` between `<!-- NAME -->` and `<!-- /NAME -->`, in place of what stands there or at the end; print it.

    Raises:
        ValueError: the file has the section's beginning without its end.
    """
    opening, closing = f"<!-- {name} -->", f"<!-- /{name} -->"
    section = f"{opening}\n{body.strip()}\n{closing}"
    text = path.read_text(encoding="utf-8") if path.exists() else _HEADING
    before, found, rest = text.partition(opening)
    if found:
        _, ended, after = rest.partition(closing)
        if not ended:
            raise ValueError(f"{path} has {opening} without {closing}")
        text = f"{before}{section}{after}"
    else:
        text = f"{text.rstrip()}\n\n{section}\n"
    write_atomically(path, text.encode())
    print(body.strip())


def _cpu_flags() -> set[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return set()
    return set(next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), []))
