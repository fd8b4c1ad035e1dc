"""What all models share: features, then a head that turns them into logits."""

from abc import ABC, abstractmethod

from torch import Tensor, nn


class CellClassifier(nn.Module, ABC):
    """(N, 3, H, W) → logits (N, K). Grad-CAM reads the map between the two halves."""

    @abstractmethod
    def forward_stages(self, images: Tensor) -> list[Tensor]:
        """(N, 3, H, W) → the feature map behind each stage, not negative; the last one is what the head reads."""

    def forward_features(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) → the last feature map (N, C, h, w), not negative."""
        return self.forward_stages(images)[-1]

    @abstractmethod
    def forward_head(self, features: Tensor) -> Tensor:
        """(N, C, h, w) → logits (N, K), no softmax."""

    def forward(self, images: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(images))
