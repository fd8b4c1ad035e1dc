"""What a page says of the last thing that was asked for."""

from typing import Literal

import streamlit as st

_SHOWN = {
    "problem": (st.error, ":material/info:"),
    "note": (st.warning, ":material/info:"),
    "told": (st.info, ":material/info:"),
    "done": (st.success, ":material/check:"),
}


def show_notice(key: str, kind: Literal["problem", "note", "told", "done"] = "problem") -> None:
    """Show what stands under a key of the session, if anything does; of what was told or done, once."""
    if notice := st.session_state.get(key):
        show, icon = _SHOWN[kind]
        show(notice, icon=icon)
    if kind in ("told", "done"):
        st.session_state.pop(key, None)
