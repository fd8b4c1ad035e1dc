"""Answers of a model on prepared images, and batch norm's exact statistics before believing them."""

from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bloodcell.images.model_input import model_input
from bloodcell.models.cell_classifier import CellClassifier

BATCH_SIZE = 32


@torch.inference_mode()
def predict_logits(
    model: CellClassifier,
    images: Tensor,
    *,
    memory_format: torch.memory_format,
    in_bf16: bool = False,
    after_batch: Callable[[], object] = lambda: None,
) -> Tensor:
    """Answer in evaluation mode on the model's device.

    Args:
        images: (N, 3, S, S) uint8, on any device.
        in_bf16: compute the feature maps in bf16; the head is float32 in any case, as in answers.
        after_batch: called after each batch, as validation can take minutes.

    Returns:
        (N, K) float32 on the CPU.
    """
    model.eval()
    device = next(model.parameters()).device
    logits = []
    for batch in images.split(BATCH_SIZE):
        pixels = model_input(batch.to(device)).contiguous(memory_format=memory_format)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=in_bf16):
            features = model.forward_features(pixels)
        logits.append(model.forward_head(features.float()))
        after_batch()
    return torch.cat(logits).cpu()


def accuracy_and_loss(logits: Tensor, labels: Tensor) -> tuple[float, float]:
    """Return the share of right answers, 0 to 1, and the cross-entropy without label smoothing."""
    return (logits.argmax(1) == labels).double().mean().item(), F.cross_entropy(logits, labels).item()


@torch.no_grad()
def set_exact_batch_norm(model: CellClassifier, batches: Iterable[Tensor], *, in_bf16: bool = False) -> None:
    """Replace batch norm's running statistics by the plain average over the given batches of clean images.

    Running statistics lag behind the weights: at high learning rates validation accuracy then swings by tens of points
    while training goes well. Training itself never reads them. Does nothing to a model without batch norm.
    """
    layers = [layer for layer in model.modules() if isinstance(layer, nn.BatchNorm2d)]
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None
    model.train()
    for images in batches:
        with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=in_bf16):
            model.forward_features(images)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
