"""The two files of weights as one: their writer may be killed at any moment, and no reader takes half of a pair.

First the new card is laid down under a hidden name that holds the hash of its tensors, then the tensors take their
place, then the card. Where the writer ends in between, the tensors that are there find their own card by its name.
"""

import hashlib
import re
from pathlib import Path

from bloodcell.paths import write_atomically

_SHA256 = re.compile(r"[0-9a-f]{64}")


def write_pair(tensors_path: Path, tensors: bytes, card: bytes) -> None:
    """Write NAME.safetensors and NAME.json; a pair that is there stays whole until the new one is.

    Args:
        card: the content of NAME.json, which names the SHA-256 of `tensors`.

    Raises:
        OSError: the folder cannot be written.
    """
    tensors_path.parent.mkdir(parents=True, exist_ok=True)
    waiting = _waiting_card(tensors_path, hashlib.sha256(tensors).hexdigest())
    write_atomically(waiting, card)
    try:
        write_atomically(tensors_path, tensors)
    except OSError:
        # What is there keeps its own card.
        waiting.unlink(missing_ok=True)
        raise
    write_atomically(tensors_path.with_suffix(".json"), card)
    _forget_waiting_cards(tensors_path)


def read_card_bytes(tensors_path: Path) -> bytes:
    """Return the content of the card that belongs to the tensors, wherever their writer was stopped.

    Raises:
        OSError: there is no card, or it cannot be read.
    """
    waiting = _waiting_for_its_place(tensors_path)
    try:
        return (waiting or tensors_path.with_suffix(".json")).read_bytes()
    except FileNotFoundError:
        # Its writer has put it into its place since.
        return tensors_path.with_suffix(".json").read_bytes()


def settle_pair(tensors_path: Path) -> None:
    """Finish what a killed writer has left; only for whoever may write the pair.

    Raises:
        OSError: the folder cannot be written.
    """
    waiting = _waiting_for_its_place(tensors_path)
    if waiting is not None:
        waiting.replace(tensors_path.with_suffix(".json"))
    _forget_waiting_cards(tensors_path)


def delete_pair(tensors_path: Path) -> None:
    """Delete both files.

    Raises:
        OSError: they cannot be deleted.
    """
    # The card last: without the tensors' file it makes no name.
    tensors_path.unlink()
    tensors_path.with_suffix(".json").unlink(missing_ok=True)
    _forget_waiting_cards(tensors_path)


def _waiting_card(tensors_path: Path, sha256: str) -> Path:
    return tensors_path.with_name(f".{tensors_path.stem}.{sha256}.json")


def _waiting_cards(tensors_path: Path) -> list[Path]:
    prefix, suffix = f".{tensors_path.stem}.", ".json"
    return [
        path
        for path in tensors_path.parent.glob(".*.json")
        if path.name.startswith(prefix) and _SHA256.fullmatch(path.name[len(prefix) : -len(suffix)])
    ]


def _waiting_for_its_place(tensors_path: Path) -> Path | None:
    """Return the waiting card of exactly these tensors; None in all the time that nobody writes or was stopped."""
    waiting = _waiting_cards(tensors_path)
    if not waiting or not tensors_path.is_file():
        return None
    with tensors_path.open("rb") as stream:
        own = _waiting_card(tensors_path, hashlib.file_digest(stream, "sha256").hexdigest())
    return own if own in waiting else None


def _forget_waiting_cards(tensors_path: Path) -> None:
    for path in _waiting_cards(tensors_path):
        path.unlink(missing_ok=True)
