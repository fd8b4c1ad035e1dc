"""The locked test images: kept out of training wherever they lie, also turned, mirrored, resized or recompressed.

A copy whose edges were cut off by more than about 1 % is not recognised, unless it is the centre that BloodMNIST shows.
`locked_test.txt` holds no image, only a hash of each file's bytes and two fingerprints: of the whole image, and of the
centre that BloodMNIST shows of it. Public copies of the dataset contain the same images.
"""

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bloodcell.datasets.folder_scan import image_files_below
from bloodcell.images.fingerprint import fingerprint, show_the_same, unit
from bloodcell.images.open_image import open_image
from bloodcell.paths import write_atomically

LOCKED_TEST_FILE = Path(__file__).with_name("locked_test.txt")
_CENTRE_PX = 200
"""Side of the part that BloodMNIST cuts out of an image. Source: J. Yang et al., "MedMNIST v2", 2023."""
_LEVELS = 31
"""Steps to either side of zero in which a fingerprint's values are written; 64 fit in one character."""
_CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"
_HEADER = """# The locked test images: they are for reporting only and never trained on.
# A line each: SHA-256 of the file, fingerprint of the whole image, fingerprint of its centre.
# Written by: python -m bloodcell.datasets.locked_test DATA
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedTest:
    """What is known of the locked test images."""

    sha256: frozenset[str]
    fingerprints: NDArray[np.float32]
    """(M, D), rows of mean 0 and length 1: whole images and centres."""

    def find(self, sha256: Sequence[str], fingerprints: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Return which of N images are locked: equal bytes, or the same picture turned, resized or recompressed.

        Args:
            fingerprints: (N, D), see `fingerprint`.
        """
        return np.array([digest in self.sha256 for digest in sha256], bool) | show_the_same(
            fingerprints, self.fingerprints
        )


@cache
def read_locked_test(path: Path = LOCKED_TEST_FILE) -> LockedTest:
    """Read the list."""
    rows = [line.split() for line in path.read_text(encoding="ascii").splitlines() if line and line[0] != "#"]
    return LockedTest(
        sha256=frozenset(row[0] for row in rows),
        fingerprints=np.stack([_decoded(text) for row in rows for text in row[1:]]),
    )


def write_locked_test(folder: Path, path: Path = LOCKED_TEST_FILE) -> None:
    """Write the list of all images below a folder.

    Raises:
        UnreadableImage: one of them is damaged.
    """
    lines = []
    for file in image_files_below(folder):
        data = file.read_bytes()
        image = open_image(data)
        prints = (_encoded(fingerprint(part)) for part in (image, _centre(image)))
        lines.append(" ".join((hashlib.sha256(data).hexdigest(), *prints)))
    write_atomically(path, (_HEADER + "\n".join(sorted(lines)) + "\n").encode())


def _centre(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    top, left = ((side - _CENTRE_PX) // 2 for side in image.shape[:2])
    return image[top : top + _CENTRE_PX, left : left + _CENTRE_PX]


def _encoded(values: NDArray[np.float32]) -> str:
    """Write a fingerprint with one character per value."""
    steps = np.round(values / np.abs(values).max() * _LEVELS).astype(np.int16) + _LEVELS
    return "".join(_CHARACTERS[step] for step in steps)


def _decoded(text: str) -> NDArray[np.float32]:
    return unit(np.array([_CHARACTERS.index(character) - _LEVELS for character in text], np.float32))


if __name__ == "__main__":
    write_locked_test(Path(sys.argv[1]))
