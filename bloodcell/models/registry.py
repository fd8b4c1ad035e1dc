"""MODEL_BUILDERS, the one place where a model name becomes a network."""

from collections.abc import Callable
from functools import partial

from bloodcell.cell_classes import CLASS_COUNT
from bloodcell.errors import UnknownName
from bloodcell.models.cell_classifier import CellClassifier
from bloodcell.models.deep_cnn import DeepCNN
from bloodcell.models.simple_cnn import SimpleCNN
from bloodcell.models.unet_encoder import UNetEncoder

MODEL_BUILDERS: dict[str, Callable[[int], CellClassifier]] = {
    "simple_cnn": SimpleCNN,
    "deep_cnn": DeepCNN,
    "unet_encoder": UNetEncoder,
    "unet_encoder_no_batch_norm": partial(UNetEncoder, normalisation="none"),
    "unet_encoder_shallow": partial(UNetEncoder, stage_channels=(32, 64, 128), bottleneck_channels=None),
    "unet_encoder_no_dropout": partial(UNetEncoder, dropout=0.0),
    "unet_encoder_group_norm": partial(UNetEncoder, normalisation="group"),
    "unet_encoder_half_width": partial(UNetEncoder, stage_channels=(16, 32, 64, 128), bottleneck_channels=256),
    "unet_encoder_no_batch_norm_he": partial(UNetEncoder, normalisation="none", initialisation="he"),
}
"""Name → builder that takes the number of classes."""


def build_model(name: str, class_count: int = CLASS_COUNT) -> CellClassifier:
    """Build a freshly initialised model.

    Raises:
        UnknownName: no model has this name.
    """
    if name not in MODEL_BUILDERS:
        raise UnknownName(f"There is no model named '{name}'. Models: {', '.join(MODEL_BUILDERS)}.")
    return MODEL_BUILDERS[name](class_count)
