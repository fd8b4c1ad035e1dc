"""Uploads that no page has seen yet are bounded for one visitor and for all together, before their bodies are read."""

import asyncio
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from webui.parts.upload_bounds import BoundedUploads


class Server:
    """A server that keeps uploads as Streamlit's does, behind the bounds."""

    def __init__(self) -> None:
        self.manager = MemoryUploadedFileManager("/_stcore/upload_file")
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.bodies = 0
        self.app = BoundedUploads(
            self._keep, session_bytes=100, total_bytes=250, stored=lambda: self.manager.file_storage
        )

    async def _keep(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.bodies += 1
        await self.may_end.wait()
        if scope["method"] == "PUT":
            session, file = scope["path"].split("/")[-2:]
            data = bytes(int(dict(scope["headers"])[b"content-length"]))
            self.manager.add_file(session, UploadedFileRec(file_id=file, name="a", type="", data=data))
        await PlainTextResponse("kept", 204)(scope, receive, send)

    async def put(self, path: str, length: str | None, method: str = "PUT") -> int:
        """Return the status of the answer to one request."""
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            raise AssertionError("a body is read")

        headers = [] if length is None else [(b"content-length", length.encode())]
        scope = {"type": "http", "method": method, "path": f"/_stcore/upload_file/{path}", "headers": headers}
        await self.app(scope, receive, send)
        return int(sent[0]["status"])


def test_one_visitor_gets_no_more_than_their_share_and_others_still_get_theirs() -> None:
    async def story() -> list[int]:
        server = Server()
        return [await server.put(path, "60") for path in ("me/1", "me/2", "you/1")]

    assert asyncio.run(story()) == [204, 413, 204]


def test_all_together_get_no_more_than_all() -> None:
    async def story() -> list[int]:
        server = Server()
        return [await server.put(f"{visitor}/1", "90") for visitor in "abc"]

    assert asyncio.run(story()) == [204, 204, 413]


def test_what_is_removed_makes_room() -> None:
    async def story() -> list[int]:
        server = Server()
        first = await server.put("me/1", "90")
        server.manager.remove_file("me", "1")
        return [first, await server.put("me/2", "90")]

    assert asyncio.run(story()) == [204, 204]


def test_uploads_under_way_count_before_they_are_kept() -> None:
    async def story() -> list[int]:
        server = Server()
        server.may_end.clear()
        first = asyncio.create_task(server.put("me/1", "60"))
        await asyncio.sleep(0)
        second = await server.put("me/2", "60")
        server.may_end.set()
        return [await first, second, server.bodies]

    assert asyncio.run(story()) == [204, 413, 1]


@pytest.mark.parametrize("length", [None, "", "-5", "many"])
def test_an_upload_that_does_not_tell_its_length_is_refused(length: str | None) -> None:
    assert asyncio.run(Server().put("me/1", length)) == 411


def test_other_requests_pass() -> None:
    assert asyncio.run(Server().put("me/1", None, method="DELETE")) == 204
