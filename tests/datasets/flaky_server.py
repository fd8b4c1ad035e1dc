"""A web server on this machine that serves one file, well or badly."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Behaviour:
    """How the server answers; tests change it between requests."""

    content: bytes
    etag: str | None = '"one"'
    drop_after: int | None = None
    """Bytes of an answer after which the connection is closed."""
    drops_left: int = 1_000_000
    ignores_range: bool = False
    says_length: bool = True
    statuses: list[int] = field(default_factory=list)
    """Answered before anything else, one per request."""
    wrong_part: bool = False
    requested_ranges: list[str | None] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    behaviour: Behaviour

    def do_GET(self) -> None:
        how = self.behaviour
        wanted = self.headers.get("Range")
        how.requested_ranges.append(wanted)
        if how.statuses:
            self.send_error(how.statuses.pop(0))
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if how.ignores_range or self.headers.get("If-Range") != how.etag:
            start = 0
        if start and start >= len(how.content):
            self.send_error(416)
            return
        body = how.content[start:]
        self.send_response(206 if start else 200)
        if start:
            first = start + 1 if how.wrong_part else start
            self.send_header("Content-Range", f"bytes {first}-{len(how.content) - 1}/{len(how.content)}")
        if how.says_length:
            self.send_header("Content-Length", str(len(body)))
        if how.etag:
            self.send_header("ETag", how.etag)
        self.end_headers()
        if how.drop_after is not None and how.drops_left > 0:
            how.drops_left -= 1
            body = body[: how.drop_after]
        with contextlib.suppress(ConnectionError):  # who was sent enough hangs up
            self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def flaky_server(behaviour: Behaviour) -> Iterator[str]:
    """Serve; yield the file's address."""
    handler = type("Handler", (_Handler,), {"behaviour": behaviour})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/file"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
