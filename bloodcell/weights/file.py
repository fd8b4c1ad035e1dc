"""The tensors of weights: NAME.safetensors beside its card NAME.json. Nothing unpickles code."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from bloodcell.errors import WeightsError
from bloodcell.images.fingerprint import FINGERPRINT_PX, unit
from bloodcell.model_settings import ModelSettings
from bloodcell.models.cell_classifier import CellClassifier
from bloodcell.models.registry import build_model
from bloodcell.weights.card import WeightsCard, find_weights, read_card
from bloodcell.weights.pair import write_pair

_GATE = "gate."
"""What the names of the gate's tensors begin with in the file."""
_KNOWN = "known_images"
"""Name of the tensor that holds the beginnings of the hashes of the images that the weights know."""
_KNOWN_PICTURES = "known_pictures"
"""Name of the tensor that holds the fingerprints of the same images, as int8: copies have other hashes."""
_KNOWN_BYTES = 8
"""Of each hash: enough that no two of a billion images are likely to share them."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class KnownImages:
    """The images that trained weights or chose among them."""

    beginnings: frozenset[str] | None
    """Of their SHA-256, see `short_hash`; None: not recorded."""
    pictures: NDArray[np.float32] | None
    """(M, D) fingerprints, see `images/fingerprint.py`; None: not recorded."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadedWeights:
    """A model ready to answer, and what it is."""

    card: WeightsCard
    model: CellClassifier
    """On the CPU, float32, in evaluation mode."""
    gate_tensors: Mapping[str, Tensor] = field(default_factory=dict)
    """What the gate measures with, by name; empty where these weights refuse nothing."""
    known_images: frozenset[str] | None = None
    """Beginnings of the SHA-256, see `short_hash`, of the images that trained them or chose among them; None: not
    recorded."""
    known_pictures: NDArray[np.float32] | None = None
    """(M, D) fingerprints of the same images, see `images/fingerprint.py`; None: not recorded."""

    @property
    def known(self) -> KnownImages:
        """Both of them."""
        return KnownImages(beginnings=self.known_images, pictures=self.known_pictures)


def short_hash(sha256: str) -> str:
    """Return the beginning of a hexadecimal hash that weights keep of each image that they know."""
    return sha256[: 2 * _KNOWN_BYTES]


def save_weights(
    folder: Path,
    card: WeightsCard,
    tensors: Mapping[str, Tensor],
    gate_tensors: Mapping[str, Tensor] | None = None,
    known_sha256: Collection[str] = (),
    known_pictures: NDArray[np.float32] | None = None,
) -> WeightsCard:
    """Write NAME.safetensors and NAME.json with its hash, as one; return the card as written.

    Args:
        known_sha256: of the images that trained the weights or chose among them; none: not recorded.
        known_pictures: (M, D) fingerprints of the same; None: not recorded.

    Raises:
        OSError: the folder cannot be written.
    """
    named = {**tensors, **{f"{_GATE}{key}": tensor for key, tensor in (gate_tensors or {}).items()}}
    if known_sha256:
        beginnings = b"".join(sorted({bytes.fromhex(short_hash(sha256)) for sha256 in known_sha256}))
        named[_KNOWN] = torch.frombuffer(bytearray(beginnings), dtype=torch.uint8).reshape(-1, _KNOWN_BYTES)
    if known_pictures is not None:
        largest = np.abs(known_pictures).max(axis=1, keepdims=True)
        scaled = np.divide(known_pictures, largest, out=np.zeros_like(known_pictures), where=largest > 0)
        named[_KNOWN_PICTURES] = torch.from_numpy(np.round(127 * scaled).astype(np.int8))
    data = save({key: tensor.detach().cpu().contiguous() for key, tensor in named.items()})
    written = replace(card, tensors_sha256=hashlib.sha256(data).hexdigest())
    write_pair(folder / f"{card.name}.safetensors", data, written.to_json())
    return written


def load_weights(name_or_path: str | Path) -> LoadedWeights:
    """Load weights by name (those that ship first, then published ones) or from a .safetensors file.

    Raises:
        WeightsError: nothing has this name, a file of the pair is missing, damaged, or made for another model.
    """
    tensors_path = find_weights(name_or_path)
    card = read_card(tensors_path)
    try:
        data = tensors_path.read_bytes()
    except OSError as error:
        raise WeightsError(f"The weights {tensors_path} cannot be read: {error.strerror}.") from error
    return weights_from_bytes(card, data, file_name=tensors_path.name)


def weights_from_bytes(card: WeightsCard, data: bytes, *, file_name: str) -> LoadedWeights:
    """Load weights from the content of a .safetensors file.

    Args:
        file_name: for the sentence that says what is wrong.

    Raises:
        WeightsError: the content does not belong to the card, is damaged, or made for another model.
    """
    if hashlib.sha256(data).hexdigest() != card.tensors_sha256:
        raise WeightsError(f"{file_name} is damaged or does not belong to its .json file. Copy both files again.")
    try:
        tensors = load(data)
        gate_tensors = {key.removeprefix(_GATE): tensors.pop(key) for key in list(tensors) if key.startswith(_GATE)}
        known_images = _known_images(tensors.pop(_KNOWN, None))
        known_pictures = _known_pictures(tensors.pop(_KNOWN_PICTURES, None))
        model = model_from_tensors(card.model, tensors)
    # A type of number that this safetensors does not know ends in a KeyError there.
    except (SafetensorError, RuntimeError, KeyError) as error:
        raise WeightsError(f"{file_name} does not hold the tensors of the model '{card.model}'.") from error
    if not all(torch.isfinite(tensor).all() for tensor in (*model.state_dict().values(), *gate_tensors.values())):
        raise WeightsError(f"{file_name} holds numbers that are not finite; it cannot answer.")
    return LoadedWeights(
        card=card,
        model=model,
        gate_tensors=gate_tensors,
        known_images=known_images,
        known_pictures=known_pictures,
    )


def _known_images(stored: Tensor | None) -> frozenset[str] | None:
    if stored is None:
        return None
    if stored.dtype != torch.uint8 or stored.ndim != 2 or stored.shape[1] != _KNOWN_BYTES:
        raise RuntimeError("the hashes of known images are not stored as they must be")
    return frozenset(bytes(row).hex() for row in stored.tolist())


def _known_pictures(stored: Tensor | None) -> NDArray[np.float32] | None:
    if stored is None:
        return None
    if stored.dtype != torch.int8 or stored.ndim != 2 or stored.shape[1] != FINGERPRINT_PX**2:
        raise RuntimeError("the fingerprints of known images are not stored as they must be")
    return np.stack([unit(row) for row in stored.numpy().astype(np.float32)])


def stored_tensors(path: Path) -> dict[str, Tensor]:
    """Return the model's own tensors as a .safetensors file holds them, half precision as it is.

    Raises:
        OSError: the file cannot be read.
    """
    return {
        key: tensor
        for key, tensor in load(path.read_bytes()).items()
        if not key.startswith(_GATE) and key not in (_KNOWN, _KNOWN_PICTURES)
    }


def model_from_tensors(settings: ModelSettings, tensors: Mapping[str, Tensor]) -> CellClassifier:
    """Build a model and fill it, half precision widened to float32; in evaluation mode.

    Raises:
        RuntimeError: the tensors are not those of the model.
    """
    model = build_model(settings)
    model.load_state_dict(
        {key: tensor.float() if tensor.is_floating_point() else tensor for key, tensor in tensors.items()}
    )
    return model.eval()
