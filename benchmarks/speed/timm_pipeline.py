"""The same model trained as timm's training script does it: its loader and optimizer, bf16 autocast, channels last.

timm (Apache-2.0) is not needed by the project; the benchmark leaves this contestant out where it is not installed.
"""

from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from bloodcell.devices.precision import runs_bf16_natively
from bloodcell.models.registry import build_model

BATCH_SIZE = 32
WORKERS = 2


class TimmTraining:
    """A model in training whose next steps can be asked for at any time; the workers live on in between."""

    def __init__(self, folder: Path, *, image_size_px: int, device: torch.device) -> None:
        """Take a folder of class folders; timm reads all of it."""
        from timm.data import create_dataset, create_loader
        from timm.optim import create_optimizer_v2

        self.device = device
        self.loader = create_loader(
            create_dataset("", root=str(folder), is_training=True),
            input_size=(3, image_size_px, image_size_px),
            batch_size=BATCH_SIZE,
            is_training=True,
            num_workers=WORKERS,
            pin_memory=device.type == "cuda",
            device=device,
            use_prefetcher=device.type == "cuda",
        )
        self.in_bf16 = runs_bf16_natively(device)
        self.model = build_model("unet_encoder").to(device).to(memory_format=torch.channels_last).train()
        self.optimizer = create_optimizer_v2(self.model, opt="adamw", lr=1e-3, weight_decay=1e-4)
        self._batches = self._endless()

    def take_steps(self, count: int) -> int:
        """Train on the next `count` batches; return their images."""
        seen = 0
        for _ in range(count):
            images, labels = next(self._batches)
            images = images.to(self.device).contiguous(memory_format=torch.channels_last)
            labels = labels.to(self.device)
            with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.in_bf16):
                loss = F.cross_entropy(self.model(images), labels, label_smoothing=0.1)
            loss.backward()
            self.optimizer.step()
            self.optimizer.zero_grad()
            seen += len(labels)
        loss.item()
        return seen

    def _endless(self) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            yield from self.loader
