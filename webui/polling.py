"""Parts of a page that are drawn again and again while a job is active."""

from collections.abc import Callable

import streamlit as st

from bloodcell.jobs import ensure_worker


def show_polled(part: Callable[[], None], *, every_seconds: float | None) -> None:
    """Draw a part of a page, and again from time to time; whoever watches jobs also keeps their worker alive.

    Args:
        part: draws; it may ask for the whole page anew.
        every_seconds: None draws it once.
    """

    def drawn() -> None:
        ensure_worker()
        part()

    st.fragment(drawn, run_every=every_seconds)()
