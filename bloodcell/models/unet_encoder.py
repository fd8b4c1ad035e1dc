"""The U-Net encoder classifier, the main model of the paper, and its ablated variants.

Source: "Medical Blood Cell Image Classification using U-Net Encoder Based Deep Learning Model", section 3.1, Table 1.

Where the paper is silent: padding 1, so that only pooling changes the size; no convolution bias where batch norm
follows, biases where there is none. The shallow variant keeps stages 1 to 3, each pooled, and has no stage 4 and no
bottleneck, so 128 channels at an eighth of the size go into the average. Group norm in place of batch norm, half the
width and He initialisation are ours.
"""

from itertools import pairwise

from torch import Tensor, nn

from bloodcell.model_settings import CHANNELS_PER_GROUP, Normalisation, UNetEncoderSettings
from bloodcell.models.cell_classifier import CellClassifier

POOLED_STAGES = 4
"""Stages that end in a pooling; what lies deeper is the bottleneck."""


class DoubleConvolution(nn.Sequential):
    """(N, in, H, W) → (N, out, H, W): (3×3 convolution → normalisation → ReLU) twice."""

    def __init__(self, in_channels: int, out_channels: int, *, normalisation: Normalisation) -> None:
        layers: list[nn.Module] = []
        for channels in (in_channels, out_channels):
            without = normalisation == "none"
            layers.append(nn.Conv2d(channels, out_channels, kernel_size=3, padding=1, bias=without))
            if normalisation == "batch":
                layers.append(nn.BatchNorm2d(out_channels))
            elif normalisation == "group":
                layers.append(nn.GroupNorm(out_channels // CHANNELS_PER_GROUP, out_channels))
            elif normalisation == "instance":
                layers.append(nn.InstanceNorm2d(out_channels, affine=True))
            layers.append(nn.ReLU(inplace=True))
        super().__init__(*layers)


class EncoderStage(nn.Module):
    """(N, in, H, W) → (N, out, H/2, W/2): double convolution, then 2×2 max pooling."""

    def __init__(self, in_channels: int, out_channels: int, *, normalisation: Normalisation) -> None:
        super().__init__()
        self.convolutions = DoubleConvolution(in_channels, out_channels, normalisation=normalisation)
        self.pooling = nn.MaxPool2d(kernel_size=2)

    def forward(self, features: Tensor) -> Tensor:
        return self.pooling(self.convolutions(features))


class UNetEncoder(CellClassifier):
    """(N, 3, H, W) → logits (N, K), for any H and W of at least 16 pixels (8 for the shallow variant)."""

    def __init__(self, class_count: int, settings: UNetEncoderSettings) -> None:
        super().__init__()
        usual = settings.normalisation
        widths = (3, *(settings.width * 2**stage for stage in range(min(settings.depth, POOLED_STAGES))))
        self.stages = nn.ModuleList(
            EncoderStage(narrow, wide, normalisation=usual if index else settings.first_normalisation or usual)
            for index, (narrow, wide) in enumerate(pairwise(widths))
        )
        has_bottleneck = settings.depth > POOLED_STAGES
        self.bottleneck = (
            DoubleConvolution(widths[-1], 2 * widths[-1], normalisation=usual) if has_bottleneck else nn.Identity()
        )
        self.pooling = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(settings.dropout)
        self.classifier = nn.Linear(widths[-1] * (2 if has_bottleneck else 1), class_count)
        if settings.initialisation == "he":
            self.apply(_initialise_after_he)

    def forward_stages(self, images: Tensor) -> list[Tensor]:
        """(N, 3, H, W) → maps behind the stages; the last, (N, 512, H/16, W/16), the average and Grad-CAM read."""
        maps = [images]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return [*maps[1:], self.bottleneck(maps[-1])]

    def forward_head(self, features: Tensor) -> Tensor:
        """(N, C, h, w) → logits (N, K): global average, dropout, linear."""
        return self.classifier(self.dropout(self.pooling(features).flatten(1)))


def _initialise_after_he(module: nn.Module) -> None:
    """Draw a convolution's filters so that ReLU layers keep the size of activations; torch's own shrink it 2.4 times.

    Source: K. He et al., "Delving deep into rectifiers", 2015, equation 10.
    """
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
