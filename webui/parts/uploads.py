"""What the server keeps of files that were uploaded."""

from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile


def forget_server_copies(files: list[UploadedFile]) -> None:
    """Drop what the server holds of uploads; a new key alone leaves them in memory until the session ends.

    Measured with Streamlit 1.67 on 2026-11-23: after the key changes, the browser asks for no removal, as it does when
    a person removes a file by hand.
    """
    context = get_script_run_ctx()
    if context is not None and isinstance(context.uploaded_file_mgr, MemoryUploadedFileManager):
        for file in files:
            context.uploaded_file_mgr.remove_file(context.session_id, file.file_id)
