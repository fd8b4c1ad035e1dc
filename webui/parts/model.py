"""The model that answers on the pages: loaded once, shared by all sessions, and described from its own card."""

from typing import Any

import streamlit as st

from bloodcell.answers.classifier import Classifier
from bloodcell.answers.engine_choice import EngineName, chosen_engine
from bloodcell.errors import BloodcellError, EngineUnavailable
from bloodcell.paths import DEFAULT_WEIGHTS
from bloodcell.report.other_laboratories import laboratory_words
from bloodcell.weights.card import WeightsCard, find_weights
from bloodcell.wording import counted, percent
from webui.parts.session_model import answering_weights
from webui.parts.words import name_as_markdown, plain_words

_IMAGE_SETS = (("test", "test image", "test images"), ("validation", "validation image", "validation images"))


def ready_classifier() -> Classifier | None:
    """Return the shared classifier; where there is none, say why and what to do, and return None.

    The weights of this session answer. Where they cannot, the ones that ship do, and a notice says so.
    """
    try:
        return _weights_that_answer()
    except EngineUnavailable as error:
        st.error(f"**No cell can be read now.** {_reason(error)}", icon=":material/model_training:")
        return None


def _weights_that_answer() -> Classifier | None:
    chosen = answering_weights()
    if chosen != DEFAULT_WEIGHTS:
        try:
            return _classifier_of(chosen)
        except EngineUnavailable:
            raise
        except (BloodcellError, OSError) as error:
            st.warning(
                f"**{name_as_markdown(chosen)} cannot answer; `{DEFAULT_WEIGHTS}` does instead.** {_reason(error)} "
                "Choose what answers on the page Models.",
                icon=":material/swap_horiz:",
            )
    try:
        return _classifier_of(DEFAULT_WEIGHTS)
    except EngineUnavailable:
        raise
    except (BloodcellError, OSError) as error:
        st.error(f"**No cell can be read now.** {_reason(error)}", icon=":material/model_training:")
        st.caption(
            f"What to do: put both `{DEFAULT_WEIGHTS}.safetensors` and `{DEFAULT_WEIGHTS}.json` from the project's "
            "source into its folder `weights`, then reload this page."
        )
        return None


def _classifier_of(name: str) -> Classifier:
    path = find_weights(name)
    changed_ns = (path.stat().st_mtime_ns, path.with_suffix(".json").stat().st_mtime_ns)
    return _shared_classifier(str(path), changed_ns, chosen_engine())


def _reason(error: BloodcellError | OSError) -> str:
    if isinstance(error, BloodcellError):
        return plain_words(str(error))
    return plain_words(f"The weights cannot be read: {error.strerror}.")


# The times of change are part of the key, so that weights which are published anew are loaded anew.
@st.cache_resource(max_entries=2, show_spinner="Loading the model …")
def _shared_classifier(path: str, changed_ns: tuple[int, int], engine: EngineName) -> Classifier:
    return Classifier.load(path, engine=engine)


def model_words(card: WeightsCard) -> str:
    """Return one line about a model: its name and its measured accuracy, where its card states one."""
    name = f"Model {name_as_markdown(card.name)}"
    for image_set, one, many in _IMAGE_SETS:
        if figures := accuracy_figures(card, image_set):
            n, accuracy, low, high = figures
            return (
                f"{name} · {percent(accuracy)} right on {counted(n, one, many)} "
                f"(95 % interval {percent(low)} to {percent(high)}) · {plain_words(laboratory_words(card))}"
            )
    return f"{name} · accuracy not measured"


def accuracy_figures(card: WeightsCard, image_set: str) -> tuple[int, float, float, float] | None:
    """Return n, accuracy and its interval on `test` or `validation`, or None where the card does not state them."""
    figures: Any = card.metrics.get(image_set)
    try:
        low, high = figures["accuracy_interval"]
        return int(figures["n"]), float(figures["accuracy"]), float(low), float(high)
    except (KeyError, TypeError, ValueError):
        return None
