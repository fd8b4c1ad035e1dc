"""Which engine answers: torch, which is always there, or OpenVINO. Known without importing either."""

import os
from typing import Literal, get_args

from bloodcell.errors import EngineUnavailable

EngineName = Literal["torch", "openvino", "auto"]
"""auto: OpenVINO where it is installed and the processor answers, else torch."""
ENGINES: tuple[EngineName, ...] = get_args(EngineName)


def chosen_engine() -> EngineName:
    """Return BLOODCELL_ENGINE, which pages follow and `classify` without `--engine`; torch where it is not set.

    Raises:
        EngineUnavailable: it names no engine.
    """
    named = os.environ.get("BLOODCELL_ENGINE") or "torch"
    for name in ENGINES:
        if name == named:
            return name
    raise EngineUnavailable(
        f"BLOODCELL_ENGINE is '{named}', which is no engine. Set it to {', '.join(ENGINES[:-1])} or {ENGINES[-1]}, or "
        "unset it."
    )
