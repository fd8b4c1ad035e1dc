"""The one reader of JSON that people and other programs write too: objects of bounded size, depth and numbers."""

import json
import math
from pathlib import Path
from typing import Any

MOST_BYTES = 1_000_000
MOST_DEPTH = 32
LARGEST_WHOLE_NUMBER = 2**63 - 1


def json_object(data: bytes, *, most_bytes: int = MOST_BYTES) -> dict[str, Any]:
    """Return the object that bytes hold, with finite numbers, at most `MOST_DEPTH` levels deep.

    Raises:
        ValueError: they hold none; says why.
    """
    if len(data) > most_bytes:
        raise ValueError(f"it is larger than {most_bytes / 1_000_000:g} MB")
    try:
        values = json.loads(data)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeDecodeError:
        raise ValueError("it is not text") from None
    if not isinstance(values, dict):
        raise ValueError("it holds no JSON object")
    _refuse_beyond_bounds(values)
    return values


def read_json_object(path: Path, *, most_bytes: int = MOST_BYTES) -> dict[str, Any]:
    """Return the object in a file, as `json_object` does; no more of a larger file is read.

    Raises:
        OSError: the file is missing or cannot be read.
        ValueError: it holds none; says why.
    """
    with path.open("rb") as stream:
        return json_object(stream.read(most_bytes + 1), most_bytes=most_bytes)


def _refuse_beyond_bounds(values: dict[str, Any]) -> None:
    level: list[tuple[str, Any]] = [("", values)]
    for _ in range(MOST_DEPTH):
        below: list[tuple[str, Any]] = []
        for name, value in level:
            if isinstance(value, dict):
                below.extend(value.items())
            elif isinstance(value, list):
                below.extend((name, entry) for entry in value)
            elif isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"its entry '{name[:60]}' is not a finite number")
            elif isinstance(value, int) and abs(value) > LARGEST_WHOLE_NUMBER:
                raise ValueError(f"its entry '{name[:60]}' has too many digits")
        level = below
        if not level:
            return
    raise ValueError("it is nested too deeply")
