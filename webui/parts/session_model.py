"""Which weights answer in this session."""

import streamlit as st

from bloodcell.weights.store import default_weights, is_weights_name
from webui.parts.session_keys import ANSWERING_WEIGHTS

_ADDRESS_PARAMETER = "model"


def answering_weights() -> str:
    """Return the name of the weights that answer in this session.

    It is what was chosen in this session or stands in the page's address, otherwise the server's default as the session
    found it: what somebody else chooses later changes nothing here.
    """
    if ANSWERING_WEIGHTS not in st.session_state:
        named = st.query_params.get(_ADDRESS_PARAMETER, "")
        st.session_state[ANSWERING_WEIGHTS] = named if is_weights_name(named) else default_weights()
    name: str = st.session_state[ANSWERING_WEIGHTS]
    return name


def choose_answering_weights(name: str) -> None:
    """Let weights answer in this session alone."""
    st.session_state[ANSWERING_WEIGHTS] = name


def keep_model_in_address() -> None:
    """Write a model that is not the server's default into the page's address, where it outlives a reload."""
    name = answering_weights()
    if name != default_weights():
        st.query_params[_ADDRESS_PARAMETER] = name
    elif _ADDRESS_PARAMETER in st.query_params:
        del st.query_params[_ADDRESS_PARAMETER]
