"""The card of weights as a person reads it: figures with their n, data, recipe, limits."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from bloodcell.cell_classes import CLASS_COUNT
from bloodcell.models.weights_file import WeightsCard
from webui.model import accuracy_figures
from webui.words import class_name, percent

_IMAGE_SETS = {"test": "Test images", "validation": "Validation images (chose the epoch: optimistic)"}


def show_card(card: WeightsCard) -> None:
    """Show what a card states; figures that it does not state are left out."""
    _show_figures(card)
    for image_set, title in _IMAGE_SETS.items():
        if per_class := _per_class(card.metrics.get(image_set)):
            with st.expander(f"Each class · {title.lower()}"):
                st.dataframe(pd.DataFrame(per_class), hide_index=True, alt=f"Figures of each class, {title.lower()}")
    facts, recipe = st.columns(2)
    with facts, st.expander("What it is and where it comes from"):
        _show_pairs(_facts(card), "Facts about these weights")
    with recipe, st.expander("How it was trained"):
        _show_pairs(card.recipe or {"recipe": "not stated"}, "Settings of the training")
    st.caption(
        "Figures hold for the laboratory, microscope and stain of the training images. On images from elsewhere expect "
        "far less."
    )


def _show_figures(card: WeightsCard) -> None:
    rows = []
    for image_set, title in _IMAGE_SETS.items():
        if figures := accuracy_figures(card, image_set):
            n, accuracy, low, high = figures
            rows.append(
                {
                    "Measured on": title,
                    "Images": f"{n:,}",
                    "Right": percent(accuracy),
                    "95 % interval": f"{percent(low)} to {percent(high)}",
                }
            )
    if rows:
        st.dataframe(pd.DataFrame(rows), hide_index=True, alt="Accuracy with number of images and interval")
    else:
        st.caption("Its card states no accuracy.")


def _per_class(figures: Any) -> list[dict[str, str]]:
    """Return a row per class, or nothing where a card of another version leaves something out."""
    try:
        return [
            {
                "Class": class_name(row["label"]),
                "Images": f"{int(row['support']):,}",
                "Precision": percent(float(row["precision"])),
                "Recall": percent(float(row["recall"])),
                "F1": f"{float(row['f1']):.3f}",
            }
            for row in figures["per_class"][:CLASS_COUNT]
        ]
    except (KeyError, TypeError, ValueError, IndexError):
        return []


def _facts(card: WeightsCard) -> dict[str, Any]:
    return {
        "model": card.model,
        "reads": f"the central {percent(card.field_of_view)} of each side, at {card.image_size_px} px",
        **{f"training data: {key.replace('_', ' ')}": value for key, value in card.training_data.items()},
        "trained on": card.hardware,
        "second look below a confidence of": percent(card.review_threshold),
        "gate": _gate_words(card),
        "temperature": f"{card.temperature:.3f}",
        "tensors stored as": card.metrics.get("stored_as", "float32"),
        "licence": card.licence,
        "program version": card.code_version,
        "SHA-256 of the tensors": card.tensors_sha256,
    }


def _gate_words(card: WeightsCard) -> str:
    try:
        held_out, known = (int(card.gate[key]) for key in ("held_out", "fitted_on"))
    except (KeyError, TypeError, ValueError):
        return "none: every image gets an answer" if not card.gate else "its card does not say what it was fitted to"
    words = f"knows {known:,} training images; limit set on {held_out:,} scores so that about 1 in 1,000 is refused"
    test = card.metrics.get("test")
    if isinstance(test, Mapping) and isinstance(test.get("refused"), int):
        words += f"; refused {test['refused']:,} of {int(test['n']):,} test images"
    return words


def _show_pairs(values: Mapping[str, Any], alt: str) -> None:
    # A dataframe, not a table: it shows text that strangers wrote as it is, without Markdown.
    pairs = {"": [str(key).replace("_", " ") for key in values], " ": [str(value) for value in values.values()]}
    st.dataframe(pd.DataFrame(pairs), hide_index=True, alt=alt)
