"""The one place where settings become a network."""

from bloodcell.cell_classes import CLASS_COUNT
from bloodcell.model_settings import (
    DeepCNNSettings,
    EfficientNetLiteSettings,
    ModelSettings,
    SimpleCNNSettings,
    named_model,
)
from bloodcell.models.cell_classifier import CellClassifier
from bloodcell.models.deep_cnn import DeepCNN
from bloodcell.models.efficientnet_lite import EfficientNetLite
from bloodcell.models.simple_cnn import SimpleCNN
from bloodcell.models.unet_encoder import UNetEncoder


def build_model(model: ModelSettings | str, class_count: int = CLASS_COUNT) -> CellClassifier:
    """Build a freshly initialised model of settings, or of their name.

    Raises:
        UnknownName: no model has this name.
    """
    settings = named_model(model) if isinstance(model, str) else model
    if isinstance(settings, SimpleCNNSettings):
        return SimpleCNN(class_count, settings)
    if isinstance(settings, DeepCNNSettings):
        return DeepCNN(class_count, settings)
    if isinstance(settings, EfficientNetLiteSettings):
        return EfficientNetLite(class_count, settings)
    return UNetEncoder(class_count, settings)
