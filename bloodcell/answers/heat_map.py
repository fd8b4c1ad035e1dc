"""Grad-CAM of all classes from the feature map that the answer itself was computed from.

Source: R. R. Selvaraju et al., "Grad-CAM: visual explanations from deep networks", 2017.
Every model here averages its last feature map over space before its head. The gradient of a logit is then the same at
each position, so a backward pass through the head alone gives Grad-CAM exactly; for one linear layer it is that layer's
row. The grad-cam package is the reference that tests compare with.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from bloodcell.models.cell_classifier import CellClassifier


def logits_and_heat_maps(model: CellClassifier, features: Tensor) -> tuple[Tensor, Tensor]:
    """Answer from a feature map, and explain every class.

    Args:
        model: in evaluation mode.
        features: (N, C, h, w) of `model.forward_features`, computed without gradients.

    Returns:
        logits (N, K) and heat maps (N, K, h, w), each map from 0 to 1; all 0 where nothing speaks for the class.
    """
    with torch.enable_grad():
        pooled = features.mean(dim=(2, 3), keepdim=True).requires_grad_()
        logits = model.forward_head(pooled)
        gradients = [
            torch.autograd.grad(logits[:, index].sum(), pooled, retain_graph=True)[0].flatten(1)
            for index in range(logits.shape[1])
        ]
    weights = torch.stack(gradients, dim=1)
    maps = torch.bmm(weights, features.flatten(2)).clamp(min=0).unflatten(2, features.shape[2:])
    return logits.detach(), _from_0_to_1(maps)


def resize_heat_maps(maps: Tensor, height: int, width: int) -> Tensor:
    """(…, h, w) → (…, height, width), bilinear, stretched to 0 to 1 again as the grad-cam package does."""
    batched = maps.reshape(-1, 1, *maps.shape[-2:])
    resized = F.interpolate(batched, size=(height, width), mode="bilinear", align_corners=False)
    return _from_0_to_1(resized).reshape(*maps.shape[:-2], height, width)


def _from_0_to_1(maps: Tensor) -> Tensor:
    lowest = maps.amin(dim=(-2, -1), keepdim=True)
    highest = (maps - lowest).amax(dim=(-2, -1), keepdim=True)
    # A map that is 0 everywhere stays 0; the scale of logits is of order 1, so 1e-7 changes no other map.
    return (maps - lowest) / (highest + 1e-7)
