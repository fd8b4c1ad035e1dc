"""Checks that settings share: each field has its type and range, or a ValueError names it."""

import math
from dataclasses import fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from bloodcell.json_objects import LARGEST_WHOLE_NUMBER


def check(name: str, value: object, holds: bool, expected: str) -> None:
    """Refuse a value.

    Raises:
        ValueError: it does not hold; names the setting and says what is expected.
    """
    if not holds:
        raise ValueError(f"{name} is {value!r}; it must be {expected}")


def check_types(settings: Any, prefix: str = "") -> None:
    """Refuse fields of a frozen dataclass that have another type than their hint, or none of its choices.

    Args:
        prefix: stands before the names of fields in what is said.

    Raises:
        ValueError: names the field.
    """
    hints = get_type_hints(type(settings))
    for field in fields(settings):
        _check_type(prefix + field.name, getattr(settings, field.name), hints[field.name])


def _check_type(name: str, value: object, hint: Any) -> None:
    kinds = [hint] if get_origin(hint) is Literal else list(get_args(hint) or (hint,))
    choices = [choice for kind in kinds if get_origin(kind) is Literal for choice in get_args(kind)]
    types = tuple(kind for kind in kinds if get_origin(kind) is not Literal)
    if choices:
        optional = value is None and type(None) in types
        check(name, value, optional or value in choices, "one of " + ", ".join(choices))
        return
    accepted = tuple({*types, int} if float in types else types)
    is_right = isinstance(value, accepted) and (not isinstance(value, bool) or bool in types)
    is_bounded = math.isfinite(value) if isinstance(value, float) else not _has_too_many_digits(value)
    check(name, value, is_bounded, "a finite number that is not too large")
    check(name, value, is_right, " or ".join("empty" if kind is type(None) else kind.__name__ for kind in types))


def _has_too_many_digits(value: object) -> bool:
    return isinstance(value, int) and abs(value) > LARGEST_WHOLE_NUMBER
