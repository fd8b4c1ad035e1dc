"""The fingerprints of all images that trained weights or chose among them: weights keep them, to know copies again."""

import numpy as np
from numpy.typing import NDArray

from bloodcell.datasets.folder_scan import DataFolders
from bloodcell.datasets.image_cache import decode_images
from bloodcell.datasets.split import Split
from bloodcell.images.fingerprint import fingerprint
from bloodcell.training.run_data import Progress

_CHUNK = 512
_SIDE_PX = 96


def known_pictures(folders: DataFolders, split: Split, progress: Progress) -> NDArray[np.float32]:
    """Return the fingerprints (M, D) of the training and validation images of a split.

    Raises:
        DatasetError: images are gone or have changed.
    """
    sides = [(folders.dataset, [*split.training, *split.validation])]
    if split.more_training and folders.more_training is not None:
        sides.append((folders.more_training, list(split.more_training)))
    total, found = sum(len(entries) for _, entries in sides), list[NDArray[np.float32]]()
    for folder, entries in sides:
        for start in range(0, len(entries), _CHUNK):
            images = decode_images(folder, entries[start : start + _CHUNK], image_size_px=_SIDE_PX, field_of_view=1.0)
            found += [fingerprint(image) for image in images.permute(0, 2, 3, 1).numpy()]
            progress("taking fingerprints of the images", len(found), total)
    return np.stack(found)
