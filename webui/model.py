"""The model that answers on the pages: loaded once, shared by all sessions, and described from its own card."""

from typing import Any

import streamlit as st

from bloodcell.errors import BloodcellError
from bloodcell.models.weights_file import WeightsCard, find_weights
from bloodcell.paths import DEFAULT_WEIGHTS
from bloodcell.prediction.classifier import Classifier
from webui.words import counted, percent

_IMAGE_SETS = (("test", "test image", "test images"), ("validation", "validation image", "validation images"))


def ready_classifier() -> Classifier | None:
    """Return the shared classifier; where there is none, say why and what to do, and return None."""
    try:
        path = find_weights(DEFAULT_WEIGHTS)
        return _shared_classifier(str(path), path.stat().st_mtime_ns, path.with_suffix(".json").stat().st_mtime_ns)
    except (BloodcellError, OSError) as error:
        reason = str(error) if isinstance(error, BloodcellError) else f"The weights cannot be read: {error.strerror}."
        st.error(f"**No cell can be read now.** {reason}", icon=":material/model_training:")
        st.caption(
            f"What to do: put both `{DEFAULT_WEIGHTS}.safetensors` and `{DEFAULT_WEIGHTS}.json` from the project's "
            "source into its folder `weights`, then reload this page."
        )
        return None


# The times of change are part of the key, so that weights which are published anew are loaded anew.
@st.cache_resource(max_entries=2, show_spinner="Loading the model …")
def _shared_classifier(path: str, tensors_changed_ns: int, card_changed_ns: int) -> Classifier:
    return Classifier.load(path)


def model_words(card: WeightsCard) -> str:
    """Return one line about a model: its name and its measured accuracy, where its card states one."""
    name = f"Model `{card.name.replace('`', '')}`"
    for image_set, one, many in _IMAGE_SETS:
        if figures := _accuracy_figures(card.metrics.get(image_set)):
            n, accuracy, low, high = figures
            return (
                f"{name} · {percent(accuracy)} right on {counted(n, one, many)} "
                f"(95 % interval {percent(low)} to {percent(high)}) · expect less on images of another laboratory"
            )
    return f"{name} · accuracy not measured"


def _accuracy_figures(figures: Any) -> tuple[int, float, float, float] | None:
    """Return n, accuracy and its interval, or None where a card of another version leaves one out."""
    try:
        low, high = figures["accuracy_interval"]
        return int(figures["n"]), float(figures["accuracy"]), float(low), float(high)
    except (KeyError, TypeError, ValueError):
        return None
