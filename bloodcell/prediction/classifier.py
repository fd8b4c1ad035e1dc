"""Classifier: loaded weights that answer for cell images, one or a stream of them."""

import itertools
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from bloodcell.config import Precision
from bloodcell.data.image_file import open_image
from bloodcell.data.model_input import as_images, normalise, prepare_image
from bloodcell.data.prediction_table import PredictionRow
from bloodcell.errors import UnreadableImage
from bloodcell.measures.calibration import probabilities_of
from bloodcell.models.weights_file import LoadedWeights, WeightsCard, load_weights
from bloodcell.prediction.folded import FoldedClassifier
from bloodcell.prediction.heat_map import logits_and_heat_maps
from bloodcell.training.precision import pick_device, runs_bf16_natively
from bloodcell.training.run_result import judged_row

BATCH_SIZE = 16
"""Images per forward pass. On two CPU cores larger batches only leave the caches."""
DECODING_THREADS = 2
LONGEST_SIDE_PX = 1024
"""Of an image that goes along with its heat maps; a stream of large photographs would fill the memory."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageSource:
    """An image that can be read when its turn comes."""

    name: str
    """What stands in the CSV's `file` column."""
    read: Callable[[], bytes]
    """Return the file's bytes. Raises UnreadableImage or OSError where they cannot be had."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Answer:
    """What a classifier says about one image."""

    row: PredictionRow
    """The line of the CSV; status 'error' where there is no image."""
    image: np.ndarray | None
    """The cell image, uint8 RGB (H, W, 3), no side longer than `LONGEST_SIDE_PX`; None without heat maps."""
    heat_maps: np.ndarray | None
    """float32 (K, h, w), 0 to 1, over the field of view; None where not asked for or not readable."""


class Classifier:
    """Answers for cell images. Safe to share between threads: one lock per model guards forward and heat maps."""

    def __init__(self, weights: LoadedWeights, *, device: str = "auto", precision: Precision = "auto") -> None:
        """Put a folded copy of the model on a device.

        Args:
            precision: of the convolutions; auto: bf16 where the device computes in it natively, else fp32. On 160
                cell images bf16 moved no probability by more than 0.008 and no answer (November 2026).

        Raises:
            BloodcellError: a GPU is asked for and there is none.
        """
        self.card: WeightsCard = weights.card
        self.device: torch.device = pick_device(device)
        in_bf16 = precision == "bf16" or (precision == "auto" and runs_bf16_natively(self.device))
        dtype = torch.bfloat16 if in_bf16 else torch.float32
        self._model = FoldedClassifier(weights.model, device=self.device, feature_dtype=dtype).eval()
        self._lock = threading.Lock()

    @classmethod
    def load(cls, name_or_path: str | Path, *, device: str = "auto", precision: Precision = "auto") -> "Classifier":
        """Load weights by name or file.

        Raises:
            WeightsError: the weights are missing, damaged or made for another model.
            BloodcellError: a GPU is asked for and there is none.
        """
        return cls(load_weights(name_or_path), device=device, precision=precision)

    def probabilities(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Answer for cell images.

        Args:
            images: uint8 RGB (H, W, 3) each, at least one; sizes may differ.

        Returns:
            (N, K) calibrated probabilities, float64.
        """
        return self._forward([self._prepare(image) for image in images], heat_maps=False)[0]

    def probabilities_and_heat_maps(self, images: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Answer as `probabilities` does, and explain every class: heat maps (N, K, h, w), float32, 0 to 1."""
        probabilities, maps = self._forward([self._prepare(image) for image in images], heat_maps=True)
        assert maps is not None
        return probabilities, maps

    def answers(
        self, sources: Iterable[ImageSource], *, heat_maps: bool = False, batch_size: int = BATCH_SIZE
    ) -> Iterator[Answer]:
        """Answer for a stream of sources, in order; memory does not grow with their number.

        The next batch is read and decoded while the model works. A source that cannot be read gets a row with the
        reason; the others are answered all the same.
        """
        remaining = iter(sources)
        with ThreadPoolExecutor(DECODING_THREADS) as pool:
            waiting: deque[list[tuple[ImageSource, Future[_Decoded]]]] = deque()
            while True:
                while len(waiting) < 2 and (batch := list(itertools.islice(remaining, batch_size))):
                    waiting.append(
                        [(source, pool.submit(self._decode, source, keep_image=heat_maps)) for source in batch]
                    )
                if not waiting:
                    return
                ready = [(source, future.result()) for source, future in waiting.popleft()]
                yield from self._answer_batch(ready, heat_maps=heat_maps)

    def _decode(self, source: ImageSource, *, keep_image: bool) -> "_Decoded":
        try:
            image = open_image(source.read())
        except UnreadableImage as error:
            return _Decoded(image=None, prepared=None, reason=str(error))
        except OSError as error:
            return _Decoded(image=None, prepared=None, reason=f"The file cannot be read: {error.strerror or error}.")
        return _Decoded(image=_shrunk(image) if keep_image else None, prepared=self._prepare(image), reason="")

    def _prepare(self, image: np.ndarray) -> np.ndarray:
        return prepare_image(image, image_size_px=self.card.image_size_px, field_of_view=self.card.field_of_view)

    def _answer_batch(self, batch: list[tuple[ImageSource, "_Decoded"]], *, heat_maps: bool) -> Iterator[Answer]:
        readable = [decoded.prepared for _, decoded in batch if decoded.prepared is not None]
        probabilities, maps = self._forward(readable, heat_maps=heat_maps) if readable else (np.empty((0, 0)), None)
        position = 0
        for source, decoded in batch:
            if decoded.prepared is None:
                yield Answer(row=self._error_row(source.name, decoded.reason), image=None, heat_maps=None)
                continue
            row = judged_row(source.name, tuple(probabilities[position].tolist()), card=self.card)
            yield Answer(row=row, image=decoded.image, heat_maps=None if maps is None else maps[position])
            position += 1

    def _error_row(self, name: str, reason: str) -> PredictionRow:
        return PredictionRow(
            file=name,
            status="error",
            reason=reason,
            predicted=None,
            confidence=None,
            probabilities=None,
            model=self.card.name,
            model_sha256=self.card.tensors_sha256,
        )

    def _forward(self, prepared: Sequence[np.ndarray], *, heat_maps: bool) -> tuple[np.ndarray, np.ndarray | None]:
        """Run the model on prepared images, uint8 (S, S, 3) each: probabilities (N, K) and heat maps (N, K, h, w)."""
        images = as_images(np.stack(prepared)).to(self.device)
        pixels = normalise(images.float() / 255, self.card.mean, self.card.std)
        with self._lock, torch.no_grad():
            features = self._model.forward_features(pixels)
            if heat_maps:
                logits, maps = logits_and_heat_maps(self._model, features)
            else:
                logits, maps = self._model.forward_head(features), None
        probabilities = probabilities_of(logits.cpu().numpy(), self.card.temperature)
        return probabilities, None if maps is None else maps.cpu().numpy()


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Decoded:
    image: np.ndarray | None
    prepared: np.ndarray | None
    reason: str


def _shrunk(image: np.ndarray) -> np.ndarray:
    if max(image.shape) <= LONGEST_SIDE_PX:
        return image
    picture = Image.fromarray(image)
    picture.thumbnail((LONGEST_SIDE_PX, LONGEST_SIDE_PX))
    return np.asarray(picture)
