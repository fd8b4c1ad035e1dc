"""What the stages of a U-Net encoder cost by their shapes alone: multiply-adds, weights and activations."""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bloodcell.models.cell_classifier import CellClassifier
from bloodcell.models.unet_encoder import UNetEncoder


@dataclass(kw_only=True, slots=True)
class StageCost:
    """Of one stage for one image, batch norm folded and ReLU fused."""

    name: str
    multiply_adds: int = 0
    weights: int = 0
    """Numbers: filters and biases."""
    activations: int = 0
    """Numbers that its convolutions and poolings read and write."""


def stages_of(model: UNetEncoder) -> dict[str, nn.Module]:
    """Return the stages by name, in the order of the forward pass."""
    stages: dict[str, nn.Module] = {f"stage {number}": stage for number, stage in enumerate(model.stages, start=1)}
    return {**stages, "bottleneck": model.bottleneck}


def stage_costs(model: CellClassifier, image_size_px: int) -> list[StageCost]:
    """Count every stage, then their sum as 'whole model'; the head is left out, a thousandth of it.

    Raises:
        TypeError: the model is no U-Net encoder.
    """
    if not isinstance(model, UNetEncoder):
        raise TypeError(f"{type(model).__name__} is no U-Net encoder")
    shapes = copy.deepcopy(model).to("meta").eval()
    features: Tensor = torch.zeros(1, 3, image_size_px, image_size_px, device="meta")
    costs = []
    for name, stage in stages_of(shapes).items():
        costs.append(StageCost(name=name))
        handles = [layer.register_forward_hook(_counter(costs[-1])) for layer in stage.modules()]
        features = stage(features)
        for handle in handles:
            handle.remove()
    whole = StageCost(
        name="whole model",
        multiply_adds=sum(cost.multiply_adds for cost in costs),
        weights=sum(cost.weights for cost in costs),
        activations=sum(cost.activations for cost in costs),
    )
    return [*costs, whole]


def _counter(cost: StageCost):  # type: ignore[no-untyped-def]
    def count(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(layer, (nn.Conv2d, nn.MaxPool2d)):
            cost.activations += inputs[0].numel() + output.numel()
        if isinstance(layer, nn.Conv2d):
            cost.multiply_adds += output.numel() * layer.weight[0].numel()
            # Folding gives every convolution a bias.
            cost.weights += layer.weight.numel() + layer.out_channels

    return count
