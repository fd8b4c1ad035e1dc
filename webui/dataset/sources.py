"""Where datasets come from: a ZIP that is handed in, or a public dataset that a background job fetches."""

import io
import re
from pathlib import Path

import streamlit as st

from bloodcell.datasets.folder_scan import folder_stamp
from bloodcell.datasets.public_sets import PublicSet, download_progress, is_here, public_sets
from bloodcell.datasets.zip_dataset import Unpacked, unpack_dataset
from bloodcell.errors import BloodcellError, DatasetError
from bloodcell.images.zip_images import open_zip
from bloodcell.jobs import delete_dataset, enqueue_command, read_job, stop_job
from bloodcell.paths import home_folder, own_data_folder
from bloodcell.wording import counted
from webui.dataset.zip_plan import show_plan
from webui.parts.polling import show_polled
from webui.parts.session_keys import DATASET_NOTICE, DATASET_PUBLIC, DATASET_UPLOADS_TAKEN, dataset_uploader_key
from webui.parts.uploads import forget_server_copies
from webui.parts.words import error_words, name_as_markdown, sentence_words

_FILES_NAMED = 5
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")
_POLL_SECONDS = 2.0


def show_upload() -> None:
    """Offer to hand in a ZIP of class folders; say what it gives before anything is added."""
    taken = st.session_state.setdefault(DATASET_UPLOADS_TAKEN, 0)
    file = st.file_uploader("A ZIP that holds one folder of images per class", key=dataset_uploader_key(taken))
    if file is not None:
        show_plan(file)
    name = st.text_input("Name of the dataset", key="dataset_upload_name", help="Small letters, digits, - and _.")
    if not st.button("Add", key="dataset_upload", icon=":material/upload:"):
        return
    if file is None:
        st.warning("Choose a ZIP first.")
        return
    bar = st.progress(0.0, text="Unpacking …")
    try:
        if not _NAME.fullmatch(name.strip()):
            raise DatasetError("Give the dataset a name of small letters, digits, '-' and '_', up to 60.")
        with open_zip(io.BytesIO(file.getbuffer()), "The ZIP") as archive:
            unpacked = unpack_dataset(
                archive,
                own_data_folder() / name.strip(),
                progress=lambda done, total: bar.progress(
                    done / total, text=f"Unpacking: {done:,} of {total:,} images"
                ),
            )
    except (BloodcellError, OSError) as error:
        bar.empty()
        st.error(error_words(error))
        return
    forget_server_copies([file])
    st.session_state[DATASET_UPLOADS_TAKEN] = taken + 1
    st.session_state[DATASET_NOTICE] = f"`{name.strip()}` is added: {_unpacked_words(unpacked)}."
    st.rerun()


def _unpacked_words(unpacked: Unpacked) -> str:
    images = counted(unpacked.images, "image", "images")
    if not unpacked.left_out:
        return images
    named = ", ".join(map(name_as_markdown, unpacked.left_out[:_FILES_NAMED]))
    more = ", …" if len(unpacked.left_out) > _FILES_NAMED else ""
    files = counted(len(unpacked.left_out), "file that is no picture was", "files that are no pictures were")
    return f"{images}. {files} left out: {named}{more}"


def show_deletion(folder: Path) -> None:
    """Offer to delete a dataset that was added here."""
    if folder.parent != own_data_folder():
        return
    with st.popover("Delete", icon=":material/delete:", key="dataset_delete"):
        st.markdown(f"{name_as_markdown(folder.name)} goes with all its images. This cannot be undone.")
        st.button("Delete for good", key="dataset_delete_for_good", type="primary", on_click=_delete, args=(folder,))


def _delete(folder: Path) -> None:
    try:
        delete_dataset(folder)
    except BloodcellError as error:
        st.session_state[DATASET_NOTICE] = error_words(error)
    else:
        st.session_state[DATASET_NOTICE] = f"{name_as_markdown(folder.name)} is deleted."


def show_downloads() -> None:
    """Offer the public datasets; a download goes on when this page is closed."""
    sets = public_sets()
    name = st.selectbox("Public dataset", list(sets), format_func=lambda key: sets[key].title, key=DATASET_PUBLIC)
    chosen = sets[name]
    st.caption(f"About {chosen.download_mb:,} MB. {chosen.licence}. Cite: {chosen.source}.")
    active = read_job(_job_folder(chosen)).is_active if _job_folder(chosen).exists() else False
    show_polled(lambda: _show_download(chosen, active), every_seconds=_POLL_SECONDS if active else None)


def _show_download(public_set: PublicSet, drawn_active: bool) -> None:
    folder = _job_folder(public_set)
    job = read_job(folder) if folder.exists() else None
    active = job is not None and job.is_active
    if active != drawn_active:
        st.rerun()
    if not active and _is_here(public_set.name):
        st.success("It is here, with all its images. Choose it above.", icon=":material/check:")
        return
    if job is not None and active:
        told = download_progress(public_set, own_data_folder())
        if told is None:
            st.caption("Waiting for its turn …" if job.state == "queued" else "Connecting …")
        else:
            what, done, total = told
            unit, scale = ("images", 1) if what == "unpacking" else ("MB", 1_000_000)
            amount = f"{done / scale:,.0f} of {total / scale:,.0f} {unit}" if total else f"{done / scale:,.0f} {unit}"
            st.progress(min(done / total, 1.0) if total else 0.0, text=f"{what.capitalize()}: {amount}")
        st.button("Stop", key="dataset_stop", icon=":material/stop:", on_click=_act, args=("stop", public_set))
        return
    if job is not None and job.state in ("failed", "lost"):
        st.error(sentence_words(job.reason), icon=":material/error:")
    words = "Go on" if job is not None and job.state in ("stopped", "failed", "lost") else "Download"
    st.button(words, key="dataset_download", icon=":material/download:", on_click=_act, args=("start", public_set))


def _is_here(name: str) -> bool:
    folders = [own_data_folder() / part for part in public_sets()[name].parts]
    return all(folder.is_dir() for folder in folders) and _holds_all(name, tuple(map(folder_stamp, folders)))


@st.cache_data(max_entries=8, show_spinner="Counting images …")
def _holds_all(name: str, stamps: tuple[int, ...]) -> bool:
    return is_here(public_sets()[name], own_data_folder())


def _act(action: str, public_set: PublicSet) -> None:
    size = ("--size", public_set.name.rpartition("_")[2]) if public_set.name.startswith("bloodmnist") else ()
    argv = ("download", public_set.name.partition("_")[0], "--to", str(own_data_folder()), *size)
    try:
        if action == "start":
            enqueue_command(argv, folder=_job_folder(public_set), device="none")
        else:
            stop_job(_job_folder(public_set))
    except BloodcellError as error:
        st.session_state[DATASET_NOTICE] = error_words(error)


def _job_folder(public_set: PublicSet) -> Path:
    return home_folder().resolve() / "downloads" / public_set.name
