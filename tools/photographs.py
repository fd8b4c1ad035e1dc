"""Gather ordinary pictures, photographs and drawings, that teach the question whether a picture shows a cell.

From unpacked source archives: for the weights that ship, that of the PyPI package opencv-python 5.0.0.93 (Apache-2.0;
the pictures of its documentation and samples), besides twelve of gradio, imgaug, mahotas, pyvista and the Embedded Rust
Book. None of them is shipped.

Run: python -m tools.photographs OUT SOURCE_DIR...
"""

import argparse
import hashlib
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from bloodcell.errors import UnreadableImage
from bloodcell.images.open_image import open_image
from tests.builders.not_cells import bundled_photographs

ENDINGS = (".jpg", ".jpeg", ".png")
SMALLEST_SIDE_PX = 160


def pictures_below(folders: Iterable[Path]) -> Iterator[tuple[str, Path]]:
    """Yield the name to store it under and the path of every picture that can be read; of equal ones the first.

    Those of scikit-learn and scikit-image, which measure, are left out.
    """
    measuring, _ = bundled_photographs()
    seen = {hashlib.sha256(image.tobytes()).hexdigest() for image in measuring.values()}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() not in ENDINGS or not path.is_file():
                continue
            data = path.read_bytes()
            try:
                image = open_image(data)
            except UnreadableImage:
                continue
            digest = hashlib.sha256(image.tobytes()).hexdigest()
            if min(image.shape[:2]) >= SMALLEST_SIDE_PX and digest not in seen:
                seen.add(digest)
                yield digest[:16] + path.suffix.lower(), path


def main() -> None:
    """Gather."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("sources", nargs="+", type=Path, metavar="SOURCE_DIR")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    count = 0
    for name, path in pictures_below(options.sources):
        shutil.copyfile(path, options.out / name)
        count += 1
    print(f"{count:,} pictures are in {options.out}.")


if __name__ == "__main__":
    main()
