"""Damage that decoders fill in silently is refused; sound files are not."""

import io
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bloodcell.errors import UnreadableImage
from bloodcell.images.open_image import open_image


def cell_like(seed: int = 0) -> Image.Image:
    """A picture of 200 × 200 pixels with the detail of a photograph."""
    noise = np.random.default_rng(seed).normal(0, 12, (200, 200, 3))
    rows, columns = np.mgrid[:200, :200]
    disc = ((rows - 100) ** 2 + (columns - 100) ** 2 < 3600)[..., None] * np.array([80.0, 120.0, 40.0])
    return Image.fromarray(np.clip(220 - disc + noise, 0, 255).astype(np.uint8))


def encoded(format_name: str, image: Image.Image | None = None, **options: object) -> bytes:
    buffer = io.BytesIO()
    (image or cell_like()).save(buffer, format_name, **options)
    return buffer.getvalue()


def blanked(data: bytes, start: int, length: int) -> bytes:
    return data[:start] + bytes(length) + data[start + length :]


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.7, 0.9])
def test_a_jpeg_with_zeros_inside_is_refused(share: float, progressive: bool) -> None:
    data = encoded("JPEG", quality=90, progressive=progressive)
    with pytest.raises(UnreadableImage, match="missing or overwritten"):
        open_image(blanked(data, int(len(data) * share), 512))


@pytest.mark.parametrize("format_name", ["WEBP", "AVIF"])
def test_a_picture_whose_last_half_is_zeros_is_refused(format_name: str) -> None:
    data = encoded(format_name, quality=90)
    with pytest.raises(UnreadableImage, match="damaged"):
        open_image(blanked(data, len(data) // 2, len(data) - len(data) // 2))


def test_a_webp_without_loss_and_zeros_inside_is_refused() -> None:
    data = encoded("WEBP", lossless=True)
    with pytest.raises(UnreadableImage, match="damaged"):
        open_image(blanked(data, len(data) // 2, 512))


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("options", [{}, {"optimize": True}, {"progressive": True}, {"quality": 100}, {"quality": 5}])
def test_a_sound_jpeg_of_each_kind_is_read(mode: str, options: dict[str, object]) -> None:
    assert open_image(encoded("JPEG", cell_like().convert(mode), **options)).shape == (200, 200, 3)


@pytest.mark.parametrize("format_name", ["JPEG", "WEBP", "AVIF", "PNG"])
@pytest.mark.parametrize("colour", ["black", "white"])
def test_an_even_picture_is_sound(format_name: str, colour: str) -> None:
    assert open_image(encoded(format_name, Image.new("RGB", (400, 400), colour))).shape == (400, 400, 3)


@pytest.mark.parametrize("options", [{"optimize": True}, {"progressive": True}, {"optimize": True, "quality": 100}])
def test_an_even_margin_that_fitted_tables_write_as_zeros_is_sound(options: dict[str, object]) -> None:
    padded = Image.new("RGB", (1200, 1200))
    padded.paste(cell_like(), (500, 900))
    data = encoded("JPEG", padded, **options)
    assert open_image(data).shape == (1200, 1200, 3)


def test_the_thumbnail_and_metadata_of_a_jpeg_may_hold_zeros() -> None:
    assert open_image(encoded("JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08" + bytes(900))).shape == (200, 200, 3)


def test_what_a_phone_appends_to_a_jpeg_is_no_damage() -> None:
    assert open_image(encoded("JPEG") + bytes(5_000)).shape == (200, 200, 3)


@pytest.mark.real_images
def test_of_damaged_real_cells_none_is_read_and_of_sound_ones_all(real_data_folder: Path) -> None:
    files, draw = sorted((real_data_folder / "pbc_test").rglob("*.jpg"))[::7], random.Random(0)
    read = []
    for file in files:
        data = file.read_bytes()
        open_image(data)
        try:
            open_image(blanked(data, draw.randrange(len(data) // 3, len(data) - 600), 512))
        except UnreadableImage:
            continue
        read.append(file.name)
    assert read == []
