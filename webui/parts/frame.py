"""What stands around every page, and the guard that every page begins with."""

import gc
import runpy
import sys
from pathlib import Path

import streamlit as st

from webui.parts.session_keys import FRAME_DRAWN, FRAME_LOG_OUT

ASSETS = Path(__file__).parents[1] / "assets"
FAVICON = str(ASSETS / "favicon.png")
ROUTER = Path(__file__).parents[2] / "app.py"
APP_NAME = "Blood cell reader"


def draw_frame(page_title: str) -> None:
    """Draw a page's heading and the note on the app's use; called by the router alone."""
    st.session_state[FRAME_DRAWN] = True
    st.logo(FAVICON, size="large")
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
        st.title(page_title, width="content", anchor=False)
        st.caption(":material/science: Research use only, not for diagnosis", width="content")
        if st.user.get("is_logged_in"):
            st.button("Log out", key=FRAME_LOG_OUT, on_click=st.logout, type="tertiary")


def require_frame() -> None:
    """Run the router in place of a page that runs without it; it draws the frame and then runs the page.

    A server that finds a folder named pages runs the first address it is asked for as a bare script, until the router
    has named the pages once. Without this, a first visit to /train would show the page without its frame.
    """
    if not st.session_state.get(FRAME_DRAWN):
        runpy.run_path(str(ROUTER), run_name="__main__")
        st.stop()


def spare_imports_from_collection() -> None:
    """Take what was imported out of the garbage that is looked through after every run of a page, each poll included.

    Streamlit collects garbage then, and with torch imported there are 300,000 objects to look at: measured 0.12 s of
    processor time per poll of the Train page, 6 µs without them (one Intel Xeon core, November 2026).
    """
    _spare(len(sys.modules))


@st.cache_resource(max_entries=1, show_spinner=False)
def _spare(module_count: int) -> None:
    gc.collect()
    gc.freeze()
