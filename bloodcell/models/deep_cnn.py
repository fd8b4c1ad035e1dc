"""The deep CNN, baseline 2 of the paper: four convolution blocks, at most 256 channels, two fully connected layers.

Source: the paper, Table 2. Where it is silent: 32, 64, 128 and 256 channels, no convolution bias where batch norm
follows, a global average before the fully connected part, which is 256 → 128 → K with dropout 0.5 between.
"""

from itertools import pairwise

from torch import Tensor, nn

from bloodcell.model_settings import DeepCNNSettings
from bloodcell.models.cell_classifier import CellClassifier
from bloodcell.models.simple_cnn import ConvolutionBlock, maps_behind


class DeepCNN(CellClassifier):
    """(N, 3, H, W) → logits (N, K), for any H and W of at least 16 pixels."""

    def __init__(self, class_count: int, settings: DeepCNNSettings) -> None:
        super().__init__()
        widths = (3, *(settings.width * 2**block for block in range(4)))
        self.blocks = nn.Sequential(*(ConvolutionBlock(narrow, wide) for narrow, wide in pairwise(widths)))
        self.pooling = nn.AdaptiveAvgPool2d(1)
        hidden = widths[-1] // 2
        self.classifier = nn.Sequential(
            nn.Linear(widths[-1], hidden), nn.ReLU(), nn.Dropout(settings.dropout), nn.Linear(hidden, class_count)
        )

    def forward_stages(self, images: Tensor) -> list[Tensor]:
        """(N, 3, H, W) → maps behind the blocks, the last (N, 256, H/16, W/16)."""
        return maps_behind(self.blocks, images)

    def forward_head(self, features: Tensor) -> Tensor:
        """(N, 256, h, w) → logits (N, K): global average, two linear layers with dropout between."""
        return self.classifier(self.pooling(features).flatten(1))
