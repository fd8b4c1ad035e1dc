"""The simple CNN, baseline 1 of the paper: two convolution blocks, at most 64 channels, one fully connected layer.

Source: the paper, Table 2. Where it is silent: 32 and 64 channels, no convolution bias where batch norm follows, and a
global average before the linear layer, so that the model takes any image size.
"""

from collections.abc import Iterable

from torch import Tensor, nn

from bloodcell.model_settings import SimpleCNNSettings
from bloodcell.models.cell_classifier import CellClassifier


class ConvolutionBlock(nn.Sequential):
    """(N, in, H, W) → (N, out, H/2, W/2): 3×3 convolution → batch norm → ReLU → 2×2 max pooling."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=2),
        )


def maps_behind(blocks: Iterable[nn.Module], images: Tensor) -> list[Tensor]:
    """Return what each of the blocks makes of the one before it."""
    maps = [images]
    for block in blocks:
        maps.append(block(maps[-1]))
    return maps[1:]


class SimpleCNN(CellClassifier):
    """(N, 3, H, W) → logits (N, K), for any H and W of at least 4 pixels."""

    def __init__(self, class_count: int, settings: SimpleCNNSettings) -> None:
        super().__init__()
        width = settings.width
        self.blocks = nn.Sequential(ConvolutionBlock(3, width), ConvolutionBlock(width, 2 * width))
        self.pooling = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(2 * width, class_count)

    def forward_stages(self, images: Tensor) -> list[Tensor]:
        """(N, 3, H, W) → maps behind the blocks, the last (N, 64, H/4, W/4)."""
        return maps_behind(self.blocks, images)

    def forward_head(self, features: Tensor) -> Tensor:
        """(N, 64, h, w) → logits (N, K): global average, linear."""
        return self.classifier(self.pooling(features).flatten(1))
