"""How long threads that have done their share of a computation spin before they sleep until the others are done."""

import os
from collections.abc import MutableMapping

_ROUNDS = "1000"
"""Some 30 µs. GNU's OpenMP, which torch computes with, spins for milliseconds otherwise. Beside other work the thread
that it waits for may have no core meanwhile, and a step of many small computations then takes ten times as long. Alone
it costs 1 to 2 % (two EPYC cores, November 2026; docs/decisions.md)."""


def spin_briefly(environment: MutableMapping[str, str] = os.environ) -> None:
    """Say so to OpenMP, for this process and those that it starts; call it before torch is imported.

    Who has set GOMP_SPINCOUNT or OMP_WAIT_POLICY keeps what was chosen.
    """
    if "OMP_WAIT_POLICY" not in environment:
        environment.setdefault("GOMP_SPINCOUNT", _ROUNDS)
