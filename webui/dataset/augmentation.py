"""What training does to real cells: the same cell as it is and as an epoch might show it to the model."""

from pathlib import Path

import numpy as np
import streamlit as st
import torch
from numpy.typing import NDArray

from bloodcell.cell_classes import CLASS_COUNT
from bloodcell.datasets.folder_scan import FolderScan
from bloodcell.errors import BloodcellError
from bloodcell.experiments import EXPERIMENTS, FIRST_EXPERIMENT, experiment_config
from bloodcell.images.model_input import as_images, prepare_image
from bloodcell.images.normalisation import IMAGENET_MEAN, IMAGENET_STD
from bloodcell.images.open_image import read_image_file
from bloodcell.training.augmentation import BatchAugmenter
from bloodcell.training.batches import whole_image_size_px
from webui.parts.session_keys import DATASET_AUGMENTATION_DRAWS, DATASET_EXPERIMENT
from webui.parts.words import class_name, error_words

_VARIANTS = 5
_PICTURE_PX = 128


def show_augmentation(scan: FolderScan) -> None:
    """Show one cell per class beside variants of it, as a chosen experiment draws them."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        names = sorted(EXPERIMENTS)
        at_first = names.index(FIRST_EXPERIMENT)
        name = st.selectbox("Experiment", names, index=at_first, key=DATASET_EXPERIMENT, width=320)
        if st.button("Draw again", key="dataset_draw_again", icon=":material/casino:"):
            st.session_state[DATASET_AUGMENTATION_DRAWS] = st.session_state.get(DATASET_AUGMENTATION_DRAWS, 0) + 1
    st.caption("Left: the cell as the model reads it when it answers. Beside it: how an epoch may show it in training.")
    draws = st.session_state.get(DATASET_AUGMENTATION_DRAWS, 0)
    for label in range(CLASS_COUNT):
        files = [file.path for file in scan.files if file.label == label]
        if not files:
            continue
        path = files[draws % len(files)]
        try:
            pictures = _variants(str(path), path.stat().st_mtime_ns, name, draws)
        except (BloodcellError, OSError) as error:
            st.caption(f"{class_name(label)}: {error_words(error)}")
            continue
        st.caption(class_name(label))
        with st.container(horizontal=True, vertical_alignment="center"):
            for number, picture in enumerate(pictures):
                kind = "as the model answers on it" if number == 0 else f"variant {number} in training"
                st.image(picture, alt=f"{class_name(label)}, {kind}", width=_PICTURE_PX)


@st.cache_data(max_entries=64, show_spinner=False)
def _variants(path: str, changed_ns: int, experiment: str, seed: int) -> list[NDArray[np.uint8]]:
    """Return the plain field of view and variants of it, each (S, S, 3) uint8."""
    config = experiment_config(experiment)
    size_px = min(config.image_size_px, 2 * _PICTURE_PX)
    whole_px = whole_image_size_px(config, size_px)
    whole = as_images(np.stack([prepare_image(read_image_file(Path(path)), image_size_px=whole_px)]))
    plain = BatchAugmenter("none", image_size_px=size_px, field_of_view=config.field_of_view)
    varied = BatchAugmenter(config.augmentation, image_size_px=size_px, field_of_view=config.field_of_view)
    # The augmenter draws from torch's global generator, which a prediction beside this one does not read.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        images = torch.cat([plain(whole), varied(whole.repeat(_VARIANTS, 1, 1, 1))])
    mean, deviation = (images.new_tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    pixels = ((images * deviation + mean).clamp(0, 1) * 255).round().to(torch.uint8)
    return list(pixels.permute(0, 2, 3, 1).numpy())
