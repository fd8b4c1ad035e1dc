"""JSON of people and other programs is an object of bounded size, depth and numbers, or a ValueError says why not."""

import json
from pathlib import Path

import pytest

from bloodcell.json_objects import MOST_DEPTH, json_object, read_json_object


def nested(depth: int) -> bytes:
    return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


def test_an_object_of_ordinary_values_is_returned() -> None:
    values = {"a": [1, 2.5, "three", None, True], "b": {"c": -(2**62)}}
    assert json_object(json.dumps(values).encode()) == values


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "Expecting value"),
        (b"\xff\xfe\x00", "not text"),
        (b"[]", "no JSON object"),
        (b"null", "no JSON object"),
        (b'"text"', "no JSON object"),
        (b'{"a": NaN}', "'a' is not a finite"),
        (b'{"a": [Infinity]}', "'a' is not a finite"),
        (b'{"a": {"b": 1e999}}', "'b' is not a finite"),
        (b'{"a": 1' + b"0" * 40 + b"}", "digits"),
        (b'{"a": 1' + b"0" * 5_000 + b"}", "digits"),
        (b'{"a": "' + b"x" * 1_000_000 + b'"}', "larger than 1 MB"),
        (nested(MOST_DEPTH + 1), "too deeply"),
        (nested(100_000), "too deeply"),
    ],
)
def test_everything_else_is_refused_with_the_reason(data: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        json_object(data)


def test_the_deepest_that_is_allowed_is_read() -> None:
    assert json_object(nested(MOST_DEPTH))


def test_a_file_that_is_too_large_is_not_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "card.json"
    with file.open("wb") as stream:
        stream.truncate(10**12)
    with pytest.raises(ValueError, match="larger than"):
        read_json_object(file)
