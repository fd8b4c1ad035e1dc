"""The weights that a user has: those that ship, those published or added; which one answers; adding and deleting."""

import hashlib
import json
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from bloodcell.errors import WeightsError
from bloodcell.json_objects import read_json_object
from bloodcell.paths import DEFAULT_WEIGHTS, SHIPPED_WEIGHTS, home_folder, published_weights, write_atomically
from bloodcell.weights.card import WeightsCard, read_card
from bloodcell.weights.file import LoadedWeights, weights_from_bytes
from bloodcell.weights.measured_here import is_measured_here
from bloodcell.weights.pair import delete_pair, write_pair

_NAME = re.compile(r"[a-z0-9][a-z0-9_]{0,63}")
_PICKLE_SUFFIXES = (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin", ".joblib")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredWeights:
    """Weights under a name, usable or not."""

    name: str
    path: Path
    """The .safetensors file; the card lies beside it."""
    ships: bool
    """They come with the program and cannot be deleted."""
    size_bytes: int
    """Of the tensors' file."""
    card: WeightsCard | None
    """None where it cannot be read."""
    problem: str
    """Why these weights cannot answer, in a sentence; empty where they can."""
    measured_here: bool
    """Whether the card's figures ship with the program or were measured by it; else somebody states them."""


def list_weights() -> list[StoredWeights]:
    """Return all weights, those that ship first, then the user's, each by name; damaged ones with their problem."""
    found: dict[str, StoredWeights] = {}
    for folder, ships in ((SHIPPED_WEIGHTS, True), (published_weights(), False)):
        for path in sorted(folder.glob("*.safetensors")):
            if path.stem not in found and not path.name.startswith("."):
                found[path.stem] = _stored(path, ships=ships)
    return list(found.values())


def _stored(path: Path, *, ships: bool) -> StoredWeights:
    card, problem, size_bytes = None, "", 0
    try:
        card = read_card(path)
        size_bytes = path.stat().st_size
        with path.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != card.tensors_sha256:
                problem = f"{path.name} is damaged or does not belong to its .json file. Copy both files again."
    except WeightsError as error:
        problem = str(error)
    except OSError as error:
        problem = f"{path.name} cannot be read: {error.strerror}."
    return StoredWeights(
        name=path.stem,
        path=path,
        ships=ships,
        size_bytes=size_bytes,
        card=card,
        problem=problem,
        measured_here=ships or (card is not None and is_measured_here(card)),
    )


def refuse_name(name: str, *, to: Path | None = None) -> None:
    """Refuse a name that weights in a folder cannot have.

    Args:
        to: the folder; None: the user's published weights.

    Raises:
        WeightsError: it holds other characters than it may, or weights that ship have it.
    """
    if not name:
        raise WeightsError("Give the weights a name: small letters, digits and underscores.")
    if not is_weights_name(name):
        raise WeightsError(f"'{name}' cannot be a name of weights. Use small letters, digits and underscores.")
    ships = to is not None and to.resolve() == SHIPPED_WEIGHTS
    if not ships and (SHIPPED_WEIGHTS / f"{name}.safetensors").exists():
        raise WeightsError(f"'{name}' is the name of weights that ship with the program. Choose another name.")


def refuse_taken_name(name: str, *, to: Path | None = None) -> None:
    """Refuse a name that weights in a folder cannot have or that some have already.

    Args:
        to: the folder; None: the user's published weights.

    Raises:
        WeightsError: says why.
    """
    refuse_name(name, to=to)
    if ((to or published_weights()) / f"{name}.safetensors").exists():
        raise WeightsError(f"There are weights named '{name}' already. Choose another name, or delete those first.")


def add_weights(
    files: Mapping[str, bytes], name: str, *, check: Callable[[LoadedWeights], object] = lambda weights: None
) -> WeightsCard:
    """Check a pair of files from elsewhere and keep it among the user's weights.

    Args:
        files: file name → content; one .safetensors and one .json.
        name: that they get here; their card is rewritten to it.
        check: raises WeightsError for weights that load and yet cannot answer.

    Raises:
        WeightsError: the name or the files cannot be used; says why. Nothing is kept then.
        OSError: the folder cannot be written.
    """
    tensors_name, card_name = _names_of_pair(files)
    refuse_taken_name(name)
    try:
        card = WeightsCard.from_json(files[card_name])
    except ValueError as error:
        raise WeightsError(f"{card_name} does not describe weights: {error}.") from error
    check(weights_from_bytes(card, files[tensors_name], file_name=tensors_name))
    kept = replace(card, name=name)
    write_pair(published_weights() / f"{name}.safetensors", files[tensors_name], kept.to_json())
    return kept


def _names_of_pair(files: Mapping[str, bytes]) -> tuple[str, str]:
    by_suffix: dict[str, list[str]] = {}
    for file_name in files:
        suffix = PurePath(file_name).suffix.lower()
        if suffix in _PICKLE_SUFFIXES:
            raise WeightsError(
                f"{file_name} is refused: files of this kind are pickles, which can run foreign code when they are "
                "opened. Save the tensors as .safetensors, with the .json file that describes them."
            )
        by_suffix.setdefault(suffix, []).append(file_name)
    if unknown := sorted(set(by_suffix) - {".safetensors", ".json"}):
        raise WeightsError(f"{by_suffix[unknown[0]][0]} is neither a .safetensors nor a .json file.")
    if [len(by_suffix.get(suffix, ())) for suffix in (".safetensors", ".json")] != [1, 1]:
        raise WeightsError("Two files are needed, together: the weights (.safetensors) and their card (.json).")
    return by_suffix[".safetensors"][0], by_suffix[".json"][0]


def delete_weights(name: str) -> None:
    """Delete weights of the user; where they answered by default, those that ship answer again.

    Raises:
        WeightsError: they ship with the program, or there are none of this name.
        OSError: they cannot be deleted.
    """
    if (SHIPPED_WEIGHTS / f"{name}.safetensors").exists():
        raise WeightsError(f"'{name}' ships with the program and cannot be deleted.")
    if name not in {path.stem for path in published_weights().glob("*.safetensors")}:
        raise WeightsError(f"There are no weights named '{name}'. They may have been deleted already.")
    if default_weights() == name:
        _choice_file().unlink()
    delete_pair(published_weights() / f"{name}.safetensors")


def default_weights() -> str:
    """Return the name of the weights that were chosen to answer; those that ship where none or no name was chosen."""
    try:
        name = read_json_object(_choice_file())["name"]
    except FileNotFoundError:
        return DEFAULT_WEIGHTS
    except (OSError, ValueError, KeyError) as error:
        logger.warning("%s cannot be read (%s); %s answers", _choice_file(), error, DEFAULT_WEIGHTS)
        return DEFAULT_WEIGHTS
    return name if isinstance(name, str) and is_weights_name(name) else DEFAULT_WEIGHTS


def is_weights_name(name: str) -> bool:
    """Return whether weights may have this name; whether there are any is another question."""
    return _NAME.fullmatch(name) is not None


def choose_default_weights(name: str) -> None:
    """Remember which weights answer where none are named.

    Raises:
        WeightsError: there are no usable weights of this name.
        OSError: the choice cannot be written.
    """
    weights = next((weights for weights in list_weights() if weights.name == name), None)
    if weights is None or weights.problem:
        raise WeightsError(weights.problem if weights else f"There are no weights named '{name}'.")
    home_folder().mkdir(parents=True, exist_ok=True)
    write_atomically(_choice_file(), (json.dumps({"name": name}) + "\n").encode())


def _choice_file() -> Path:
    return home_folder() / "default_weights.json"
