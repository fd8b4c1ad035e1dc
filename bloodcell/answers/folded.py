"""A model made ready to answer: batch norm folded into convolutions, activations computed with them, bf16 or fp32."""

import copy
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from bloodcell.devices.precision import runs_bf16_natively
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
        self.encoder = copy.deepcopy(folded).to(feature_dtype).to(memory_format=torch.channels_last)
        fuses = feature_dtype == torch.float32 or runs_bf16_natively(device)
        if device.type == "cpu" and torch.backends.mkldnn.is_available() and fuses:
            fuse_activations(self.encoder)

    def forward_stages(self, images: Tensor) -> list[Tensor]:
        """(N, 3, H, W) float32 → the map behind each stage, the last one float32, the others as computed."""
        pixels = images.to(self.feature_dtype).contiguous(memory_format=torch.channels_last)
        *earlier, last = self.encoder.forward_stages(pixels)
        return [*earlier, last.float()]

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


Activation = nn.ReLU | nn.ReLU6
"""What can be computed in one with a convolution."""


class FusedConvolution(nn.Module):
    """(N, C, H, W) → (N, C', H', W'), float32 or bfloat16, channels last: convolution and activation in one by oneDNN.

    An activation of its own reads and writes every feature map once more, and a plain convolution lays its filters out
    anew on every call. The operators are those that torch's compiler emits on the processor; calling them takes no
    compiling.
    """

    def __init__(self, convolution: nn.Conv2d, activation: Activation, *, side_px: int = 32) -> None:
        """Lay out the filters of a convolution with zero padding, which is left as it was.

        Args:
            activation: what follows the convolution.
            side_px: of the feature map that the layout is chosen for; other sizes give the same result.
        """
        super().__init__()
        self._settings = (
            list(convolution.padding),
            list(convolution.stride),
            list(convolution.dilation),
            convolution.groups,
        )
        self._bias = convolution.bias
        self._activation = _onednn_name(activation)
        self._filters = torch.ops.mkldnn._reorder_convolution_weight(
            convolution.weight, *self._settings, [1, convolution.in_channels, side_px, side_px]
        )

    def forward(self, features: Tensor) -> Tensor:
        return torch.ops.mkldnn._convolution_pointwise(
            features, self._filters, self._bias, *self._settings, *self._activation, ""
        )


def _onednn_name(activation: Activation) -> tuple[str, list[float]]:
    """Return an activation as oneDNN's operators take it: a name, and its limits."""
    # torch's ReLU6 is a bounded line to its inner workings, and no ReLU.
    return ("hardtanh", [0.0, 6.0]) if isinstance(activation, nn.ReLU6) else ("relu", [])


def fuse_activations(model: nn.Module) -> None:
    """Replace every convolution of 3×3 or more with a ReLU right behind it in the same `Sequential`, in place.

    Those of 1×1 stay: the best layout of their filters follows the size of map and batch, and under another one oneDNN
    lays them out anew on every call, in 7 ms instead of 0.1 (1152 → 320 channels, two EPYC cores, December 2026). Batch
    norms must have been folded; the model can then not be moved to another device or type.
    """
    for module in list(model.modules()):
        if not isinstance(module, nn.Sequential):
            continue
        layers = [(name, layer) for name, layer in module.named_children() if not isinstance(layer, nn.Identity)]
        for (name, layer), (next_name, following) in pairwise(layers):
            if not isinstance(layer, nn.Conv2d) or not isinstance(following, nn.ReLU | nn.ReLU6):
                continue
            if layer.padding_mode == "zeros" and layer.kernel_size > (1, 1):
                setattr(module, name, FusedConvolution(layer, following))
                setattr(module, next_name, nn.Identity())
