"""Which weights' figures were measured by this installation; those of all others are what somebody states."""

import hashlib
import json
import logging

from bloodcell.json_objects import read_json_object
from bloodcell.paths import published_weights, write_atomically
from bloodcell.weights.card import WeightsCard

_FILE = "measured_here.json"
_MOST_KEPT = 5000
"""Entries; the file stays far below the size up to which it is read."""

logger = logging.getLogger(__name__)


def remember_measured(card: WeightsCard) -> None:
    """Write down that the figures on a card were measured here.

    Raises:
        OSError: it cannot be written.
    """
    published_weights().mkdir(parents=True, exist_ok=True)
    known = [entry for entry in _known() if entry != _entry(card)]
    values = {"cards": [*known, _entry(card)][-_MOST_KEPT:]}
    write_atomically(published_weights() / _FILE, (json.dumps(values, indent=1) + "\n").encode())


def is_measured_here(card: WeightsCard) -> bool:
    """Return whether the figures on a card were measured here, and the card was not changed since."""
    return _entry(card) in _known()


def _entry(card: WeightsCard) -> str:
    """Return the hash of the whole card, which covers the tensors by theirs."""
    return hashlib.sha256(card.to_json()).hexdigest()


def _known() -> list[object]:
    try:
        known = read_json_object(published_weights() / _FILE).get("cards")
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        logger.warning("%s cannot be read (%s); figures count as stated", _FILE, error)
        return []
    return known if isinstance(known, list) else []
