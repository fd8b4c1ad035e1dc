"""Who may talk to the server: browsers that show this app under a name it answers to, and no other page."""

import ipaddress
import os
from collections.abc import Mapping
from importlib.util import find_spec
from urllib.parse import urlsplit

import streamlit as st
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from webui.parts.session_keys import FRAME_LOG_IN

TRUST_NETWORK = "BLOODCELL_TRUST_NETWORK"
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
RESPONSE_HEADERS = {
    "Content-Security-Policy": "frame-ancestors 'self'",
    "X-Frame-Options": "SAMEORIGIN",  # the same for browsers that do not know frame-ancestors
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


class OwnPagesOnly:
    """ASGI middleware: refuse names and origins that are not the app's, and keep its answers out of foreign pages.

    Streamlit looks at the name for websockets alone, takes any port of this machine for its own, and sets no header
    against foreign frames.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it with status 403 and a sentence; a websocket before it opens."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = why_refused(headers.get("host", ""), headers.get("origin"))

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(RESPONSE_HEADERS)
            await send(message)

        if not refusal:
            await self._app(scope, receive, send_with_headers)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "not a page of this app"})
        else:
            await PlainTextResponse(refusal, 403)(scope, receive, send_with_headers)


def why_refused(host: str, origin: str | None) -> str:
    """Return in a sentence why a request is refused; empty where it is answered.

    Args:
        host: the request's Host header, with or without a port.
        origin: its Origin header, which browsers send with what a page's script asks for; None where it has none.
    """
    name = _host_name(host)
    if not any(_names(pattern, name) for pattern in st.get_option("server.allowedHosts") or LOOPBACK_NAMES):
        return (
            f"This server does not answer under the name {name[:100] or 'that was asked for'}.\n"
            "Whoever runs it can allow a name: STREAMLIT_SERVER_ALLOWED_HOSTS, see docs/use.md.\n"
        )
    if origin is None or origin in st.get_option("server.corsAllowedOrigins"):
        return ""
    return "" if origin.lower().partition("://")[2] == host.lower() else "This server answers to its own pages alone.\n"


def _host_name(host: str) -> str:
    """Return a Host header's name in lower case, without port, brackets and the root's dot; empty where it has none."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _names(pattern: str, name: str) -> bool:
    """Return whether an entry of server.allowedHosts (a name, `*.domain` or `*`) stands for a name."""
    pattern = pattern.strip().lower().strip("[]").rstrip(".")
    return bool(name) and (pattern in ("*", name) or (pattern.startswith("*.") and name.endswith(pattern[1:])))


def refuse_open_network() -> None:
    """Return where the server is for this machine, asks for a login, or its network is trusted by whoever starts it.

    Raises:
        SystemExit: otherwise, with a sentence; also where a login is set up and cannot be asked for.
    """
    login = _login_settings()
    if login and find_spec("authlib") is None:
        raise SystemExit("A login is set up, and what asks for it is missing: pip install 'streamlit[auth]'")
    if open_to_network() and not login:
        raise SystemExit(
            "Not started: everyone in the network could see, add and delete everything. It starts with a login\n"
            f"(docs/use.md, On a network), or with {TRUST_NETWORK}=1 where all who reach it may do so."
        )


def open_to_network() -> bool:
    """Return whether others than this machine reach the server and nobody has said that they may."""
    address = (st.get_option("server.address") or "").strip("[]").lower()
    if os.environ.get(TRUST_NETWORK) == "1" or address == "localhost":
        return False
    try:
        return not ipaddress.ip_address(address).is_loopback
    except ValueError:
        return True


def _login_settings() -> Mapping[str, object]:
    """Return the section [auth] of Streamlit's secrets; empty where there is none."""
    settings: Mapping[str, object] = (
        st.secrets["auth"] if st.secrets.load_if_toml_exists() and "auth" in st.secrets else {}
    )
    return settings


def require_login() -> None:
    """Show the login and stop where one is set up, or needed, and this visitor has not passed it."""
    login = _login_settings()
    if st.user.get("is_logged_in", not login and not open_to_network()):
        return
    st.title("Log in", anchor=False)
    if not login:
        st.error("This server has lost its login settings and shows nothing until they are back.")
    if "client_id" in login:
        st.button("Log in", key=FRAME_LOG_IN, on_click=st.login, type="primary")
    for provider in (name for name, value in login.items() if isinstance(value, Mapping)):
        st.button(f"Log in with {provider}", key=f"{FRAME_LOG_IN}_{provider}", on_click=st.login, args=(provider,))
    st.stop()
