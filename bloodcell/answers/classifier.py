"""Classifier: loaded weights that answer for cell images, one or a stream of them."""

import itertools
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from bloodcell.answers.engine_choice import EngineName
from bloodcell.answers.engines import Engine, make_engine
from bloodcell.answers.gate import Gate
from bloodcell.answers.heat_map import logits_and_heat_maps
from bloodcell.answers.judging import judged_row
from bloodcell.answers.prediction_table import PredictionRow
from bloodcell.config import Precision
from bloodcell.errors import UnreadableImage
from bloodcell.images.model_input import as_images, prepare_image
from bloodcell.images.montage import is_montage
from bloodcell.images.open_image import open_image
from bloodcell.measures.calibration import probabilities_of
from bloodcell.weights.answer_identity import AnsweredBy
from bloodcell.weights.card import WeightsCard
from bloodcell.weights.file import LoadedWeights, load_weights

GROUP_SIZE = 16
"""Images that are decoded together, at least; the threads that do it wait for each other once per group. The files of
two groups are held at once, and of one the images, where heat maps are asked for."""
DECODING_THREADS = min(8, os.cpu_count() or 1)
READING_THREADS = 4
"""Readers wait for a disk or a network; apart from the decoders, so that they wait while the model works."""
LONGEST_SIDE_PX = 1024
"""Of an image that goes along with its heat maps; a stream of large photographs would fill the memory."""
MONTAGE = "several pictures are put together in this file, with a straight line between them; save each cell by itself"

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

    def __init__(
        self,
        weights: LoadedWeights,
        *,
        device: str = "auto",
        precision: Precision = "auto",
        engine: EngineName = "torch",
    ) -> None:
        """Put a folded copy of the model on a device.

        Args:
            precision: of the convolutions; auto: bf16 where the device computes faster in it, else fp32. On 160 cell
                images bf16 moved no probability by more than 0.008 and no answer (November 2026).
            engine: what computes; auto: OpenVINO where it is installed and the processor answers, else torch.

        Raises:
            WeightsError: the gate that the weights carry cannot be read.
            EngineUnavailable: OpenVINO is asked for and not installed, or asked for together with a GPU.
            BloodcellError: a GPU is asked for and there is none.
        """
        self.card: WeightsCard = weights.card
        self.known_images = weights.known_images
        self.known_pictures = weights.known_pictures
        self._gate = Gate.of_weights(weights)
        stages = 0 if self._gate is None else self._gate.stages
        self._engine: Engine = make_engine(weights, gate_stages=stages, device=device, precision=precision, name=engine)
        self.device: torch.device = self._engine.device
        self.batch_size: int = self._engine.batch_size
        self.answered_by = AnsweredBy.of(self.card, precision=self._engine.precision, engine=self._engine.name)
        self._lock = threading.Lock()

    @classmethod
    def load(
        cls,
        name_or_path: str | Path,
        *,
        device: str = "auto",
        precision: Precision = "auto",
        engine: EngineName = "torch",
    ) -> "Classifier":
        """Load weights by name or file.

        Raises:
            WeightsError: the weights are missing, damaged or made for another model.
            EngineUnavailable, BloodcellError: as the constructor.
        """
        return cls(load_weights(name_or_path), device=device, precision=precision, engine=engine)

    def probabilities(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Answer for cell images.

        Args:
            images: uint8 RGB (H, W, 3) each, at least one; sizes may differ.

        Returns:
            (N, K) calibrated probabilities, float64.
        """
        return self._forward([self._prepare(image) for image in images], heat_maps=False).probabilities

    def rows(self, images: Sequence[np.ndarray]) -> list[PredictionRow]:
        """Answer as `answers` does: sure, worth a second look, or refused with the reason. Files have no name.

        Args:
            images: as for `probabilities`.
        """
        outputs = self._forward([self._prepare(image) for image in images], heat_maps=False)
        return [
            self._judged_row("", outputs, position, MONTAGE if is_montage(image) else "")
            for position, image in enumerate(images)
        ]

    def probabilities_and_heat_maps(self, images: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Answer as `probabilities` does, and explain every class: heat maps (N, K, h, w), float32, 0 to 1."""
        outputs = self._forward([self._prepare(image) for image in images], heat_maps=True)
        assert outputs.heat_maps is not None
        return outputs.probabilities, outputs.heat_maps

    def answers(
        self, sources: Iterable[ImageSource], *, heat_maps: bool = False, batch_size: int | None = None
    ) -> Iterator[Answer]:
        """Answer for a stream of sources, in order; memory does not grow with their number.

        The next files are read while the model works. They are decoded between forward passes: a processor has no core
        to spare beside the model's threads, which would wait for each other. A source that cannot be read gets a row
        with the reason; the others are answered all the same.

        Args:
            batch_size: images per forward pass; None: as suits the engine. Answers do not depend on it.
        """
        batch_size = batch_size or self.batch_size
        decode = partial(self._decode, keep_image=heat_maps)
        group_size = -(-GROUP_SIZE // batch_size) * batch_size
        with ThreadPoolExecutor(READING_THREADS) as readers, ThreadPoolExecutor(DECODING_THREADS) as decoders:
            for group in _read_ahead(sources, readers, group_size):
                names = [source.name for source, _ in group]
                decoded = decoders.map(decode, [contents for _, contents in group])
                named = list(zip(names, decoded, strict=True))
                for start in range(0, len(named), batch_size):
                    yield from self._answer_batch(named[start : start + batch_size], heat_maps=heat_maps)

    def _decode(self, contents: "Future[bytes]", *, keep_image: bool) -> "_Decoded":
        try:
            image = open_image(contents.result())
        except UnreadableImage as error:
            return _Decoded(image=None, prepared=None, reason=str(error))
        except OSError as error:
            return _Decoded(image=None, prepared=None, reason=f"The file cannot be read: {error.strerror or error}.")
        return _Decoded(
            image=_shrunk(image) if keep_image else None,
            prepared=self._prepare(image),
            reason=MONTAGE if is_montage(image) else "",
        )

    def _prepare(self, image: np.ndarray) -> np.ndarray:
        return prepare_image(image, image_size_px=self.card.image_size_px, field_of_view=self.card.field_of_view)

    def _answer_batch(self, batch: Sequence[tuple[str, "_Decoded"]], *, heat_maps: bool) -> Iterator[Answer]:
        readable = [decoded.prepared for _, decoded in batch if decoded.prepared is not None]
        outputs = self._forward(readable, heat_maps=heat_maps) if readable else None
        position = 0
        for name, decoded in batch:
            if decoded.prepared is None or outputs is None:
                yield Answer(row=self._error_row(name, decoded.reason), image=None, heat_maps=None)
                continue
            row = self._judged_row(name, outputs, position, decoded.reason)
            maps = None if outputs.heat_maps is None else outputs.heat_maps[position]
            yield Answer(row=row, image=decoded.image, heat_maps=maps)
            position += 1

    def _judged_row(self, name: str, outputs: "_Outputs", position: int, picture_refusal: str) -> PredictionRow:
        probabilities = tuple(outputs.probabilities[position].tolist())
        row = judged_row(name, probabilities, card=self.card, answered_by=self.answered_by)
        if refusal := picture_refusal or outputs.refusals[position]:
            return replace(row, status="refused", reason=refusal, predicted=None, confidence=None)
        return row

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
            **asdict(self.answered_by),
        )

    def _forward(self, prepared: Sequence[np.ndarray], *, heat_maps: bool) -> "_Outputs":
        """Run the model once on prepared images, uint8 (S, S, 3) each; the gate looks at maps of the same pass."""
        with self._lock, torch.no_grad():
            features, statistics = self._engine.features(as_images(np.stack(prepared)))
            if heat_maps:
                logits, maps = logits_and_heat_maps(self._engine.head, features)
            else:
                logits, maps = self._engine.head.forward_head(features), None
        return _Outputs(
            probabilities=probabilities_of(logits.cpu().numpy(), self.card.temperature),
            refusals=[""] * len(prepared)
            if self._gate is None or statistics is None
            else self._gate.reasons(statistics.cpu().numpy(), prepared),
            heat_maps=None if maps is None else maps.cpu().numpy(),
        )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Outputs:
    probabilities: np.ndarray
    """(N, K), calibrated."""
    refusals: list[str]
    """Why each image is refused; empty where it is not."""
    heat_maps: np.ndarray | None
    """(N, K, h, w)."""


def _read_ahead(
    sources: Iterable[ImageSource], pool: ThreadPoolExecutor, group_size: int
) -> Iterator[list[tuple[ImageSource, "Future[bytes]"]]]:
    """Yield groups of sources; those of the group behind are being read already."""
    remaining = iter(sources)
    waiting: deque[list[tuple[ImageSource, Future[bytes]]]] = deque()
    while True:
        while len(waiting) < 2 and (group := list(itertools.islice(remaining, group_size))):
            waiting.append([(source, pool.submit(source.read)) for source in group])
        if not waiting:
            return
        yield waiting.popleft()


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Decoded:
    image: np.ndarray | None
    prepared: np.ndarray | None
    """None: the file cannot be read."""
    reason: str
    """Why it cannot be read, or is refused whatever the model says; else empty."""


def _shrunk(image: np.ndarray) -> np.ndarray:
    if max(image.shape) <= LONGEST_SIDE_PX:
        return image
    picture = Image.fromarray(image)
    picture.thumbnail((LONGEST_SIDE_PX, LONGEST_SIDE_PX))
    return np.asarray(picture)
