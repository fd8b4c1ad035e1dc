"""Pages of other sites, and other machines, at the door of the real server: by hand-made requests and in Chromium."""

import base64
import contextlib
import http.client
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image
from playwright.sync_api import Browser, expect
from streamlit.web.server.starlette.starlette_app_utils import create_signed_value

from bloodcell.datasets.drawn_cells import draw_cell
from tests.browser.conftest import ANSWER_TIMEOUT_MS, CHROMIUM, IDLE, UPLOADER, patient_page, running_server
from tests.conftest import REPOSITORY

pytestmark = [pytest.mark.browser, pytest.mark.slow]

UPLOAD = "/_stcore/upload_file/some-session/some-file"
REQUESTS = [
    ("GET", "/"),
    ("GET", "/train"),
    ("GET", "/static/nothing.js"),
    ("GET", "/media/0123456789abcdef.png"),
    ("GET", "/_stcore/health"),
    ("GET", "/_stcore/host-config"),
    ("OPTIONS", UPLOAD),
    ("PUT", UPLOAD),
    ("DELETE", UPLOAD),
    ("POST", "/_stcore/agent/interact"),
]
HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(),
    "Sec-WebSocket-Protocol": "streamlit",
}
SECRET = "a secret of this test that signs its cookies"


def ask(url: str, method: str, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of one request; `headers` may name a Host of their own."""
    with contextlib.closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=300)) as connection:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        body = b"" if answer.status == 101 else answer.read()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, body


@pytest.mark.parametrize(("method", "path"), REQUESTS)
@pytest.mark.parametrize(
    "foreign",
    [{"Host": "evil.test:8501"}, {"Origin": "http://evil.test"}, {"Origin": "http://127.0.0.1:1"}, {"Origin": "null"}],
    ids=["name", "site", "port", "sandbox"],
)
def test_what_a_foreign_page_asks_for_is_refused(server: str, method: str, path: str, foreign: dict[str, str]) -> None:
    status, headers, body = ask(server, method, path, foreign)
    assert status == 403
    assert body.startswith(b"This server ")
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize(("method", "path"), REQUESTS)
def test_no_answer_may_stand_in_a_foreign_page(server: str, method: str, path: str) -> None:
    for asked_from in ({}, {"Origin": "http://evil.test"}):
        _, headers, _ = ask(server, method, path, asked_from)
        assert headers["content-security-policy"] == "frame-ancestors 'self'"
        assert headers["x-frame-options"] == "SAMEORIGIN"
        assert headers["cross-origin-resource-policy"] == "same-origin"


def test_a_websocket_opens_for_the_apps_own_pages_and_for_no_other(server: str) -> None:
    port = urlsplit(server).port
    for name in (f"127.0.0.1:{port}", f"localhost:{port}", f"[::1]:{port}"):
        own = HANDSHAKE | {"Host": name, "Origin": f"http://{name}"}
        assert ask(server, "GET", "/_stcore/stream", own)[0] == 101, name
    for foreign in (
        {"Host": f"evil.test:{port}", "Origin": f"http://evil.test:{port}"},
        {"Origin": "http://evil.test"},
        {"Origin": "http://localhost:1"},
        {"Origin": "null"},
    ):
        assert ask(server, "GET", "/_stcore/stream", HANDSHAKE | foreign)[0] == 403, foreign


@contextlib.contextmanager
def where_a_name_leads_here(chromium: Browser, name: str) -> Iterator[Browser]:
    """Start another Chromium for which a name leads to this machine, as that of an attacker's name server does."""
    flags = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", f"--host-resolver-rules=MAP {name} 127.0.0.1"]
    browser = chromium.browser_type.launch(executable_path=str(CHROMIUM), args=flags)
    yield browser
    browser.close()


def test_a_foreign_name_that_leads_here_shows_no_app(chromium: Browser, server: str) -> None:
    with where_a_name_leads_here(chromium, "evil.test") as browser:
        page = patient_page(browser)
        answer = page.goto(server.replace("127.0.0.1", "evil.test"))
        assert answer is not None
        assert answer.status == 403
        expect(page.get_by_text("does not answer under the name evil.test")).to_be_visible()
        assert page.get_by_test_id("stApp").count() == 0


FOREIGN_PAGE = """<!doctype html><title>foreign</title><iframe src="%(url)s"></iframe><script>
const socket = new WebSocket("%(url)s/_stcore/stream".replace("http", "ws"), ["streamlit"]);
socket.onopen = () => document.title += " socket-opened";
socket.onerror = () => document.title += " socket-refused";
fetch("%(url)s/_stcore/host-config").then(() => document.title += " read", () => document.title += " unread");
const picture = new Image();
picture.onload = () => document.title += " picture-shown";
picture.onerror = () => document.title += " picture-refused";
picture.src = "%(url)s/favicon.png";
</script>"""


@contextlib.contextmanager
def page_of_another_port(content: str) -> Iterator[str]:
    """Serve one page from another port of this machine; yield its address."""

    class OnePage(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(content.encode())

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), OnePage) as other:
        thread = threading.Thread(target=other.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{other.server_address[1]}"
        other.shutdown()
        thread.join()


def test_a_page_of_another_port_can_neither_frame_the_app_nor_open_its_socket_nor_read_from_it(
    chromium: Browser, server: str
) -> None:
    with page_of_another_port(FOREIGN_PAGE % {"url": server}) as address:
        page = patient_page(chromium)
        page.goto(address)
        for outcome in ("socket-refused", "unread", "picture-refused"):
            page.wait_for_function("word => document.title.includes(word)", arg=outcome)
        (frame,) = page.frames[1:]
        assert frame.url.startswith("chrome-error://")
        page.close()


def test_a_name_of_ones_own_takes_one_setting(chromium: Browser, tmp_path: Path) -> None:
    Image.fromarray(draw_cell(0, seed=0)).save(tmp_path / "cell.png")
    with (
        running_server(tmp_path / "log", STREAMLIT_SERVER_ALLOWED_HOSTS="lab.test 127.0.0.1") as url,
        where_a_name_leads_here(chromium, "lab.test") as browser,
    ):
        page = patient_page(browser)
        page.goto(url.replace("127.0.0.1", "lab.test"))
        page.get_by_test_id(UPLOADER).set_input_files(tmp_path / "cell.png")
        expect(page.get_by_text("answered by")).to_be_visible()


def test_a_server_for_the_network_does_not_start_by_accident(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.address=0.0.0.0", "--server.port=0"]
    environment = os.environ | {"BLOODCELL_HOME": str(tmp_path)}
    ended = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert ended.returncode == 1
    assert "Not started: everyone in the network could see" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_server_for_the_network_starts_where_the_network_is_trusted(tmp_path: Path) -> None:
    variables = {"STREAMLIT_SERVER_ADDRESS": "0.0.0.0", "BLOODCELL_TRUST_NETWORK": "1"}
    with running_server(tmp_path / "log", **variables) as url:
        assert ask(url, "GET", "/", {})[0] == 200
        assert ask(url, "GET", "/", {"Host": "evil.test"})[0] == 403
    # Streamlit would ask another host for the network's address, to print it.
    assert "external" not in (tmp_path / "log").read_text().lower()


def test_a_server_for_the_network_shows_the_app_to_who_has_passed_its_login(chromium: Browser, tmp_path: Path) -> None:
    # A stand-in for a package that the app does not need: nobody presses the button that would use it.
    (tmp_path / "authlib").mkdir()
    (tmp_path / "authlib" / "__init__.py").write_text('__version__ = "1.6.0"\n')
    secrets = tmp_path / "secrets.toml"
    origin = "http://lab.test"
    secrets.write_text(
        f'[auth]\nredirect_uri = "{origin}/oauth2callback"\ncookie_secret = "{SECRET}"\nclient_id = "reader"\n'
        'client_secret = "unused"\nserver_metadata_url = "http://127.0.0.1:1/nothing"\n'
    )
    variables = {
        "STREAMLIT_SERVER_ADDRESS": "0.0.0.0",
        "STREAMLIT_SERVER_ALLOWED_HOSTS": "lab.test 127.0.0.1",
        "STREAMLIT_SECRETS_FILES": str(secrets),
        "PYTHONPATH": str(tmp_path),
    }
    with running_server(tmp_path / "log", **variables) as url, where_a_name_leads_here(chromium, "lab.test") as browser:
        address = url.replace("127.0.0.1", "lab.test")
        for path in ("/", "/models"):
            stranger = patient_page(browser)
            stranger.goto(address + path)
            expect(stranger.get_by_role("button", name="Log in")).to_be_visible(timeout=ANSWER_TIMEOUT_MS)
            stranger.wait_for_selector(IDLE)
            assert stranger.get_by_test_id(UPLOADER).count() == 0
        secrets.write_text(secrets.read_text().replace(origin, address))
        known = json.dumps({"origin": address, "is_logged_in": True, "email": "someone@lab.test"})
        value = create_signed_value(SECRET, "_streamlit_user", known).decode()
        context = browser.new_context()
        context.add_cookies([{"name": "_streamlit_user", "value": value, "url": address}])
        member = patient_page(context)
        member.goto(address)
        expect(member.get_by_test_id(UPLOADER).first).to_be_attached(timeout=ANSWER_TIMEOUT_MS)
        expect(member.get_by_role("button", name="Log out")).to_be_visible()
