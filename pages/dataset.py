"""Dataset: choose, hand in or fetch a dataset, and see in pictures what can make its figures wrong."""

import streamlit as st

from webui.dataset.audit import audited, scanned, show_counts, show_figures
from webui.dataset.augmentation import show_augmentation
from webui.dataset.pictures import show_conditions, show_faults
from webui.dataset.sources import show_deletion, show_downloads, show_upload
from webui.parts.data_choice import chosen_data_folder
from webui.parts.frame import require_frame
from webui.parts.notices import show_notice
from webui.parts.session_keys import DATASET_FOLDER, DATASET_NOTICE

require_frame()

show_notice(DATASET_NOTICE, "told")
folder = chosen_data_folder(DATASET_FOLDER)
with st.expander("Add a dataset", icon=":material/add:", expanded=folder is None):
    upload_side, download_side = st.columns(2, gap="large")
    with upload_side:
        show_upload()
    with download_side:
        show_downloads()

if folder is not None:
    show_deletion(folder)
scan = scanned(folder) if folder is not None else None
if scan is None:
    st.stop()

audit = audited(scan)
if audit is None:
    st.markdown(
        "The audit reads every image once and finds what makes figures wrong: unreadable files, copies (also turned, "
        "resized, recompressed or cropped), copies under two labels or both in training and in validation, and "
        "images taken under other conditions."
    )
else:
    show_figures(scan, audit)
    st.subheader("What is wrong", anchor=False)
    show_faults(scan.folder, audit)
    st.subheader("Images per class", anchor=False)
    show_counts(audit)
    st.subheader("Imaging conditions", anchor=False)
    show_conditions(scan.folder, audit)

st.subheader("What training shows the model", anchor=False)
show_augmentation(scan)
