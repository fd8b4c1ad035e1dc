import io
import os
import random
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bloodcell.errors import UnreadableImage
from bloodcell.images import open_image as image_file
from bloodcell.images.formats import ACCEPTED_FORMATS
from bloodcell.images.limits import MAXIMUM_BYTES, MINIMUM_SIDE_PX
from bloodcell.images.open_image import open_image, read_image_file

# pytest puts its own warning filters before those of the module.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning")


WRITTEN_FORMATS = tuple(name for name in ACCEPTED_FORMATS if name != "HEIF")
"""Those that Pillow writes."""


def smooth_picture(height: int = 40, width: int = 60) -> Image.Image:
    rows, columns = np.mgrid[0:height, 0:width]
    red, green, blue = rows * 255 / height, columns * 255 / width, 255 - rows * 200 / height
    return Image.fromarray(np.stack((red, green, blue), axis=2).astype(np.uint8))


def encoded(image: Image.Image, format_name: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def refusal(data: bytes) -> str:
    with pytest.raises(UnreadableImage) as caught:
        open_image(data)
    return str(caught.value)


def difference(left: np.ndarray, right: np.ndarray) -> float:
    return float(np.abs(left.astype(float) - right.astype(float)).mean())


@pytest.mark.parametrize("format_name", WRITTEN_FORMATS)
def test_every_accepted_format_becomes_a_contiguous_rgb_array(format_name: str) -> None:
    image = open_image(encoded(smooth_picture(), format_name))
    assert (image.shape, image.dtype, image.flags.c_contiguous) == ((40, 60, 3), np.uint8, True)
    assert difference(image, np.asarray(smooth_picture())) < 16


@pytest.mark.parametrize("format_name", ["PNG", "TIFF", "BMP"])
def test_a_lossless_format_keeps_every_pixel(format_name: str) -> None:
    assert np.array_equal(open_image(encoded(smooth_picture(), format_name)), np.asarray(smooth_picture()))


@pytest.mark.parametrize(
    ("mode", "format_name"), [("CMYK", "JPEG"), ("CMYK", "TIFF"), ("YCbCr", "TIFF"), ("LAB", "TIFF"), ("RGBA", "TIFF")]
)
def test_other_colour_spaces_keep_their_colours(mode: str, format_name: str) -> None:
    assert (
        difference(open_image(encoded(smooth_picture().convert(mode), format_name)), np.asarray(smooth_picture())) < 4
    )


def test_inverted_cmyk_of_adobe_jpeg_is_not_shown_as_a_negative() -> None:
    data = encoded(smooth_picture().convert("CMYK"), "JPEG", quality=95)
    assert b"Adobe" in data
    assert difference(open_image(data), np.asarray(smooth_picture())) < 4


@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_one_channel_images_become_rgb_with_the_same_values(mode: str) -> None:
    image = smooth_picture().convert(mode)
    assert np.array_equal(open_image(encoded(image, "PNG")), np.asarray(image.convert("RGB")))


def test_a_16_bit_image_is_stretched_by_its_real_range_and_not_clipped() -> None:
    values = np.linspace(1000, 5000, 40 * 40).reshape(40, 40).astype(np.uint16)
    for image in (open_image(encoded(Image.fromarray(values), name)) for name in ("PNG", "TIFF")):
        assert len(np.unique(image)) == 256
        assert np.array_equal(image[..., 0], np.rint((values - 1000.0) / (5000 - 1000) * 255).astype(np.uint8))


def test_a_32_bit_integer_image_with_negative_values_is_stretched() -> None:
    values = np.linspace(-(2**31), 2**31 - 1, 32 * 32).reshape(32, 32).astype(np.int32)
    image = open_image(encoded(Image.fromarray(values), "TIFF"))
    assert (image[0, 0, 0], image[-1, -1, 0]) == (0, 255)
    assert np.all(np.diff(image[..., 0].ravel().astype(int)) >= 0)


def test_a_float_image_with_nan_and_infinity_uses_the_range_of_its_finite_values() -> None:
    values = np.linspace(-1, 3, 32 * 32).reshape(32, 32).astype(np.float32)
    values[5, 5], values[6, 6], values[7, 7] = np.nan, np.inf, -np.inf
    image = open_image(encoded(Image.fromarray(values), "TIFF"))
    assert (image[0, 0, 0], image[-1, -1, 0]) == (0, 255)
    assert (image[5, 5, 0], image[6, 6, 0], image[7, 7, 0]) == (0, 255, 0)


def test_a_float_image_over_the_whole_range_of_float32_does_not_overflow() -> None:
    values = np.zeros((32, 32), np.float32)
    values[0, 0], values[0, 1] = np.finfo(np.float32).min, np.finfo(np.float32).max
    image = open_image(encoded(Image.fromarray(values), "TIFF"))
    assert (image[0, 0, 0], image[0, 1, 0], image[9, 9, 0]) == (0, 255, 128)


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_a_constant_wide_grey_image_becomes_mid_grey(dtype: type) -> None:
    assert set(open_image(encoded(Image.fromarray(np.full((20, 20), 700, dtype)), "TIFF")).ravel()) == {128}


def test_a_float_image_without_a_finite_value_is_refused() -> None:
    assert "finite" in refusal(encoded(Image.fromarray(np.full((20, 20), np.nan, np.float32)), "TIFF"))


@pytest.mark.parametrize(("mode", "format_name"), [("RGBA", "PNG"), ("LA", "PNG"), ("RGBA", "TIFF"), ("LA", "TIFF")])
def test_transparency_is_laid_over_white(mode: str, format_name: str) -> None:
    image = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 10, 20))
    image.putpixel((15, 15), (0, 0, 0, 51))
    decoded = open_image(encoded(image.convert(mode), format_name))
    assert decoded[5, 5].tolist() == [0, 0, 0]
    assert decoded[5, 15].tolist() == [255, 255, 255]
    assert decoded[15, 15].tolist() == [204, 204, 204]


@pytest.mark.parametrize("format_name", ["PNG", "GIF"])
def test_a_transparent_colour_of_a_palette_is_laid_over_white(format_name: str) -> None:
    image = Image.new("P", (20, 20), 0)
    image.putpalette([200, 0, 0, 0, 0, 200])
    image.paste(1, (0, 0, 10, 20))
    decoded = open_image(encoded(image, format_name, transparency=0))
    assert decoded[5, 5].tolist() == [0, 0, 200]
    assert decoded[5, 15].tolist() == [255, 255, 255]


def test_a_palette_with_an_alpha_channel_is_read() -> None:
    image = Image.new("P", (20, 20), 1)
    image.putpalette([200, 0, 0, 0, 0, 200])
    decoded = open_image(encoded(image.convert("PA"), "TIFF"))
    assert np.unique(decoded.reshape(-1, 3), axis=0).tolist() == [[0, 0, 200]]


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_once(format_name: str, orientation: int) -> None:
    stored = np.full((32, 48, 3), 255, np.uint8)
    stored[:16, :16] = 0
    exif = Image.Exif()
    exif[0x0112] = orientation
    decoded = open_image(encoded(Image.fromarray(stored), format_name, exif=exif))
    grey = stored[..., 0]
    upright = {
        1: grey, 2: grey[:, ::-1], 3: grey[::-1, ::-1], 4: grey[::-1],
        5: grey.T, 6: np.rot90(grey, -1), 7: grey[::-1, ::-1].T, 8: np.rot90(grey),
    }[orientation]  # fmt: skip
    assert decoded.shape[:2] == upright.shape
    assert difference(decoded[..., 0], upright) < 3


def test_an_empty_file_is_refused_as_empty() -> None:
    assert "empty" in refusal(b"")


def test_text_is_refused_as_text() -> None:
    assert "text" in refusal(b"file,predicted\na.png,basophil\n")


@pytest.mark.parametrize("data", [b"%PDF-1.7\0\xff" + bytes(100), b"PK\x03\x04" + bytes(100), b"\x80" * 500])
def test_an_unknown_format_is_refused_with_the_accepted_ones(data: bytes) -> None:
    assert all(name in refusal(data) for name in ACCEPTED_FORMATS)


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "TIFF", "BMP", "GIF", "WEBP"])
def test_half_a_file_is_refused(format_name: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (120, 120, 3), np.uint8))
    data = encoded(noise, format_name)
    assert "damaged" in refusal(data[: len(data) // 2])


@pytest.mark.parametrize(
    "data",
    [
        png_header(0, 20),
        png_header(20, 0),
        b"GIF89a" + bytes(20),
        b"BM" + bytes(12) + struct.pack("<IiiHH", 40, 0, 9, 1, 24) + bytes(24),
    ],
    ids=["PNG width", "PNG height", "GIF", "BMP"],
)
def test_a_width_or_height_of_zero_is_refused_as_such(data: bytes) -> None:
    assert "zero" in refusal(data)


def test_an_image_below_the_smallest_side_is_refused_with_its_size() -> None:
    small = MINIMUM_SIDE_PX - 1
    assert f"{small} × 100 pixels" in refusal(encoded(Image.new("RGB", (small, 100)), "PNG"))
    assert open_image(encoded(Image.new("RGB", (MINIMUM_SIDE_PX, 100)), "PNG")).shape == (100, MINIMUM_SIDE_PX, 3)


@pytest.mark.parametrize("side", [5_001, 13_000, 60_000])
def test_too_many_pixels_are_refused_from_the_header_alone(side: int) -> None:
    # The file has no pixels: were they decoded first, the refusal would be that of a damaged image.
    assert "25 million pixels" in refusal(png_header(side, side))


def test_too_many_bytes_are_refused() -> None:
    assert "50 MB" in refusal(encoded(smooth_picture(), "PNG") + bytes(MAXIMUM_BYTES))


def test_damaged_metadata_beside_sound_pixels_is_forgiven() -> None:
    data = encoded(smooth_picture(), "PNG", exif=b"Exif\0\0MM\0*\0\0\0\xff" + b"\xff" * 40)
    assert np.array_equal(open_image(data), np.asarray(smooth_picture()))


def test_a_file_on_disk_gives_the_same_array_as_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "cell.with wrong ending.bmp"
    path.write_bytes(encoded(smooth_picture(), "PNG"))
    assert np.array_equal(read_image_file(path), np.asarray(smooth_picture()))


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage, match="does not exist"):
        read_image_file(tmp_path / "none.png")
    with pytest.raises(UnreadableImage, match="folder"):
        read_image_file(tmp_path)
    with pytest.raises(UnreadableImage, match="cannot be read"):
        read_image_file(tmp_path / "zero\0byte.png")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes exist on POSIX only")
def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(UnreadableImage, match="pipe"):
        read_image_file(tmp_path / "pipe.png")


def test_a_file_over_the_byte_limit_is_refused_without_reading_it(tmp_path: Path) -> None:
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(200 * MAXIMUM_BYTES)
    with pytest.raises(UnreadableImage, match="50 MB"):
        read_image_file(tmp_path / "huge.png")


def test_pillow_warnings_do_not_reach_the_user(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(13_000, 13_000))
    program = (
        "import sys; from pathlib import Path\n"
        "from bloodcell.images.open_image import read_image_file\n"
        "try: read_image_file(Path(sys.argv[1]))\n"
        "except Exception as error: print(type(error).__name__)"
    )
    root = Path(image_file.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program, path], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "UnreadableImage"
    assert done.stderr == ""


@pytest.mark.parametrize("format_name", WRITTEN_FORMATS)
def test_mutated_files_give_an_array_or_a_refusal_and_nothing_else(format_name: str) -> None:
    chance = random.Random(format_name)
    exif = Image.Exif()
    exif[0x0112] = 6
    originals = [
        encoded(smooth_picture(24, 32), format_name, **({} if format_name in ("BMP", "GIF") else {"exif": exif})),
        encoded(smooth_picture(24, 32).convert("L" if format_name == "JPEG" else "P"), format_name),
    ]
    outcomes = {"array": 0, "refusal": 0}
    for _ in range(150):
        data = bytearray(chance.choice(originals))
        for _ in range(chance.choice((1, 2, 8))):
            # Headers break decoders in more ways than pixels do.
            data[chance.randrange(chance.choice((min(100, len(data)), len(data))))] = chance.choice(
                (0, 1, 0x7F, 0x80, 0xFF)
            )
        if chance.random() < 0.2:
            del data[chance.randrange(len(data)) :]
        try:
            image = open_image(bytes(data))
        except UnreadableImage as error:
            outcomes["refusal"] += str(error).endswith(".")
        else:
            outcomes["array"] += (image.ndim, image.dtype) == (3, np.uint8)
    assert sum(outcomes.values()) == 150
    assert min(outcomes.values()) > 0
