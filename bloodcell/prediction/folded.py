"""A model made ready to answer: batch norm folded into the convolutions, which compute in the precision asked for."""

import copy
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from bloodcell.models.cell_classifier import CellClassifier


class FoldedClassifier(CellClassifier):
    """The same answers as the model it is made from, up to rounding; the model itself is left as it was."""

    def __init__(self, model: CellClassifier, *, device: torch.device, feature_dtype: torch.dtype) -> None:
        """Copy and fold a model in evaluation mode.

        Args:
            feature_dtype: of the convolutions, float32 or bfloat16; the head is float32 in any case.
        """
        super().__init__()
        self.feature_dtype = feature_dtype
        folded = copy.deepcopy(model).eval().requires_grad_(False)
        fold_batch_norm(folded)
        self._head = folded.to(device)
        encoder = folded if feature_dtype is torch.float32 else copy.deepcopy(folded)
        self._encoder = encoder.to(feature_dtype).to(memory_format=torch.channels_last)

    def forward_features(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) float32 → the last feature map (N, C, h, w) float32."""
        pixels = images.to(self.feature_dtype).contiguous(memory_format=torch.channels_last)
        return self._encoder.forward_features(pixels).float()

    def forward_head(self, features: Tensor) -> Tensor:
        """(N, C, h, w) float32 → logits (N, K) float32."""
        return self._head.forward_head(features)


def fold_batch_norm(model: nn.Module) -> None:
    """Fold every batch norm that stands right behind a convolution in the same `Sequential` into it, in place."""
    for module in model.modules():
        if not isinstance(module, nn.Sequential):
            continue
        for (name, layer), (next_name, following) in pairwise(list(module.named_children())):
            if isinstance(layer, nn.Conv2d) and isinstance(following, nn.BatchNorm2d):
                setattr(module, name, fuse_conv_bn_eval(layer, following))
                setattr(module, next_name, nn.Identity())
