"""The app. Each browser's session runs this file: it names the pages, draws the frame around them, runs the chosen one.

The server imports it to learn what stands between the network and those sessions.
"""

import streamlit as st
from starlette.middleware import Middleware
from streamlit.navigation.page import StreamlitPage
from streamlit.starlette import App

from bloodcell.devices.freed_memory import keep_little_freed_memory
from bloodcell.devices.threads import spin_briefly
from webui.parts.frame import APP_NAME, FAVICON, draw_frame, spare_imports_from_collection
from webui.parts.polling import see_to_worker
from webui.parts.server_guard import OwnPagesOnly, refuse_open_network, require_login
from webui.parts.upload_bounds import BoundedUploads

spin_briefly()
keep_little_freed_memory()


def _pages() -> list[StreamlitPage]:
    """Return the pages in the order of the navigation."""
    return [
        st.Page(
            "pages/classify.py",
            title="Classify",
            icon=":material/biotech:",
            default=True,
            url_path="start",
            help="Drop cell images; get class, confidence, heat map and a CSV.",
        ),
        # The default page answers at / alone and would reserve its name; so /classify leads there too.
        st.Page("pages/classify.py", title="Classify", url_path="classify", visibility="hidden"),
        st.Page(
            "pages/dataset.py",
            title="Dataset",
            icon=":material/photo_library:",
            url_path="dataset",
            help="Choose, add or download a dataset; see copies, leaks and what else makes figures wrong.",
        ),
        st.Page(
            "pages/train.py",
            title="Train",
            icon=":material/model_training:",
            url_path="train",
            help="Start, watch, stop and resume training runs.",
        ),
        st.Page(
            "pages/ablation.py",
            title="Ablation",
            icon=":material/science:",
            url_path="ablation",
            help="Train suites of arms and seeds; see what can be concluded and what cannot.",
        ),
        st.Page(
            "pages/results.py",
            title="Results",
            icon=":material/insights:",
            url_path="results",
            help="Curves, the paper's tables and figures, mistakes with their images, comparisons.",
        ),
        st.Page(
            "pages/models.py",
            title="Models",
            icon=":material/deployed_code:",
            url_path="models",
            help="Which model answers; publish, add, download and delete models.",
        ),
    ]


def run_chosen_page() -> None:
    """Name the pages, draw the frame, run the page that the address names."""
    st.set_page_config(page_title=APP_NAME, page_icon=FAVICON, layout="wide")

    page = st.navigation(_pages(), position="top")
    require_login()
    draw_frame(page.title)
    # It imports torch, which may begin only after spin_briefly().
    from webui.parts.session_model import keep_model_in_address

    keep_model_in_address()
    see_to_worker()
    try:
        page.run()
    finally:
        spare_imports_from_collection()


if __name__ == "__main__":
    run_chosen_page()
else:
    refuse_open_network()
    app = App(__file__, middleware=[Middleware(OwnPagesOnly), Middleware(BoundedUploads)])
