"""In what an image that is refused differs from those that a model was trained on: measured, and in words.

Nothing here decides: the gate does. All is measured on what the model reads, so what is lost on the way to it is not
named.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bloodcell.weights.card import WeightsCard

LOOKS_ENTRY = "training_looks"
"""Entry of a card's gate that says how the training images look."""
UNLIKE_TRAINING = "unlike the images that this model was trained on"
_NAMED = 3
"""Differences that a reason names at most; the largest come first."""
_OUTSIDE = 0.005
"""Share of the training images beyond either end of their range."""
_GREY = 2.0
"""Colour, 0 to 255, under which an image has none: JPEG leaves a little in a grey picture."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trait:
    """One thing that is measured."""

    key: str
    more: str
    """What an image is above the training images' range, in words."""
    less: str
    """What it is below."""
    figure: str
    """What is measured."""
    unit: str = ""
    decimals: int = 0


TRAITS: tuple[Trait, ...] = (
    Trait(key="brightness", more="brighter background", less="darker background", figure="brightness"),
    Trait(key="red_green", more="redder background", less="less red background", figure="red minus green"),
    Trait(key="green_blue", more="yellower background", less="bluer background", figure="green minus blue"),
    Trait(key="colour", more="stronger colours", less="weaker colours", figure="mean colour"),
    Trait(key="contrast", more="stronger contrast", less="paler", figure="bright minus dark"),
    Trait(key="sharpness", more="sharper or noisier", less="less sharp", figure="fine detail", unit=" %", decimals=1),
    Trait(key="scale", more="larger structures", less="smaller structures", figure="their size", unit=" %", decimals=1),
)
"""Colours, brightness and contrast count from 0 to 255; fine detail is a share of the contrast, a size one of the
width that the model reads."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TrainingLooks:
    """The range of every trait over the images of a training."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    """(T,), in the order of TRAITS."""

    @classmethod
    def of_traits(cls, traits: NDArray[np.float64]) -> "TrainingLooks":
        """Return the range of measured images, (N, T), outliers left out."""
        low, high = np.quantile(traits, (_OUTSIDE, 1 - _OUTSIDE), axis=0)
        return cls(low=low, high=high)

    @classmethod
    def from_entries(cls, entries: Mapping[str, Any]) -> "TrainingLooks":
        """Read what a card holds.

        Raises:
            KeyError, TypeError, ValueError: a trait is missing, or its range is none.
        """
        ranges = np.array([[float(entries[trait.key][end]) for trait in TRAITS] for end in (0, 1)])
        if not np.isfinite(ranges).all() or (ranges[0] > ranges[1]).any():
            raise ValueError("a range is not two finite numbers, the lower one first")
        return cls(low=ranges[0], high=ranges[1])

    def entries(self) -> dict[str, list[float]]:
        """Return what a card holds: trait → lowest and highest."""
        ends = zip(TRAITS, self.low.tolist(), self.high.tolist(), strict=True)
        return {trait.key: [round(low, 4), round(high, 4)] for trait, low, high in ends}

    @classmethod
    def of_card(cls, card: WeightsCard) -> "TrainingLooks | None":
        """Return what a card's gate says of the training images; None where it says nothing.

        Raises:
            KeyError, TypeError, ValueError: as `from_entries`.
        """
        return cls.from_entries(card.gate[LOOKS_ENTRY]) if LOOKS_ENTRY in card.gate else None

    def reason(self, traits: NDArray[np.float64]) -> str:
        """Say in what an image differs from the training images, by its traits, (T,)."""
        if differences := self.differences(traits):
            return f"{UNLIKE_TRAINING}: {differences}"
        return (
            f"{UNLIKE_TRAINING}, although its colour, brightness, contrast, sharpness and scale lie within their range"
        )

    def differences(self, traits: NDArray[np.float64]) -> str:
        """Say it without a beginning; empty where no trait lies outside its range."""
        words = self._differences(traits)[:_NAMED]
        return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))

    def _differences(self, traits: NDArray[np.float64]) -> list[str]:
        beyond = np.maximum(self.low - traits, traits - self.high) / np.maximum(self.high - self.low, 1e-6)
        has_lost_colour = traits[_place("colour")] < _GREY <= self.low[_place("colour")]
        if has_lost_colour:
            # The tint of the background is gone with all colour: one difference, not three.
            beyond[[_place("red_green"), _place("green_blue")]] = 0
        order = [int(place) for place in np.argsort(-beyond, kind="stable") if beyond[place] > 0]
        words = [self._words(place, float(traits[place])) for place in order]
        if has_lost_colour:
            words.remove(colour := self._words(_place("colour"), float(traits[_place("colour")])))
            words.insert(0, colour.replace(TRAITS[_place("colour")].less, "grey, without colour", 1))
        return words

    def _words(self, place: int, value: float) -> str:
        trait = TRAITS[place]
        here, low, high = (f"{number:.{trait.decimals}f}" for number in (value, self.low[place], self.high[place]))
        what = trait.more if value > self.high[place] else trait.less
        return f"{what} ({trait.figure} {here}{trait.unit}; in training {low} to {high}{trait.unit})".replace("-", "−")


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """Why a gate stops an image."""

    reason: str
    traits: tuple[float, ...] = ()
    """(T,) as measured; empty where nothing was."""

    @classmethod
    def of_unlike(cls, looks: TrainingLooks | None, image: NDArray[np.uint8]) -> "Refusal":
        """Measure an image, (S, S, 3) uint8 as the model reads it; None: nothing is known of the training images."""
        if looks is None:
            return cls(reason=UNLIKE_TRAINING)
        traits = measured_traits(image)
        return cls(reason=looks.reason(traits), traits=tuple(traits.tolist()))


def measured_traits(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Measure an image as a model reads it, (S, S, 3) uint8 RGB → (T,), a number per trait in the order of TRAITS."""
    pixels = image.astype(np.float32)
    grey = pixels.mean(axis=2)
    dark, upper, bright = np.quantile(grey, (0.02, 0.75, 0.98))
    red, green, blue = np.median(pixels[grey >= upper], axis=0).tolist()
    contrast = float(bright - dark)
    return np.array(
        [
            (red + green + blue) / 3,
            red - green,
            green - blue,
            float((pixels.max(axis=2) - pixels.min(axis=2)).mean()),
            contrast,
            100 * _fine_detail(grey) / max(contrast, 1.0),
            100 * _structure_size(grey),
        ]
    )


def _place(key: str) -> int:
    return next(place for place, trait in enumerate(TRAITS) if trait.key == key)


def _fine_detail(grey: NDArray[np.float32]) -> float:
    """Return how much pixels differ from the mean of their four neighbours, root mean square, grey levels."""
    middle = grey[1:-1, 1:-1]
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return float(np.sqrt(np.mean((middle - around / 4) ** 2)))


def _structure_size(grey: NDArray[np.float32]) -> float:
    """Return the distance at which brightness is half as alike as with itself, a share of the width.

    It follows the size of cells and their parts; 0 where the image is of one brightness.
    """
    centred = grey - grey.mean()
    height, width = grey.shape
    spectrum = np.abs(np.fft.rfft2(centred, s=(2 * height, 2 * width))) ** 2
    alike = np.fft.irfft2(spectrum)
    if alike[0, 0] <= 1e-3 * grey.size:
        return 0.0
    half = min(height, width) // 2
    distance = np.arange(half)
    # Fewer pixels meet at a larger distance.
    across, down = alike[0, :half] / (1 - distance / width), alike[:half, 0] / (1 - distance / height)
    falls = np.flatnonzero((across + down) / (2 * alike[0, 0]) < 0.5)
    return float(falls[0] if len(falls) else half) / width
