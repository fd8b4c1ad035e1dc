"""BloodMNIST's NPZ file as dataset folders, read image by image: at 224 px, its training images alone are 1.8 GB."""

import errno
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bloodcell.cell_classes import CLASS_COUNT, CLASS_KEYS
from bloodcell.errors import DatasetError

PARTS = ("train", "val", "test")
_LARGEST_SIDE_PX = 1024


def unpack_bloodmnist(
    file: Path, folders: Sequence[Path], *, progress: Callable[[int, int], object] = lambda done, total: None
) -> None:
    """Write the images of each part as PNG files CLASS/PART_NUMBER.png.

    Args:
        folders: new folders for training, validation and test images.

    Raises:
        DatasetError: the file is no such NPZ, or the disk is full.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            labels = [_labels(archive, part) for part in PARTS]
            done, total = 0, sum(len(part) for part in labels)
            for part, own, folder in zip(PARTS, labels, folders, strict=True):
                for key in CLASS_KEYS:
                    (folder / key).mkdir(parents=True)
                with archive.open(f"{part}_images.npy") as stream:
                    shape = _image_shape(stream, len(own))
                    for number, label in enumerate(own):
                        image = np.frombuffer(_exactly(stream, int(np.prod(shape))), np.uint8).reshape(shape)
                        name = f"{part}_{number:05d}.png"
                        Image.fromarray(image).save(folder / CLASS_KEYS[label] / name, compress_level=3)
                        done += 1
                        progress(done, total)
    except (zipfile.BadZipFile, zlib.error, KeyError, EOFError, ValueError) as error:
        raise DatasetError(f"{file.name} is no BloodMNIST file ({error}). Download it again.") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DatasetError(
                "disk full: BloodMNIST cannot be unpacked. Free some space, then start again."
            ) from error
        raise DatasetError(f"BloodMNIST cannot be unpacked: {error.strerror} ({error.filename}).") from error


def _labels(archive: zipfile.ZipFile, part: str) -> NDArray[np.integer]:
    """Return the class index of each image of a part; BloodMNIST's order of classes is ours."""
    with archive.open(f"{part}_labels.npy") as stream:
        labels = np.lib.format.read_array(stream, allow_pickle=False).reshape(-1)
    if labels.dtype.kind not in "ui" or (len(labels) and not 0 <= labels.min() <= labels.max() < CLASS_COUNT):
        raise ValueError(f"the labels of {part} are none of its eight classes")
    return labels


def _image_shape(stream: IO[bytes], count: int) -> tuple[int, int, int]:
    """Read the header of an array of images; return the shape of one."""
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran_order, kind = read(stream)
    if len(shape) != 4 or shape[0] != count or shape[3] != 3 or max(shape[1:]) > _LARGEST_SIDE_PX:
        raise ValueError(f"{shape} is no shape of {count} colour images")
    if fortran_order or kind != np.uint8:
        raise ValueError("the images are not stored one by one, 8 bits each")
    return shape[1], shape[2], shape[3]


def _exactly(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if len(data) != count:
        raise EOFError("it ends too early")
    return data
