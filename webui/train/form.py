"""A new run: experiment, dataset, what may be changed, and the start."""

import time
from pathlib import Path
from typing import Any

import streamlit as st

from bloodcell.config import RunConfig
from bloodcell.errors import BloodcellError
from bloodcell.experiments import EXPERIMENTS, FIRST_EXPERIMENT
from bloodcell.jobs import enqueue_run
from bloodcell.processes.device_lock import device_name
from webui.parts.data_choice import ask_for_memory, choose_unusable, chosen_data_folder, image_count
from webui.parts.numbers import number_field
from webui.parts.session_keys import (
    TRAIN_ALLOW_UNUSABLE,
    TRAIN_CHOSEN,
    TRAIN_DATA,
    TRAIN_EXPERIMENT,
    TRAIN_HANDED_IN,
    TRAIN_NAME,
    TRAIN_NOTICE,
    TRAIN_SHORT_OF_MEMORY,
    train_setting_key,
)
from webui.parts.words import error_words, plain_words
from webui.train.reasons import reason

_DOUBLE_CLICK_SECONDS = 3.0
_DEVICE_WORDS = {"auto": "Automatic", "cpu": "CPU", "cuda": "GPU"}


def choose_new_run() -> tuple[RunConfig, Path] | None:
    """Show the choices of a new run and its start; return them, or None where none can be made of them."""
    data = chosen_data_folder(TRAIN_DATA)
    if data is None:
        return None
    names = [FIRST_EXPERIMENT, *(name for name in EXPERIMENTS if name != FIRST_EXPERIMENT)]
    name = st.selectbox("Experiment", names, key=TRAIN_EXPERIMENT, help="A named recipe; what it fixes is its own.")
    st.caption((EXPERIMENTS[name].__doc__ or "").strip().partition(". ")[0].removesuffix(".") + ".")
    base = EXPERIMENTS[name]()
    changes = _changes(base)
    run_name = st.text_input("Name", key=TRAIN_NAME, placeholder=name, max_chars=60)
    allow_unusable = choose_unusable(TRAIN_ALLOW_UNUSABLE)
    if None in changes.values():
        st.button("Start training", key="train_start_not", disabled=True, help="Correct the numbers above first.")
        return None
    try:
        config = base.changed(**changes)
    except ValueError as error:
        st.error(f"These settings do not fit: {plain_words(str(error))}.", icon=":material/tune:")
        return None
    st.button(
        "Start training",
        key="train_start",
        type="primary",
        icon=":material/play_arrow:",
        on_click=_hand_in,
        args=(config, data, _safe_name(run_name or name), allow_unusable),
    )
    short = st.session_state.get(TRAIN_SHORT_OF_MEMORY)
    if short is not None and short[:2] == (config, data):
        ask_for_memory(
            short[2],
            key="train_start_anyway",
            start=lambda: _hand_in(config, data, _safe_name(run_name or name), allow_unusable, memory_asked=True),
        )
    return config, data


def _changes(base: RunConfig) -> dict[str, Any]:
    """Show what may be changed, each with the reason for the recipe's own value."""

    def key(setting: str) -> str:
        return train_setting_key(base.experiment, setting)

    def beside(setting: str) -> Any:
        left, right = st.columns([2, 3], vertical_alignment="center")
        right.caption(reason(base, setting))
        return left

    def number(setting: str, label: str, lowest: float, highest: float, **shown: Any) -> Any:
        value = getattr(base, setting)
        place = beside(setting)
        return number_field(place, label, lowest=lowest, highest=highest, value=value, key=key(setting), **shown)

    return {
        "epochs": number("epochs", "Epochs", 1, 1000),
        "image_size_px": number("image_size_px", "Image size, pixels", 16, 1024, step=16),
        "batch_size": number("batch_size", "Batch, images", 1, 1024),
        "learning_rate": number("learning_rate", "Learning rate", 1e-6, 1.0, step=1e-4, format="%.5f"),
        "seed": number("seed", "Seed", 0, 2**31 - 1),
        "device": beside("device").selectbox(
            "Device", _devices(), format_func=lambda device: _DEVICE_WORDS[device], key=key("device")
        ),
    }


def _hand_in(config: RunConfig, data: Path, name: str, allow_unusable: bool, *, memory_asked: bool = False) -> None:
    last = st.session_state.get(TRAIN_HANDED_IN)
    asked, now = (config, data, allow_unusable), time.monotonic()
    if last is not None and last[0] == asked and now - last[1] < _DOUBLE_CLICK_SECONDS:
        return  # the second click of a double click
    st.session_state[TRAIN_NOTICE] = ""
    st.session_state[TRAIN_SHORT_OF_MEMORY] = None
    try:
        if not memory_asked and (shortage := _memory_shortage(config, data)):
            st.session_state[TRAIN_SHORT_OF_MEMORY] = (config, data, shortage)
            return
        folder = enqueue_run(config, data, name=name, allow_unusable=allow_unusable)
    except (BloodcellError, OSError) as error:
        st.session_state[TRAIN_NOTICE] = error_words(error)
        return
    st.session_state[TRAIN_HANDED_IN] = (asked, now)
    st.session_state[TRAIN_CHOSEN] = folder.name


def _memory_shortage(config: RunConfig, data: Path) -> str:
    from bloodcell.training.estimate import memory_shortage  # torch, which a fresh server takes seconds to import

    return memory_shortage(config, image_count(data))


def _safe_name(text: str) -> str:
    return text.strip().lower().replace(" ", "-")


def _devices() -> list[str]:
    return ["auto", "cpu"] if device_name("auto") == "cpu" else ["auto", "cpu", "cuda"]
