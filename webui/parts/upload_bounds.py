"""How much memory uploads may take before a page has seen them: bounded for one visitor and for all together."""

from collections.abc import Callable, Mapping

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit.runtime import Runtime
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

SESSION_BYTES = 500_000_000
"""Of one visitor; two of the largest ZIPs fit."""
TOTAL_BYTES = 1_500_000_000
_UPLOADS = "/_stcore/upload_file/"

Stored = Mapping[str, Mapping[str, UploadedFileRec]]


def stored_uploads() -> Stored:
    """Return what the server holds: session → file's id → file."""
    manager = Runtime.instance().uploaded_file_mgr
    return manager.file_storage if isinstance(manager, MemoryUploadedFileManager) else {}


class BoundedUploads:
    """ASGI middleware: refuse an upload, before its body is read, that would not fit beside those held and under way.

    Streamlit holds every upload in memory until a page or the visitor removes it, or the session ends; it bounds one
    file and not their number.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        session_bytes: int = SESSION_BYTES,
        total_bytes: int = TOTAL_BYTES,
        stored: Callable[[], Stored] = stored_uploads,
    ) -> None:
        self._app, self._stored = app, stored
        self._session_bytes, self._total_bytes = session_bytes, total_bytes
        self._under_way: dict[object, tuple[str, int]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse an upload with status 411 or 413 and a sentence."""
        if scope["type"] != "http" or scope["method"] != "PUT" or _UPLOADS not in scope["path"]:
            await self._app(scope, receive, send)
            return
        session = scope["path"].partition(_UPLOADS)[2].partition("/")[0]
        length = Headers(scope=scope).get("content-length", "")
        if not length.isdecimal():
            await PlainTextResponse("An upload must tell its length first.\n", 411)(scope, receive, send)
            return
        if not self._fits(session, int(length)):
            words = "Too much was uploaded and not yet used. Remove files, or reload the page, then upload again.\n"
            await PlainTextResponse(words, 413)(scope, receive, send)
            return
        ticket = object()
        self._under_way[ticket] = (session, int(length))
        try:
            await self._app(scope, receive, send)
        finally:
            del self._under_way[ticket]

    def _fits(self, session: str, length: int) -> bool:
        held = {
            name: sum(len(file.data) for file in list(files.values())) for name, files in list(self._stored().items())
        }
        for name, coming in self._under_way.values():
            held[name] = held.get(name, 0) + coming
        return held.get(session, 0) + length <= self._session_bytes and sum(held.values()) + length <= self._total_bytes
