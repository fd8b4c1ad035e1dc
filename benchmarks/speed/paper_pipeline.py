"""The paper's training as such pipelines are written: every image is opened and varied anew, one at a time.

A DataLoader with two workers, Pillow and torchvision's transforms per image, fp32, batches of 32, Adam, and the loss
read after every step. The paper gives no ranges for its augmentation; these cost what such transforms usually cost.
"""

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from bloodcell.datasets.folder_scan import LabelledFile
from bloodcell.images.normalisation import IMAGENET_MEAN, IMAGENET_STD
from bloodcell.models.registry import build_model

BATCH_SIZE = 32
WORKERS = 2


class ImageFiles(Dataset[tuple[Tensor, int]]):
    """Files that are decoded, resized and varied each time they are asked for."""

    def __init__(self, files: Sequence[LabelledFile], image_size_px: int) -> None:
        self.files = files
        self.transform = transforms.Compose(
            [
                transforms.Resize((image_size_px, image_size_px)),
                transforms.RandomHorizontalFlip(),
                transforms.RandomRotation(180),
                transforms.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2),
                transforms.ToTensor(),
                transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD),
            ]
        )

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Return one image (3, S, S) float32, normalised, and its class index."""
        file = self.files[index]
        with Image.open(file.path) as image:
            return self.transform(image.convert("RGB")), file.label


class PaperTraining:
    """A model in training whose next steps can be asked for at any time; the workers live on in between."""

    def __init__(self, files: Sequence[LabelledFile], *, image_size_px: int, device: torch.device) -> None:
        self.device = device
        self.loader = DataLoader(
            ImageFiles(files, image_size_px),
            batch_size=BATCH_SIZE,
            shuffle=True,
            drop_last=True,
            num_workers=WORKERS,
            pin_memory=device.type == "cuda",
        )
        self.model = build_model("unet_encoder").to(device).train()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3, weight_decay=1e-4)
        self._batches = self._endless()

    def take_steps(self, count: int) -> int:
        """Train on the next `count` batches; return their images."""
        # What torch starts with; ours switches it off so that fp32 means fp32.
        torch.backends.cudnn.allow_tf32 = True
        seen = 0
        for _ in range(count):
            images, labels = next(self._batches)
            images, labels = images.to(self.device), labels.to(self.device)
            self.optimizer.zero_grad()
            loss = F.cross_entropy(self.model(images), labels, label_smoothing=0.1)
            loss.backward()
            self.optimizer.step()
            loss.item()
            seen += len(labels)
        torch.backends.cudnn.allow_tf32 = False
        return seen

    def _endless(self) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            yield from self.loader
