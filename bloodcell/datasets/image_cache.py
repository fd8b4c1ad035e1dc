"""Images of a split decoded once into uint8 arrays, at the size that training or validation reads."""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from bloodcell.datasets.split import SplitFile
from bloodcell.errors import DatasetError, UnreadableImage
from bloodcell.images.model_input import as_images, prepare_image
from bloodcell.images.open_image import open_image

DECODING_THREADS = 4


def decode_images(
    folder: Path,
    entries: Sequence[SplitFile],
    *,
    image_size_px: int,
    field_of_view: float = 1.0,
    progress: Callable[[int, int], None] | None = None,
) -> Tensor:
    """Read, check, decode and resize the images of one side of a split.

    Returns:
        (N, 3, S, S) uint8, channels last in memory, in the order of `entries`.

    Raises:
        DatasetError: a file is missing, unreadable, or no longer what the split recorded.
    """
    prepared = np.empty((len(entries), image_size_px, image_size_px, 3), dtype=np.uint8)

    def decode(entry: SplitFile) -> np.ndarray:
        return prepare_image(_read_recorded(folder, entry), image_size_px=image_size_px, field_of_view=field_of_view)

    with ThreadPoolExecutor(DECODING_THREADS) as pool:
        for index, image in enumerate(pool.map(decode, entries)):
            prepared[index] = image
            if progress is not None:
                progress(index + 1, len(entries))
    return as_images(prepared)


def _read_recorded(folder: Path, entry: SplitFile) -> np.ndarray:
    try:
        data = (folder / entry.file).read_bytes()
        if hashlib.sha256(data).hexdigest() != entry.sha256:
            raise DatasetError(f"{entry.file} has changed since this run began. Restore it, or start a new run.")
        return open_image(data)
    except OSError as error:
        raise DatasetError(f"{entry.file} cannot be read from {folder}: {error.strerror}.") from error
    except UnreadableImage as error:
        raise DatasetError(f"{entry.file}: {error}") from error


def labels_of(entries: Sequence[SplitFile]) -> Tensor:
    """Return the class indices of a side of a split, (N,) int64."""
    return torch.tensor([entry.label for entry in entries], dtype=torch.int64)


def shrink_images(images: Tensor, image_size_px: int) -> Tensor:
    """(N, 3, S, S) uint8 → (N, 3, s, s) uint8, antialiased bilinear; the same tensor where nothing changes."""
    if images.shape[-1] == image_size_px:
        return images
    side = (image_size_px, image_size_px)
    shrunk = [
        # As floats: uint8 is resized on the CPU alone.
        F.interpolate(batch.float(), size=side, mode="bilinear", antialias=True).round().clamp(0, 255).to(torch.uint8)
        for batch in images.split(64)
    ]
    return torch.cat(shrunk)
