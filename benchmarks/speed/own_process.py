"""Work in a process of its own: what it tells the allocator and OpenMP then reaches no other contestant.

The package says how long threads spin before torch is imported; benchmarks import torch first and so have OpenMP as it
comes, while a process that is started here has it as users of the package do.
"""

import contextlib
import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

Work = Callable[..., Any]


class OwnProcess:
    """A function in another process; arguments and results are pickled. It ends with this process."""

    def __init__(self, make: Callable[[], tuple[Work, Any]]) -> None:
        """Start the process; return once the work is ready.

        Args:
            make: called there; a function of a module, or a partial of one. It returns the work and what to say first.
        """
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        context.Process(target=_serve, args=(other, make), daemon=True).start()
        other.close()
        self.said_first: Any = self._connection.recv()

    def __call__(self, *arguments: object) -> Any:
        """Do the work once."""
        self._connection.send(arguments)
        return self._connection.recv()


def _serve(connection: Connection, make: Callable[[], tuple[Work, Any]]) -> None:
    work, said_first = make()
    connection.send(said_first)
    with contextlib.suppress(EOFError):  # the other side has measured enough
        while True:
            connection.send(work(*connection.recv()))
