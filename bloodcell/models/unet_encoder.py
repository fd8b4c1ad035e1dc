"""The U-Net encoder classifier, the main model of the paper, and its ablated variants.

Source: "Medical Blood Cell Image Classification using U-Net Encoder Based Deep Learning Model", section 3.1, Table 1.

Where the paper is silent: padding 1, so that only pooling changes the size; no convolution bias where batch norm
follows, biases where there is none. The shallow variant keeps stages 1 to 3, each pooled, and has no stage 4 and no
bottleneck, so 128 channels at an eighth of the size go into the average.
"""

from itertools import pairwise

from torch import Tensor, nn

from bloodcell.models.cell_classifier import CellClassifier


class DoubleConvolution(nn.Sequential):
    """(N, in, H, W) → (N, out, H, W): (3×3 convolution → batch norm → ReLU) twice."""

    def __init__(self, in_channels: int, out_channels: int, *, batch_norm: bool) -> None:
        layers: list[nn.Module] = []
        for channels in (in_channels, out_channels):
            layers.append(nn.Conv2d(channels, out_channels, kernel_size=3, padding=1, bias=not batch_norm))
            if batch_norm:
                layers.append(nn.BatchNorm2d(out_channels))
            layers.append(nn.ReLU(inplace=True))
        super().__init__(*layers)


class EncoderStage(nn.Module):
    """(N, in, H, W) → (N, out, H/2, W/2): double convolution, then 2×2 max pooling."""

    def __init__(self, in_channels: int, out_channels: int, *, batch_norm: bool) -> None:
        super().__init__()
        self.convolutions = DoubleConvolution(in_channels, out_channels, batch_norm=batch_norm)
        self.pooling = nn.MaxPool2d(kernel_size=2)

    def forward(self, features: Tensor) -> Tensor:
        return self.pooling(self.convolutions(features))


class UNetEncoder(CellClassifier):
    """(N, 3, H, W) → logits (N, K), for any H and W of at least 16 pixels (8 for the shallow variant)."""

    def __init__(
        self,
        class_count: int,
        *,
        stage_channels: tuple[int, ...] = (32, 64, 128, 256),
        bottleneck_channels: int | None = 512,
        batch_norm: bool = True,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        widths = (3, *stage_channels)
        self.stages = nn.ModuleList(
            EncoderStage(narrow, wide, batch_norm=batch_norm) for narrow, wide in pairwise(widths)
        )
        self.bottleneck = (
            nn.Identity()
            if bottleneck_channels is None
            else DoubleConvolution(widths[-1], bottleneck_channels, batch_norm=batch_norm)
        )
        self.pooling = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(bottleneck_channels or widths[-1], class_count)

    def forward_features(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) → (N, 512, H/16, W/16), the map that the average and Grad-CAM read."""
        features = images
        for stage in self.stages:
            features = stage(features)
        return self.bottleneck(features)

    def forward_head(self, features: Tensor) -> Tensor:
        """(N, C, h, w) → logits (N, K): global average, dropout, linear."""
        return self.classifier(self.dropout(self.pooling(features).flatten(1)))
