"""Copies of images as people make them, for the tests and the benchmark that look for them."""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image

Copy = Callable[[Image.Image, np.random.Generator], Image.Image]


def recompressed(image: Image.Image, quality: int) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return Image.open(io.BytesIO(stream.getvalue())).convert("RGB")


def cropped(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    """Cut a share of the width or height off each side."""
    width, height = image.size
    return image.crop(
        (round(width * left), round(height * top), round(width * (1 - right)), round(height * (1 - bottom)))
    )


def all_at_once(image: Image.Image, generator: np.random.Generator) -> Image.Image:
    turn = Image.Transpose(int(generator.integers(0, 7)))
    part = cropped(image, *generator.uniform(0, 0.05, 4)).transpose(turn)
    return recompressed(part.resize((256, 256), Image.Resampling.BILINEAR), 50)


COPIES: dict[str, Copy] = {
    "recompressed, JPEG quality 60": lambda image, generator: recompressed(image, 60),
    "recompressed, JPEG quality 30": lambda image, generator: recompressed(image, 30),
    "resized to a third": lambda image, generator: image.resize((image.width // 3, image.height // 3)),
    "resized to 140 %": lambda image, generator: image.resize((image.width * 7 // 5, image.height * 7 // 5)),
    "rotated by 90°": lambda image, generator: recompressed(image.transpose(Image.Transpose.ROTATE_90), 90),
    "rotated by 180°": lambda image, generator: recompressed(image.transpose(Image.Transpose.ROTATE_180), 90),
    "rotated by 270°": lambda image, generator: recompressed(image.transpose(Image.Transpose.ROTATE_270), 90),
    "mirrored": lambda image, generator: recompressed(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), 90),
    "cropped by 5 % in all": lambda image, generator: cropped(image, 0.025, 0.025, 0.025, 0.025),
    "cropped by 5 % at each side": lambda image, generator: cropped(image, 0.05, 0.05, 0.05, 0.05),
    "cropped by 5 % at two sides": lambda image, generator: cropped(image, 0.05, 0.05, 0, 0),
    "cropped by 5 % at one side": lambda image, generator: cropped(image, 0, 0, 0, 0.05),
    "all at once": all_at_once,
}
