"""The arms that suites are made of: the paper's three models and three ablations, and others that a class can ask for.

An arm changes one setting of the arm that it is based on. One that has to change two says so in its name, with `_and_`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bloodcell.config import RunConfig
from bloodcell.errors import UnknownName

BASE_ARM = "unet_encoder"
"""The arm that the others are compared with, unless they name another."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ArmKind:
    """An arm as the catalogue has it, before a suite gives it image size and epochs."""

    name: str
    title: str
    """What it is, in words."""
    experiment: str
    """Name of the experiment whose settings it starts from."""
    base: str | None
    """The arm that it differs from; None for the base of all."""
    changes: Callable[[RunConfig], dict[str, Any]] = lambda base: {}
    """Settings that differ from the experiment's, given those of the suite."""


PAPER_ARMS: tuple[ArmKind, ...] = (
    ArmKind(name=BASE_ARM, title="U-Net encoder", experiment="paper_unet_encoder", base=None),
    ArmKind(name="simple_cnn", title="Simple CNN", experiment="paper_simple_cnn", base=BASE_ARM),
    ArmKind(name="deep_cnn", title="Deep CNN", experiment="paper_deep_cnn", base=BASE_ARM),
    ArmKind(name="no_batch_norm", title="Without batch norm", experiment="paper_no_batch_norm", base=BASE_ARM),
    ArmKind(name="shallow_encoder", title="Shallow encoder", experiment="paper_shallow_encoder", base=BASE_ARM),
    ArmKind(name="no_dropout", title="Without dropout", experiment="paper_no_dropout", base=BASE_ARM),
)
"""The paper's Tables 3 to 6."""


def _further_arm(name: str, title: str, **changes: Any) -> ArmKind:
    return ArmKind(
        name=name, title=title, experiment="paper_ablation_base", base=BASE_ARM, changes=lambda base: dict(changes)
    )


FURTHER_ARMS: tuple[ArmKind, ...] = (
    _further_arm("group_norm", "Group norm in place of batch norm", model="unet_encoder_group_norm"),
    ArmKind(
        name="he_initialisation_and_learning_rate_3e-4",
        title="Without batch norm, He initialisation and learning rate 3e-4",
        experiment="paper_no_batch_norm",
        base="no_batch_norm",
        changes=lambda base: {"model": "unet_encoder_no_batch_norm_he", "learning_rate": 3e-4},
    ),
    _further_arm("no_augmentation", "Without augmentation", augmentation="none"),
    _further_arm("strong_augmentation", "Strong colour, blur and zoom", augmentation="strong"),
    _further_arm("no_label_smoothing", "Without label smoothing", label_smoothing=0.0),
    _further_arm("learning_rate_3e-4", "Learning rate 3e-4", learning_rate=3e-4),
    _further_arm("learning_rate_3e-3", "Learning rate 3e-3", learning_rate=3e-3),
    _further_arm("half_width", "Half the channels", model="unet_encoder_half_width"),
    ArmKind(
        name="half_image_size",
        title="Half the image size",
        experiment="paper_ablation_base",
        base=BASE_ARM,
        changes=lambda base: {"image_size_px": base.image_size_px // 2},
    ),
)
"""What the paper does not have."""

ARM_KINDS: dict[str, ArmKind] = {arm.name: arm for arm in (*PAPER_ARMS, *FURTHER_ARMS)}
"""Name → arm, in the order in which suites train them."""


def arm_kind(name: str) -> ArmKind:
    """Return an arm of the catalogue.

    Raises:
        UnknownName: no arm has this name.
    """
    if name not in ARM_KINDS:
        raise UnknownName(f"There is no arm named '{name}'. Arms: {', '.join(ARM_KINDS)}.")
    return ARM_KINDS[name]


def with_bases(names: list[str]) -> tuple[ArmKind, ...]:
    """Return the named arms and all that they are compared with, in the catalogue's order.

    Raises:
        UnknownName: no arm has one of these names.
    """
    wanted: set[str] = set()
    for name in names:
        current: str | None = name
        while current is not None:
            kind = arm_kind(current)
            wanted.add(kind.name)
            current = kind.base
    return tuple(kind for name, kind in ARM_KINDS.items() if name in wanted)
