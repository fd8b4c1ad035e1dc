"""The card of weights: NAME.json says what NAME.safetensors is. Reading it imports no torch, which takes seconds."""

import json
import math
import re
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, get_origin, get_type_hints

from bloodcell.cell_classes import CLASS_KEYS
from bloodcell.errors import WeightsError
from bloodcell.images.normalisation import IMAGENET_MEAN, IMAGENET_STD
from bloodcell.json_objects import json_object
from bloodcell.model_settings import ModelSettings, model_settings
from bloodcell.paths import SHIPPED_WEIGHTS, published_weights
from bloodcell.weights.pair import read_card_bytes

FORMAT_VERSION = 1
_NAME = re.compile(r"[^./\\\x00-\x1f\x7f][^/\\\x00-\x1f\x7f]{0,99}")


@dataclass(frozen=True, kw_only=True, slots=True)
class WeightsCard:
    """What a file of weights is: the content of NAME.json."""

    format_version: int = FORMAT_VERSION
    name: str
    """Name under which the weights are published."""
    model: ModelSettings
    """The network; in the file its name, where it has one."""
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
    """How the gate tells images that are unlike those trained on, or that show no cell; empty: there is none."""
    tensors_sha256: str = ""
    """Hash of the .safetensors file, hexadecimal."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "model", model_settings(self.model))

    def to_json(self) -> bytes:
        """Return the file's content."""
        values = {**asdict(self), "model": self.model.to_plain()}
        return (json.dumps(values, indent=1, ensure_ascii=False) + "\n").encode()

    @classmethod
    def from_json(cls, data: bytes) -> "WeightsCard":
        """Read a card.

        Raises:
            ValueError: no JSON object of at most 1 MB, an unknown or missing key, or a value that cannot be used.
        """
        values = json_object(data)
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
            if name == "model":
                continue
            kind = get_origin(hint) or hint
            value = getattr(self, name)
            numbers = value if name in ("mean", "std") and isinstance(value, tuple) else [value]
            if kind is float or name in ("mean", "std"):
                is_right = all(type(number) in (int, float) and math.isfinite(number) for number in numbers)
            else:
                is_right = type(value) is kind
            if not is_right or (name in ("mean", "std") and not isinstance(value, tuple)):
                raise ValueError(f"its entry '{name}' is not what it must be")

        if _NAME.fullmatch(self.name) is None:
            raise ValueError("its entry 'name' is no name: it is empty, longer than 100 letters, or looks like a path")

    def check(self) -> None:
        """Refuse what this version cannot answer with.

        Raises:
            ValueError: says which entry is wrong.
        """
        if self.format_version != FORMAT_VERSION:
            raise ValueError(f"its format version is {self.format_version}, this program reads {FORMAT_VERSION}")
        if self.class_keys != CLASS_KEYS:
            raise ValueError("its classes are not the eight classes of this program in their order")
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise ValueError("mean and std need one number for each of the three channels")
        if not (16 <= self.image_size_px <= 1024 and 0 < self.field_of_view <= 1 and self.temperature > 0):
            raise ValueError("image size, field of view or temperature is out of range")
        if not 0 <= self.review_threshold <= 1:
            raise ValueError("its review threshold is out of range")


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
