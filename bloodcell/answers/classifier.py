"""Classifier: loaded weights that answer for cell images, one or a stream of them."""

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from bloodcell.answers.engine_choice import EngineName
from bloodcell.answers.judging import judged_row
from bloodcell.answers.prediction_table import WITHOUT_CLASS, PredictionRow
from bloodcell.answers.reading_ahead import ImageSource, read_ahead
from bloodcell.answers.ready_model import ElsewhereModel, Outputs, ReadyModel
from bloodcell.answers.unlikeness import Refusal
from bloodcell.config import Precision
from bloodcell.errors import UnreadableImage
from bloodcell.images.decoding_memory import memory_kept
from bloodcell.images.montage import is_montage
from bloodcell.images.open_image import open_image
from bloodcell.paths import ELSEWHERE_WEIGHTS
from bloodcell.weights.answer_identity import AnsweredBy
from bloodcell.weights.card import WeightsCard
from bloodcell.weights.file import KnownImages, LoadedWeights, load_weights

GROUP_SIZE = 16
"""Images that are decoded together, at least; the threads that do it wait for each other once per group. The files of
two groups are held at once, and of one the images, where heat maps are asked for."""
DECODING_THREADS = min(8, os.cpu_count() or 1)
READING_THREADS = 4
"""Readers wait for a disk or a network; apart from the decoders, so that they wait while the model works."""
LONGEST_SIDE_PX = 1024
"""Of an image that goes along with its heat maps; a stream of large photographs would fill the memory."""
_BY_OTHERS = f"class by {ELSEWHERE_WEIGHTS}, for review"
MONTAGE = "several pictures are put together in this file, with a straight line between them; save each cell by itself"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Answer:
    """What a classifier says about one image."""

    row: PredictionRow
    """The line of the CSV; status 'error' where there is no image."""
    image: np.ndarray | None = None
    """The cell image, uint8 RGB (H, W, 3), no side longer than `LONGEST_SIDE_PX`; None without heat maps."""
    heat_maps: np.ndarray | None = None
    """float32 (K, h, w), 0 to 1, over the field of view; None where not asked for or not readable."""
    field_of_view: float = 1.0
    """Central share of each side that the model that answered reads."""


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
        self._own = ReadyModel(weights, device=device, precision=precision, engine=engine)
        self.card: WeightsCard = weights.card
        self.known = weights.known
        self.device: torch.device = self._own.engine.device
        self.batch_size: int = self._own.engine.batch_size
        self.answered_by = AnsweredBy.of(self.card, precision=self._own.engine.precision, engine=self._own.engine.name)
        self._elsewhere = ElsewhereModel.for_weights(self.card, self._own.engine)

    @property
    def knows_pictures(self) -> bool:
        """Whether fingerprints are known of the images that trained what answers here."""
        others = [] if self._elsewhere is None else [self._elsewhere.weights.known]
        return any(known.pictures is not None for known in (self.known, *others))

    def known_to(self, model_sha256: str) -> KnownImages:
        """Return the images that trained the weights with this hash, these or those for other laboratories."""
        others = [] if self._elsewhere is None else [self._elsewhere.weights]
        known = next((one.known for one in others if one.card.tensors_sha256 == model_sha256), None)
        return self.known if known is None else known

    def temperature_of(self, model_sha256: str) -> float:
        """Return what calibrated the answers of these weights, or of those for other laboratories, by their hash."""
        cards = [self.card, *([] if self._elsewhere is None else [self._elsewhere.card])]
        return next((card.temperature for card in cards if card.tensors_sha256 == model_sha256), 1.0)

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
        return self._own.forward([self._own.prepare(image) for image in images], heat_maps=False).probabilities

    def rows(self, images: Sequence[np.ndarray]) -> list[PredictionRow]:
        """Answer as `answers` does: sure, worth a second look, or refused with the reason. Files have no name.

        Args:
            images: as for `probabilities`.
        """
        batch = [("", self._read(image, keep_image=False)) for image in images]
        return [answer.row for answer in self._answer_batch(batch, heat_maps=False)]

    def probabilities_and_heat_maps(self, images: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Answer as `probabilities` does, and explain every class: heat maps (N, K, h, w), float32, 0 to 1."""
        outputs = self._own.forward([self._own.prepare(image) for image in images], heat_maps=True)
        assert outputs.heat_maps is not None
        return outputs.probabilities, outputs.heat_maps

    def answers(
        self,
        sources: Iterable[ImageSource],
        *,
        heat_maps: bool = False,
        batch_size: int | None = None,
        is_home: bool = True,
    ) -> Iterator[Answer]:
        """Answer for a stream of sources, in order; memory does not grow with their number.

        The next files are read while the model works. They are decoded between forward passes: a processor has no core
        to spare beside the model's threads, which would wait for each other. A source that cannot be read gets a row
        with the reason; the others are answered all the same.

        Args:
            batch_size: images per forward pass; None: as suits the engine. Answers do not depend on it.
            is_home: whether the images may come from the laboratory that the weights know; False: the weights for other
                laboratories answer for all of them, where there are such.
        """
        batch_size = batch_size or self.batch_size
        decode = partial(self._decode, keep_image=heat_maps)
        group_size = -(-GROUP_SIZE // batch_size) * batch_size
        with ThreadPoolExecutor(READING_THREADS) as readers, ThreadPoolExecutor(DECODING_THREADS) as decoders:
            for group in read_ahead(sources, readers, group_size):
                names = [source.name for source, _ in group]
                decoded = decoders.map(decode, [contents for _, contents in group])
                named = list(zip(names, decoded, strict=True))
                for start in range(0, len(named), batch_size):
                    yield from self._answer_batch(
                        named[start : start + batch_size], heat_maps=heat_maps, is_home=is_home
                    )

    def _decode(self, contents: "Future[bytes]", *, keep_image: bool) -> "_Decoded":
        try:
            data = contents.result()
            with memory_kept():
                return self._read(open_image(data), keep_image=keep_image)
        except UnreadableImage as error:
            return _Decoded(reason=str(error))
        except OSError as error:
            return _Decoded(reason=f"The file cannot be read: {error.strerror or error}.")

    def _read(self, image: np.ndarray, *, keep_image: bool) -> "_Decoded":
        return _Decoded(
            image=_shrunk(image) if keep_image else None,
            prepared=self._own.prepare(image),
            prepared_elsewhere=None if self._elsewhere is None else self._elsewhere.prepare(image),
            reason=MONTAGE if is_montage(image) else "",
        )

    def _answer_batch(
        self, batch: Sequence[tuple[str, "_Decoded"]], *, heat_maps: bool, is_home: bool = True
    ) -> Iterator[Answer]:
        readable = [decoded for _, decoded in batch if decoded.prepared is not None]
        prepared = [decoded.prepared for decoded in readable if decoded.prepared is not None]
        own = self._own.forward(prepared, heat_maps=heat_maps) if readable else None
        others = self._answers_elsewhere(readable, own, heat_maps=heat_maps, is_home=is_home)
        position = 0
        for name, decoded in batch:
            if decoded.prepared is None or own is None:
                yield Answer(row=self._error_row(name, decoded.reason))
                continue
            if position in others:
                outputs, place, field_of_view = others[position]
                row = self._unlike_row(name, outputs, place, unlike=own.refusals[position])
            else:
                outputs, place, field_of_view = own, position, self.card.field_of_view
                row = self._row_of(self.card, name, outputs, place)
            yield Answer(
                row=_without_class(row, "refused", decoded.reason) if decoded.reason else row,
                image=decoded.image,
                heat_maps=None if outputs.heat_maps is None else outputs.heat_maps[place],
                field_of_view=field_of_view,
            )
            position += 1

    def _answers_elsewhere(
        self, readable: Sequence["_Decoded"], own: Outputs | None, *, heat_maps: bool, is_home: bool
    ) -> dict[int, tuple[Outputs, int, float]]:
        """Ask the weights for other laboratories about what is unlike the own one: position → their answer."""
        if self._elsewhere is None or own is None:
            return {}
        positions = [position for position, refusal in enumerate(own.refusals) if refusal or not is_home]
        prepared = [image for p in positions if (image := readable[p].prepared_elsewhere) is not None]
        if not prepared:
            return {}
        outputs = self._elsewhere.model.forward(prepared, heat_maps=heat_maps)
        field_of_view = self._elsewhere.card.field_of_view
        return {position: (outputs, place, field_of_view) for place, position in enumerate(positions)}

    def _row_of(self, card: WeightsCard, name: str, outputs: Outputs, place: int) -> PredictionRow:
        probabilities = tuple(outputs.probabilities[place].tolist())
        row = judged_row(name, probabilities, card=card, answered_by=self.answered_by)
        if refusal := outputs.refusals[place]:
            return _without_class(row, "refused", refusal.reason)
        other_cell = outputs.other_cells[place]
        return _without_class(row, "other_cell", other_cell) if other_cell else row

    def _unlike_row(self, name: str, outputs: Outputs, place: int, *, unlike: Refusal | None) -> PredictionRow:
        """Return the answer of the weights for other laboratories: a class to be looked at, or none.

        Args:
            unlike: how the image differs from those of home; None: it was asked for all the same.
        """
        assert self._elsewhere is not None
        row = self._row_of(self._elsewhere.card, name, outputs, place)
        if unlike is None:
            return row if row.status in WITHOUT_CLASS else replace(row, status="review", reason=_BY_OTHERS)
        row = replace(row, unlike_traits=unlike.traits)
        if row.status in WITHOUT_CLASS:
            return replace(row, reason=f"{row.reason}; {unlike.reason}")
        return replace(row, status="review", reason=f"{unlike.reason}; {_BY_OTHERS}")

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


def _without_class(row: PredictionRow, status: str, reason: str) -> PredictionRow:
    return replace(row, status=status, reason=reason, predicted=None, confidence=None)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Decoded:
    reason: str
    """Why it cannot be read, or is refused whatever the model says; else empty."""
    image: np.ndarray | None = None
    prepared: np.ndarray | None = None
    """None: the file cannot be read."""
    prepared_elsewhere: np.ndarray | None = None
    """For the weights for other laboratories, where there are such."""


def _shrunk(image: np.ndarray) -> np.ndarray:
    if max(image.shape) <= LONGEST_SIDE_PX:
        return image
    picture = Image.fromarray(image)
    picture.thumbnail((LONGEST_SIDE_PX, LONGEST_SIDE_PX))
    return np.asarray(picture)
