"""The worker of the queue, and parts of a page that are drawn again and again while a job is active."""

import logging
from collections.abc import Callable

import streamlit as st

from bloodcell.errors import BloodcellError
from bloodcell.jobs import ensure_worker
from webui.parts.words import error_words, plain_words

logger = logging.getLogger(__name__)


def see_to_worker() -> str:
    """Make sure that a worker lives while there are jobs; return why it cannot, in words, or nothing.

    A page that shows no jobs has nothing to say about it, and no reason to fail.
    """
    try:
        return plain_words(ensure_worker())
    except BloodcellError as error:
        return error_words(error)
    except OSError as error:
        logger.warning("no worker can be started: %s", error)
        return f"Jobs cannot start now: {error.strerror or error}. They wait, and are tried again."


def show_polled(part: Callable[[], None], *, every_seconds: float | None) -> None:
    """Draw a part of a page, and again from time to time; whoever watches jobs also keeps their worker alive.

    Args:
        part: draws; it may ask for the whole page anew.
        every_seconds: None draws it once.
    """

    def drawn() -> None:
        if problem := see_to_worker():
            st.error(problem, icon=":material/error:")
        part()

    st.fragment(drawn, run_every=every_seconds)()
