"""What an attack is, what it counts, and how it runs in a process of its own whose memory is measured."""

import multiprocessing
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from bloodcell.errors import BloodcellError

HEADINGS = (
    "attack",
    "cases",
    "refused in words",
    "held",
    "wrong",
    "lost",
    "foreign exceptions",
    "slowest, s",
    "MB more",
)


@dataclass(kw_only=True, slots=True)
class Tally:
    """What came of the cases of an attack."""

    name: str
    refused: int = 0
    """With a `BloodcellError`, whose text a user reads."""
    held: int = 0
    """Read, answered or finished as if nothing had been done."""
    wrong: list[str] = field(default_factory=list)
    """Cases that gave something else than the truth."""
    lost: list[str] = field(default_factory=list)
    """Cases that cost something finished."""
    foreign: list[str] = field(default_factory=list)
    """Cases that ended in an exception that is no sentence."""
    slowest_seconds: float = 0.0
    megabytes: float = 0.0
    """By which the process's peak of memory grew since the tally began."""
    peak_at_start: int = field(default_factory=lambda: _peak())

    def try_one(self, case: str, act: Callable[[], bool]) -> None:
        """Act, and count what comes of it.

        Args:
            act: returns whether the result is right.
        """
        start = time.perf_counter()
        try:
            if act():
                self.held += 1
            else:
                self.wrong.append(case)
        except BloodcellError:
            self.refused += 1
        except Exception as error:
            self.foreign.append(f"{case}: {error!r}")
        self.slowest_seconds = max(self.slowest_seconds, time.perf_counter() - start)

    @property
    def cells(self) -> tuple[str, ...]:
        """The attack's row, as `HEADINGS` has it."""
        failures = (self.wrong, self.lost, self.foreign)
        cases = self.refused + self.held + sum(map(len, failures))
        counts = (cases, self.refused, self.held, *map(len, failures))
        return (self.name, *(f"{count:,}" for count in counts), f"{self.slowest_seconds:.2f}", f"{self.megabytes:.0f}")


def in_own_process(attack: Callable[..., Tally], *arguments: object) -> Tally:
    """Run an attack where nothing else takes memory."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(_measured, attack, *arguments).result()


def _measured(attack: Callable[..., Tally], *arguments: object) -> Tally:
    tally = attack(*arguments)
    tally.megabytes = (_peak() - tally.peak_at_start) * 1024 / 1e6
    return tally


def _peak() -> int:
    """Return the process's peak of memory so far, KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
