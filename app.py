"""The app: names the pages, draws the frame around them, runs the chosen one."""

import streamlit as st

from webui.frame import APP_NAME, FAVICON, draw_frame

st.set_page_config(page_title=APP_NAME, page_icon=FAVICON, layout="wide")

page = st.navigation(
    [
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
    ],
    position="top",
)
draw_frame(page.title)
page.run()
