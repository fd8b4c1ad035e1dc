"""What stands around every page, and the guard that every page begins with."""

import runpy
from pathlib import Path

import streamlit as st

from webui.session_keys import FRAME_DRAWN

ASSETS = Path(__file__).parent / "assets"
FAVICON = str(ASSETS / "favicon.png")
ROUTER = Path(__file__).parents[1] / "app.py"
APP_NAME = "Blood cell reader"


def draw_frame(page_title: str) -> None:
    """Draw a page's heading and the note on the app's use; called by the router alone."""
    st.session_state[FRAME_DRAWN] = True
    st.logo(FAVICON, size="large")
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
        st.title(page_title, width="content", anchor=False)
        st.caption(":material/science: Research use only, not for diagnosis", width="content")


def require_frame() -> None:
    """Run the router in place of a page that runs without it; it draws the frame and then runs the page.

    A server that finds a folder named pages runs the first address it is asked for as a bare script, until the router
    has named the pages once. Without this, a first visit to /train would show the page without its frame.
    """
    if not st.session_state.get(FRAME_DRAWN):
        runpy.run_path(str(ROUTER))
        st.stop()
