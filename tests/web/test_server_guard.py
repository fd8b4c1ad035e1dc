"""Who may talk to the server: names, origins, a network's visitors and the login."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit import config
from streamlit.testing.v1 import AppTest

from webui.parts.server_guard import TRUST_NETWORK, open_to_network, refuse_open_network, why_refused

APP = str(Path(__file__).resolve().parents[2] / "app.py")
LOGIN = {"auth": {"client_id": "reader", "hospital": {"client_id": "reader"}}}

Setter = Callable[[str, object], None]


@pytest.fixture
def set_option() -> Iterator[Setter]:
    """Set one of Streamlit's options until the test ends."""
    before: dict[str, object] = {}

    def set_one(name: str, value: object) -> None:
        before.setdefault(name, config.get_option(name))
        config.set_option(name, value)

    yield set_one
    for name, value in before.items():
        config.set_option(name, value)


@pytest.mark.parametrize("host", ["localhost", "LocalHost:8501", "127.0.0.1:1", "[::1]:8501", "localhost.:80"])
def test_the_server_answers_under_this_machines_own_names_at_any_port(host: str) -> None:
    assert why_refused(host, None) == ""
    assert why_refused(host, f"http://{host}") == ""


@pytest.mark.parametrize(
    "host", ["evil.test", "evil.test:8501", "localhost.evil.test", "127.0.0.1.evil.test", "192.168.1.7", "", "[", ":80"]
)
def test_another_name_is_refused_though_it_leads_here(host: str) -> None:
    assert why_refused(host, None).startswith("This server does not answer under the name ")
    assert "STREAMLIT_SERVER_ALLOWED_HOSTS" in why_refused(host, f"http://{host}")


@pytest.mark.parametrize(
    "origin",
    [
        "http://127.0.0.1:9000",
        "http://localhost:8501",
        "http://evil.test",
        "null",
        "",
        "http://127.0.0.1",
        "file://",
        "[",
    ],
)
def test_a_page_of_another_origin_is_refused_and_so_is_another_port_of_this_machine(origin: str) -> None:
    assert why_refused("127.0.0.1:8501", origin) == "This server answers to its own pages alone.\n"


def test_one_setting_names_the_hosts_of_whoever_serves_the_app_under_a_name(set_option: Setter) -> None:
    set_option("server.allowedHosts", ["Lab.Example.org", "*.clinic.example"])
    for host in ("lab.example.org", "lab.example.org:8443", "cells.clinic.example"):
        assert why_refused(host, f"https://{host}") == ""
    for host in ("clinic.example", "evilclinic.example", "localhost", "lab.example.org.evil.test"):
        assert why_refused(host, None)
    set_option("server.allowedHosts", [])
    assert why_refused("localhost:8501", None) == ""
    assert why_refused("evil.test", None)


def test_a_proxy_that_changes_the_name_is_let_through_by_its_origin(set_option: Setter) -> None:
    assert why_refused("127.0.0.1:8501", "https://lab.example.org")
    set_option("server.corsAllowedOrigins", ["https://lab.example.org"])
    assert why_refused("127.0.0.1:8501", "https://lab.example.org") == ""
    assert why_refused("127.0.0.1:8501", "http://lab.example.org")


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.9", "::1", "localhost"])
def test_a_server_for_this_machine_alone_starts(address: str, set_option: Setter) -> None:
    set_option("server.address", address)
    assert not open_to_network()
    refuse_open_network()


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.168.1.7", "lab.example.org", "", None])
def test_a_server_that_others_reach_starts_only_where_someone_takes_it_upon_themselves(
    address: str | None, set_option: Setter, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_option("server.address", address)
    with pytest.raises(SystemExit, match=rf"(?s)everyone in the network could see.* login.*{TRUST_NETWORK}=1"):
        refuse_open_network()
    monkeypatch.setenv(TRUST_NETWORK, "yes")
    with pytest.raises(SystemExit):
        refuse_open_network()
    monkeypatch.setenv(TRUST_NETWORK, "1")
    refuse_open_network()


def test_a_login_that_cannot_be_asked_for_is_said_at_the_start(
    tmp_path: Path, set_option: Setter, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = tmp_path / "secrets.toml"
    secrets.write_text('[auth]\nclient_id = "reader"\n')
    set_option("secrets.files", [str(secrets)])
    set_option("server.address", "0.0.0.0")
    monkeypatch.setattr("webui.parts.server_guard.find_spec", lambda _name: None)
    try:
        with pytest.raises(SystemExit, match=r"pip install 'streamlit\[auth\]'"):
            refuse_open_network()
        monkeypatch.setattr("webui.parts.server_guard.find_spec", lambda _name: object())
        refuse_open_network()
    finally:
        st.secrets._reset()


@pytest.mark.parametrize("page", ["classify", "dataset", "train", "ablation", "results", "models"])
def test_with_a_login_set_up_no_page_shows_anything_to_who_has_not_passed_it(page: str) -> None:
    app = AppTest.from_file(APP, default_timeout=300)
    app.secrets = LOGIN
    app.run().switch_page(f"pages/{page}.py").run()
    assert not app.exception
    assert [title.value for title in app.title] == ["Log in"]
    assert [button.label for button in app.button] == ["Log in", "Log in with hospital"]
    assert len(app.main.children) == 3


def test_who_has_passed_the_login_works_as_ever_and_can_log_out() -> None:
    app = AppTest.from_file(APP, default_timeout=300)
    app.secrets = LOGIN
    app.user = {"is_logged_in": True}
    app.run()
    assert not app.exception
    assert [title.value for title in app.title] == ["Classify"]
    assert "Log out" in [button.label for button in app.button]


def test_a_server_that_has_lost_its_login_shows_nothing(set_option: Setter) -> None:
    set_option("server.address", "0.0.0.0")
    app = AppTest.from_file(APP, default_timeout=300).run()
    assert not app.exception
    assert [title.value for title in app.title] == ["Log in"]
    assert [error.value for error in app.error] == [
        "This server has lost its login settings and shows nothing until they are back."
    ]
