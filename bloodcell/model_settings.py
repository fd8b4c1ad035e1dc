"""What a network is made of, as frozen settings per family; without torch. Some settings have a name of their own."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Literal, get_args

from bloodcell.errors import UnknownName
from bloodcell.setting_checks import check, check_types

Normalisation = Literal["batch", "group", "instance", "none"]
Initialisation = Literal["torch", "he"]

CHANNELS_PER_GROUP = 16
"""Of group norm. Source: Y. Wu, K. He, "Group normalization", 2018, Table 3: as good as any other choice."""


def _check_width(width: int) -> None:
    holds = width % CHANNELS_PER_GROUP == 0 and CHANNELS_PER_GROUP <= width <= 256
    check("model.width", width, holds, f"a multiple of {CHANNELS_PER_GROUP} up to 256")


class _Named:
    """Settings that are written as the name they have, or else as their family and what differs from its defaults."""

    family: ClassVar[str]
    __slots__ = ()

    def __str__(self) -> str:
        name = next((name for name, settings in NAMED_MODELS.items() if settings == self), None)
        return name or f"{self.family} with {', '.join(f'{key} {value}' for key, value in self.changes().items())}"

    def changes(self) -> dict[str, Any]:
        """Return the settings that differ from the defaults of the family."""
        usual = type(self)()
        names = [field.name for field in fields(self)]  # type: ignore[arg-type]
        return {name: getattr(self, name) for name in names if getattr(self, name) != getattr(usual, name)}

    def to_plain(self) -> str | dict[str, Any]:
        """Return what files hold: the name, or family and settings."""
        name = str(self)
        return name if name in NAMED_MODELS else {"family": self.family, **asdict(self)}  # type: ignore[call-overload]


@dataclass(frozen=True, kw_only=True, slots=True)
class SimpleCNNSettings(_Named):
    """Of the paper's baseline 1. The paper's values are the defaults, here and below."""

    family: ClassVar[str] = "simple_cnn"
    width: int = 32
    """Channels of the first of two blocks; the second has twice as many."""

    def __post_init__(self) -> None:
        check_types(self, "model.")
        _check_width(self.width)


@dataclass(frozen=True, kw_only=True, slots=True)
class DeepCNNSettings(_Named):
    """Of the paper's baseline 2."""

    family: ClassVar[str] = "deep_cnn"
    width: int = 32
    """Channels of the first of four blocks; each further one has twice as many."""
    dropout: float = 0.5
    """Share of the features behind the first linear layer that are dropped in training, 0 to 1."""

    def __post_init__(self) -> None:
        check_types(self, "model.")
        _check_width(self.width)
        check("model.dropout", self.dropout, 0 <= self.dropout < 1, "0 or more and below 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class UNetEncoderSettings(_Named):
    """Of the main model."""

    family: ClassVar[str] = "unet_encoder"
    width: int = 32
    """Channels of the first stage; each further one has twice as many. A multiple of 16."""
    depth: int = 5
    """Stages, 1 to 5. The first four end in a pooling; the fifth is the bottleneck."""
    normalisation: Normalisation = "batch"
    """Behind each convolution."""
    first_normalisation: Normalisation | None = None
    """In the first stage; None: as in the others."""
    dropout: float = 0.5
    """Share of the averaged features that are dropped in training, 0 to 1."""
    initialisation: Initialisation = "torch"
    """he: filters drawn so that ReLU layers keep the size of activations."""

    def __post_init__(self) -> None:
        check_types(self, "model.")
        _check_width(self.width)
        check("model.depth", self.depth, 1 <= self.depth <= 5, "1 to 5")
        check("model.dropout", self.dropout, 0 <= self.dropout < 1, "0 or more and below 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class EfficientNetLiteSettings(_Named):
    """Of the network that learns from several laboratories."""

    family: ClassVar[str] = "efficientnet_lite"
    dropout: float = 0.2
    """Share of the averaged features that are dropped in training, 0 to 1."""

    def __post_init__(self) -> None:
        check_types(self, "model.")
        check("model.dropout", self.dropout, 0 <= self.dropout < 1, "0 or more and below 1")


ModelSettings = SimpleCNNSettings | DeepCNNSettings | UNetEncoderSettings | EfficientNetLiteSettings

_FAMILIES: dict[str, type[ModelSettings]] = {kind.family: kind for kind in get_args(ModelSettings)}
NAMED_MODELS: dict[str, ModelSettings] = {
    "simple_cnn": SimpleCNNSettings(),
    "deep_cnn": DeepCNNSettings(),
    "unet_encoder": UNetEncoderSettings(),
    "unet_encoder_no_batch_norm": UNetEncoderSettings(normalisation="none"),
    "unet_encoder_shallow": UNetEncoderSettings(depth=3),
    "unet_encoder_no_dropout": UNetEncoderSettings(dropout=0.0),
    "unet_encoder_group_norm": UNetEncoderSettings(normalisation="group"),
    "unet_encoder_half_width": UNetEncoderSettings(width=16),
    "efficientnet_lite": EfficientNetLiteSettings(),
    "unet_encoder_no_batch_norm_he": UNetEncoderSettings(normalisation="none", initialisation="he"),
}
"""Name → settings; files of version 0.1 know models by these names alone."""


def named_model(name: str) -> ModelSettings:
    """Return the settings of a name.

    Raises:
        UnknownName: no model has this name.
    """
    if name not in NAMED_MODELS:
        raise UnknownName(f"There is no model named '{name}'. Models: {', '.join(NAMED_MODELS)}.")
    return NAMED_MODELS[name]


def model_settings(value: object) -> ModelSettings:
    """Return the settings that a name, `to_plain`'s entries, or settings themselves mean.

    Raises:
        ValueError: they mean none; names the setting.
    """
    if isinstance(value, ModelSettings):
        return value
    if isinstance(value, str):
        check("model", value, value in NAMED_MODELS, "a known model: " + ", ".join(NAMED_MODELS))
        return NAMED_MODELS[value]
    if not isinstance(value, Mapping):
        raise ValueError(f"model is {value!r}; it must be a name, or a family with its settings")
    family, rest = value.get("family"), {key: entry for key, entry in value.items() if key != "family"}
    kind = _FAMILIES.get(family) if isinstance(family, str) else None
    if kind is None:
        raise ValueError(f"model.family is {family!r}; it must be one of {', '.join(_FAMILIES)}")
    if unknown := set(rest) - {field.name for field in fields(kind)}:
        raise ValueError(f"unknown settings: {', '.join(f'model.{name}' for name in sorted(map(str, unknown)))}")
    return kind(**rest)
