"""All weights as a table, and which of them the rest of the Models page is about."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from bloodcell.weights.store import StoredWeights, default_weights
from bloodcell.wording import percent
from webui.parts.model import accuracy_figures
from webui.parts.session_keys import MODELS_CHOOSE_NEXT, MODELS_CHOSEN
from webui.parts.session_model import answering_weights
from webui.parts.words import shown_name


def show_list(stored: Sequence[StoredWeights]) -> None:
    """Show a row per weights: where from, which answers, its figures with their n."""
    here, default = answering_weights(), default_weights()
    rows = [
        {
            "Name": shown_name(weights.name),
            "Answers on Classify": _answers_words(here=weights.name == here, default=weights.name == default),
            "From": _origin_words(weights),
            "Model": "–" if weights.card is None else str(weights.card.model),
            "Image size, px": None if weights.card is None else weights.card.image_size_px,
            "Right, test images": _figures_words(weights, "test"),
            "Right, validation images": _figures_words(weights, "validation"),
            "State": "damaged" if weights.problem else "ready",
        }
        for weights in stored
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, placeholder="–", alt="All weights with their figures")
    st.caption(
        "Right: share of images with the right class (number of images). The best epoch was picked on the "
        "validation images, so their figure is optimistic; test images were kept apart from every choice. Stated: by "
        "whoever made the weights, not measured here."
    )


def _answers_words(*, here: bool, default: bool) -> str:
    return ", ".join(words for words, holds in (("✓ in this browser", here), ("server's default", default)) if holds)


def _figures_words(weights: StoredWeights, image_set: str) -> str:
    if weights.problem or weights.card is None:
        return "–"  # a card's figures are those of the tensors that it was written for
    figures = accuracy_figures(weights.card, image_set)
    if figures is None:
        return "not measured"
    n, accuracy, _, _ = figures
    return f"{percent(accuracy)} of {n:,}{'' if weights.measured_here else ', stated'}"


def _origin_words(weights: StoredWeights) -> str:
    if weights.ships:
        return "ships with the program"
    return "published here" if weights.measured_here else "elsewhere"


def choose_weights(stored: Sequence[StoredWeights]) -> StoredWeights:
    """Let a person choose one of the weights; the one that answers is chosen at first."""
    by_name = {weights.name: weights for weights in stored}
    wanted = st.session_state.pop(MODELS_CHOOSE_NEXT, st.session_state.get(MODELS_CHOSEN, answering_weights()))
    st.session_state[MODELS_CHOSEN] = wanted if wanted in by_name else next(iter(by_name))
    return by_name[st.selectbox("Weights", list(by_name), format_func=shown_name, key=MODELS_CHOSEN)]
