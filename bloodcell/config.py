"""RunConfig, the frozen settings of one training run."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from bloodcell.model_settings import ModelSettings, model_settings
from bloodcell.setting_checks import check, check_types

Optimizer = Literal["adam", "muon"]
Schedule = Literal["plateau", "one_cycle"]
Augmentation = Literal["none", "paper", "mild", "strong", "laboratories"]
Precision = Literal["auto", "fp32", "bf16"]
MemoryFormat = Literal["auto", "contiguous", "channels_last"]
Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True, kw_only=True, slots=True)
class RunConfig:
    """Everything that decides what a run computes. The paper's values are the defaults."""

    experiment: str
    """Name of the experiment that these settings come from."""
    model: ModelSettings
    """The network; in files its name, where it has one."""
    image_size_px: int = 256
    """Side of the square that the model reads when it answers, pixels."""
    first_image_size_px: int | None = None
    """Side at the start of training, pixels; grows evenly to `image_size_px`. None: the same size throughout."""
    field_of_view: float = 1.0
    """Central share of each side of the image that the model reads, above 0, at most 1."""
    epochs: int = 40
    """Passes over the training images."""
    batch_size: int = 32
    """Images per optimizer step."""
    optimizer: Optimizer = "adam"
    """adam: Adam with L2 weight decay. muon: orthogonalised momentum on convolutions, Adam on the rest."""
    learning_rate: float = 1e-3
    """Peak learning rate of Adam."""
    convolution_learning_rate: float = 0.1
    """Peak learning rate of Muon's convolutions; a share of each filter's norm. Adam does not use it."""
    weight_decay: float = 1e-4
    """L2 weight decay of Adam; Muon keeps the filters' norm fixed instead."""
    label_smoothing: float = 0.1
    """Share of the target that is spread evenly over the classes, 0 to 1."""
    schedule: Schedule = "plateau"
    """plateau: the rate is halved when the validation loss stops improving. one_cycle: warm-up, then cosine to 0."""
    plateau_patience: int = 3
    """Epochs without improvement before the rate is halved."""
    warm_up_share: float = 0.2
    """Share of all steps in which a one-cycle schedule rises, 0 to 1."""
    augmentation: Augmentation = "paper"
    """How training images are varied; `training/augmentation.py` has the ranges."""
    exact_batch_norm: bool = False
    """Validate with batch norm's statistics recomputed on clean training images instead of the running ones."""
    precision: Precision = "fp32"
    """auto: the faster of fp32 and bf16 on this device, measured when the run starts."""
    memory_format: MemoryFormat = "contiguous"
    """auto: the faster one, measured with the precision."""
    device: Device = "auto"
    """auto: a GPU if there is one."""
    seed: int = 0
    """Moves initialisation, order and augmentation, not the split."""
    split_seed: int = 0
    """Moves the split into training and validation images."""
    validation_share: float = 0.2
    """Share of the images that validate, above 0, below 1."""
    images_per_class: int | None = None
    """Most images of a class that the run reads, training and validation together; None: all of them."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "model", model_settings(self.model))
        check_types(self)
        for name in ("image_size_px", "epochs", "batch_size", "plateau_patience"):
            check(name, getattr(self, name), getattr(self, name) >= 1, "at least 1")
        for name in ("seed", "split_seed", "weight_decay"):
            check(name, getattr(self, name), getattr(self, name) >= 0, "0 or more")
        for name in ("learning_rate", "convolution_learning_rate"):
            check(name, getattr(self, name), getattr(self, name) > 0, "above 0")
        for name in ("label_smoothing", "warm_up_share"):
            check(name, getattr(self, name), 0 <= getattr(self, name) < 1, "0 or more and below 1")
        check("epochs", self.epochs, self.epochs <= 10_000, "at most 10,000")
        check("batch_size", self.batch_size, self.batch_size <= 65_536, "at most 65,536")
        check("image_size_px", self.image_size_px, 16 <= self.image_size_px <= 1024, "16 to 1024")
        check("field_of_view", self.field_of_view, 0 < self.field_of_view <= 1, "above 0 and at most 1")
        check("validation_share", self.validation_share, 0 < self.validation_share < 1, "above 0 and below 1")
        few = self.images_per_class
        check("images_per_class", few, few is None or few >= 5, "at least 5")
        first = self.first_image_size_px
        check("first_image_size_px", first, first is None or 16 <= first <= self.image_size_px, "16 to image_size_px")

    def image_size_at(self, epoch: int) -> int:
        """Return the training image's side in pixels in an epoch (from 0): grows evenly, in steps of 16 pixels.

        The last quarter of the epochs, at least the last one, trains at the full size.
        """
        progress = epoch / (0.75 * self.epochs)
        if self.first_image_size_px is None or progress >= 1 or epoch == self.epochs - 1:
            return self.image_size_px
        size = self.first_image_size_px + progress * (self.image_size_px - self.first_image_size_px)
        return max(self.first_image_size_px, int(size) // 16 * 16)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, one per field."""
        return {**asdict(self), "model": self.model.to_plain()}

    def settings(self) -> dict[str, Any]:
        """Return all settings by name, those of the network as `model.dropout`, its family as `model`."""
        own = {field.name: getattr(self, field.name) for field in fields(self)}
        inner = {f"model.{name}": value for name, value in asdict(self.model).items()}
        return {**own, "model": self.model.family, **inner}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "RunConfig":
        """Build a config from `to_dict`'s values; a setting younger than the values takes its default.

        Raises:
            ValueError: a key is unknown, experiment or model is missing, or a value is out of range.
        """
        known = {field.name for field in fields(cls)}
        if unknown := set(values) - known:
            raise ValueError(f"unknown settings: {', '.join(sorted(unknown))}")
        if missing := {"experiment", "model"} - set(values):
            raise ValueError(f"missing settings: {', '.join(sorted(missing))}")
        return cls(**values)

    def changed(self, **changes: Any) -> "RunConfig":
        """Return a copy with the given settings changed, the network's as `model.dropout`; None leaves one as it is.

        A new size below the first size of growing images lowers that too.

        Raises:
            ValueError: a value is out of range, or the network has no such setting.
        """
        given = {name: value for name, value in changes.items() if value is not None}
        size, first = given.get("image_size_px"), self.first_image_size_px
        if size is not None and first is not None and "first_image_size_px" not in given:
            given["first_image_size_px"] = min(size, first)
        inner = {name.removeprefix("model."): given.pop(name) for name in list(given) if name.startswith("model.")}
        if inner:
            plain = {"family": self.model.family, **asdict(self.model)}
            given["model"] = model_settings({**plain, **inner})
        return replace(self, **given)


def differing_settings(first: RunConfig, second: RunConfig) -> set[str]:
    """Return the names of the settings that differ; of networks of two families the family alone."""
    ours, theirs = first.settings(), second.settings()
    same_family = ours["model"] == theirs["model"]
    names = [name for name in ours if same_family or not name.startswith("model.")]
    return {name for name in names if ours[name] != theirs[name]}
