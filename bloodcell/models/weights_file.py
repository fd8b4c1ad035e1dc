"""Weights on disk: NAME.safetensors holds the tensors, NAME.json says what they are. Nothing unpickles code."""

import hashlib
import json
import math
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_origin, get_type_hints

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from bloodcell.cell_classes import CLASS_KEYS
from bloodcell.data.model_input import IMAGENET_MEAN, IMAGENET_STD
from bloodcell.errors import WeightsError
from bloodcell.models.cell_classifier import CellClassifier
from bloodcell.models.registry import MODEL_BUILDERS, build_model
from bloodcell.models.weights_pair import read_card_bytes, write_pair
from bloodcell.paths import SHIPPED_WEIGHTS, published_weights

FORMAT_VERSION = 1
_GATE = "gate."
"""What the names of the gate's tensors begin with in the file."""
_KNOWN = "known_images"
"""Name of the tensor that holds the beginnings of the hashes of the images that the weights know."""
_KNOWN_BYTES = 8
"""Of each hash: enough that no two of a billion images are likely to share them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WeightsCard:
    """What a file of weights is: the content of NAME.json."""

    format_version: int = FORMAT_VERSION
    name: str
    """Name under which the weights are published."""
    model: str
    """Key of MODEL_BUILDERS."""
    class_keys: tuple[str, ...] = CLASS_KEYS
    """Order of the logits."""
    image_size_px: int
    field_of_view: float
    """Central share of each side of an image that the model reads."""
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    """Per channel, of pixel values from 0 to 1."""
    temperature: float = 1.0
    """Logits are divided by it before the softmax; fitted on validation images."""
    review_threshold: float = 0.0
    """Confidence below which an answer asks for a second look, 0 to 1."""
    recipe: dict[str, Any]
    """The run's complete configuration."""
    training_data: dict[str, Any]
    """Fingerprint, numbers of images, source and licence of the images."""
    metrics: dict[str, Any]
    """Figures with their n and interval, per set of images."""
    hardware: str
    """What the weights were trained on."""
    code_version: str
    licence: str
    gate: dict[str, Any] = field(default_factory=dict)
    """How the gate refuses images that are no cells like those trained on; empty: these weights refuse nothing."""
    tensors_sha256: str = ""
    """Hash of the .safetensors file, hexadecimal."""

    def to_json(self) -> bytes:
        """Return the file's content."""
        return (json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n").encode()

    @classmethod
    def from_json(cls, data: bytes) -> "WeightsCard":
        """Read a card.

        Raises:
            ValueError: no JSON object, an unknown or missing key, or a value that this version cannot use.
        """
        try:
            values = json.loads(data)
        except RecursionError as error:
            raise ValueError("it is nested too deeply") from error
        if not isinstance(values, Mapping):
            raise ValueError("it is not a JSON object")
        if unknown := set(values) - {entry.name for entry in fields(cls)}:
            raise ValueError(f"unknown entries: {', '.join(sorted(unknown))}")
        try:
            entries: dict[str, Any] = {
                key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
            }
            card = cls(**entries)
        except TypeError as error:
            raise ValueError(str(error).replace("WeightsCard.__init__() ", "")) from error
        card.check_types()
        card.check()
        return card

    def check_types(self) -> None:
        """Refuse entries of another type than their field's.

        Raises:
            ValueError: names the entry.
        """
        for name, hint in get_type_hints(type(self)).items():
            kind = get_origin(hint) or hint
            value = getattr(self, name)
            numbers = value if name in ("mean", "std") and isinstance(value, tuple) else [value]
            if kind is float or name in ("mean", "std"):
                is_right = all(type(number) in (int, float) and math.isfinite(number) for number in numbers)
            else:
                is_right = type(value) is kind
            if not is_right or (name in ("mean", "std") and not isinstance(value, tuple)):
                raise ValueError(f"its entry '{name}' is not what it must be")

    def check(self) -> None:
        """Refuse what this version cannot answer with.

        Raises:
            ValueError: says which entry is wrong.
        """
        if self.format_version != FORMAT_VERSION:
            raise ValueError(f"its format version is {self.format_version}, this program reads {FORMAT_VERSION}")
        if self.model not in MODEL_BUILDERS:
            raise ValueError(f"it is made for the unknown model '{self.model}'")
        if self.class_keys != CLASS_KEYS:
            raise ValueError("its classes are not the eight classes of this program in their order")
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise ValueError("mean and std need one number for each of the three channels")
        if not (16 <= self.image_size_px <= 1024 and 0 < self.field_of_view <= 1 and self.temperature > 0):
            raise ValueError("image size, field of view or temperature is out of range")
        if not 0 <= self.review_threshold <= 1:
            raise ValueError("its review threshold is out of range")


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


def short_hash(sha256: str) -> str:
    """Return the beginning of a hexadecimal hash that weights keep of each image that they know."""
    return sha256[: 2 * _KNOWN_BYTES]


def save_weights(
    folder: Path,
    card: WeightsCard,
    tensors: Mapping[str, Tensor],
    gate_tensors: Mapping[str, Tensor] | None = None,
    known_sha256: Collection[str] = (),
) -> WeightsCard:
    """Write NAME.safetensors and NAME.json with its hash, as one; return the card as written.

    Args:
        known_sha256: of the images that trained the weights or chose among them; none: not recorded.

    Raises:
        OSError: the folder cannot be written.
    """
    named = {**tensors, **{f"{_GATE}{key}": tensor for key, tensor in (gate_tensors or {}).items()}}
    if known_sha256:
        beginnings = b"".join(sorted({bytes.fromhex(short_hash(sha256)) for sha256 in known_sha256}))
        named[_KNOWN] = torch.frombuffer(bytearray(beginnings), dtype=torch.uint8).reshape(-1, _KNOWN_BYTES)
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
        model = model_from_tensors(card.model, tensors)
    # A type of number that this safetensors does not know ends in a KeyError there.
    except (SafetensorError, RuntimeError, KeyError) as error:
        raise WeightsError(f"{file_name} does not hold the tensors of the model '{card.model}'.") from error
    if not all(torch.isfinite(tensor).all() for tensor in (*model.state_dict().values(), *gate_tensors.values())):
        raise WeightsError(f"{file_name} holds numbers that are not finite; it cannot answer.")
    return LoadedWeights(card=card, model=model, gate_tensors=gate_tensors, known_images=known_images)


def _known_images(stored: Tensor | None) -> frozenset[str] | None:
    if stored is None:
        return None
    if stored.dtype != torch.uint8 or stored.ndim != 2 or stored.shape[1] != _KNOWN_BYTES:
        raise RuntimeError("the hashes of known images are not stored as they must be")
    return frozenset(bytes(row).hex() for row in stored.tolist())


def stored_tensors(path: Path) -> dict[str, Tensor]:
    """Return the model's own tensors as a .safetensors file holds them, half precision as it is.

    Raises:
        OSError: the file cannot be read.
    """
    return {
        key: tensor for key, tensor in load(path.read_bytes()).items() if not key.startswith(_GATE) and key != _KNOWN
    }


def model_from_tensors(model_name: str, tensors: Mapping[str, Tensor]) -> CellClassifier:
    """Build a model and fill it, half precision widened to float32; in evaluation mode.

    Raises:
        RuntimeError: the tensors are not those of the model.
    """
    model = build_model(model_name)
    model.load_state_dict(
        {key: tensor.float() if tensor.is_floating_point() else tensor for key, tensor in tensors.items()}
    )
    return model.eval()


def find_weights(name_or_path: str | Path) -> Path:
    """Return the .safetensors file of a name or path.

    Raises:
        WeightsError: there is none.
    """
    as_path = Path(name_or_path)
    if as_path.suffix or len(as_path.parts) > 1:
        if as_path.suffix != ".safetensors":
            raise WeightsError(
                f"{as_path.name} is not a .safetensors file. Other formats can run foreign code when they are opened."
            )
        if not as_path.is_file():
            raise WeightsError(f"The weights {as_path} do not exist.")
        return as_path
    for folder in (SHIPPED_WEIGHTS, published_weights()):
        if (path := folder / f"{name_or_path}.safetensors").is_file():
            return path
    names = ", ".join(weights_names()) or "none yet"
    raise WeightsError(f"There are no weights named '{name_or_path}'. Weights: {names}.")


def read_card(path: Path) -> WeightsCard:
    """Read the card of weights.

    Args:
        path: either file of the pair.

    Raises:
        WeightsError: the card is missing or is no card.
    """
    path = path.with_suffix(".json")
    try:
        return WeightsCard.from_json(read_card_bytes(path.with_suffix(".safetensors")))
    except OSError as error:
        raise WeightsError(f"{path.name} is missing beside the weights: both files belong together.") from error
    except ValueError as error:
        raise WeightsError(f"{path.name} does not describe weights: {error}.") from error


def weights_names() -> list[str]:
    """Return the names of all weights, those that ship first; a published name that a shipped one has is left out."""
    names: list[str] = []
    for folder in (SHIPPED_WEIGHTS, published_weights()):
        names += sorted(path.stem for path in folder.glob("*.safetensors") if path.stem not in names)
    return names
