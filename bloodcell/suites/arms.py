"""The arms that suites are made of: the paper's three models and three ablations, and others that a class can ask for.

An arm changes one setting of the arm that it is based on. One that has to change two says so in its name, with `_and_`.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bloodcell.config import RunConfig
from bloodcell.errors import UnknownName
from bloodcell.experiments import experiment_config

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


def _further_arm(name: str, title: str, setting: str, value: Any) -> ArmKind:
    experiment = "paper_ablation_base"
    return ArmKind(name=name, title=title, experiment=experiment, base=BASE_ARM, changes=lambda base: {setting: value})


FURTHER_ARMS: tuple[ArmKind, ...] = (
    _further_arm("group_norm", "Group norm in place of batch norm", "model.normalisation", "group"),
    ArmKind(
        name="he_initialisation_and_learning_rate_3e-4",
        title="Without batch norm, He initialisation and learning rate 3e-4",
        experiment="paper_no_batch_norm",
        base="no_batch_norm",
        changes=lambda base: {"model.initialisation": "he", "learning_rate": 3e-4},
    ),
    _further_arm("no_augmentation", "Without augmentation", "augmentation", "none"),
    _further_arm("strong_augmentation", "Strong colour, blur and zoom", "augmentation", "strong"),
    _further_arm("no_label_smoothing", "Without label smoothing", "label_smoothing", 0.0),
    _further_arm("learning_rate_3e-4", "Learning rate 3e-4", "learning_rate", 3e-4),
    _further_arm("learning_rate_3e-3", "Learning rate 3e-3", "learning_rate", 3e-3),
    _further_arm("half_width", "Half the channels", "model.width", 16),
    ArmKind(
        name="half_image_size",
        title="Half the image size",
        experiment="paper_ablation_base",
        base=BASE_ARM,
        changes=lambda base: {"image_size_px": base.image_size_px // 2},
    ),
)
"""What the paper does not have."""

_OF_NO_ARM = ("experiment", "device", "seed", "split_seed")
"""Settings that name a run, say where it is computed, or leave it to chance."""
ARM_KINDS: dict[str, ArmKind] = {arm.name: arm for arm in (*PAPER_ARMS, *FURTHER_ARMS)}
"""Name → arm, in the order in which suites train them."""


def arm_kind(name: str) -> ArmKind:
    """Return an arm of the catalogue, or the one that a setting and its value name: `model.dropout=0.3`.

    Raises:
        UnknownName: no arm has this name, and no setting.
        ValueError: the setting cannot have this value.
    """
    if name in ARM_KINDS:
        return ARM_KINDS[name]
    setting, _, text = name.partition("=")
    base = experiment_config("paper_ablation_base")
    settings = [known for known in base.settings() if known not in _OF_NO_ARM]
    if setting not in settings or not re.fullmatch(r"[\w.+-]+", text):
        raise UnknownName(
            f"There is no arm named '{name}'. Arms: {', '.join(ARM_KINDS)}. "
            f"Or one setting and its value, such as model.dropout=0.3. Settings: {', '.join(settings)}."
        )
    value = _value(text)
    base.changed(**{setting: value})
    return _further_arm(name, f"{setting.removeprefix('model.').replace('_', ' ')} {text}".capitalize(), setting, value)


def _value(text: str) -> Any:
    """Return the number, truth value or word that a text means."""
    try:
        return json.loads(text.lower() if text in ("True", "False") else text)
    except ValueError:
        return text


def with_bases(names: list[str]) -> tuple[ArmKind, ...]:
    """Return the named arms and all that they are compared with, in the catalogue's order, then as they are named.

    Raises:
        UnknownName: no arm has one of these names.
        ValueError: an arm's setting cannot have its value.
    """
    wanted: dict[str, ArmKind] = {}
    for name in names:
        current: str | None = name
        while current is not None:
            kind = arm_kind(current)
            wanted[kind.name] = kind
            current = kind.base
    order = [*ARM_KINDS, *wanted]
    return tuple(sorted(wanted.values(), key=lambda kind: order.index(kind.name)))
