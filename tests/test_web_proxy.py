"""Behind a proxy: paths, names and addresses, and who may tell the server of them."""

import pytest
from flask import Flask, jsonify, request
from flask.testing import FlaskClient

from gpen_webui.settings import Settings, SettingsError
from gpen_webui.web.guard import needs_token
from gpen_webui.web.proxy import BehindProxy

TOLD = {
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "photos.example:8443",
    "X-Forwarded-Prefix": "/gpen",
}


def client(**settings) -> FlaskClient:
    """Asks an application that answers how it was asked."""
    app = Flask("asked", static_folder=None)
    app.wsgi_app = BehindProxy(app.wsgi_app, Settings(**settings))

    @app.get("/", defaults={"path": ""})
    @app.get("/<path:path>")
    def asked(path: str):
        return jsonify(
            root=request.script_root,
            path=request.path,
            host=request.host,
            scheme=request.scheme,
            sender=request.remote_addr,
        )

    return app.test_client()


@pytest.mark.parametrize("path", ["/gpen/jobs/1", "/jobs/1"], ids=["as it is", "cut off"])
def test_a_proxy_may_pass_the_base_path_on_or_cut_it_off(path: str):
    answer = client(base_path="/gpen").get(path).json
    assert (answer["root"], answer["path"]) == ("/gpen", "/jobs/1")


def test_the_public_url_brings_its_path_and_its_scheme():
    answer = client(public_url="https://photos.example/gpen/").get("/gpen").json
    assert (answer["root"], answer["path"], answer["scheme"]) == ("/gpen", "/", "https")


def test_a_trusted_proxy_tells_who_asks_and_by_which_name():
    answer = client(trusted_proxies=("127.0.0.0/8",)).get("/jobs", headers=TOLD).json
    assert answer == {
        "root": "/gpen",
        "path": "/jobs",
        "host": "photos.example:8443",
        "scheme": "https",
        "sender": "203.0.113.9",
    }


def test_nobody_else_is_believed():
    answer = client(trusted_proxies=("10.0.0.1",)).get("/jobs", headers=TOLD).json
    assert answer == {
        "root": "",
        "path": "/jobs",
        "host": "localhost",
        "scheme": "http",
        "sender": "127.0.0.1",
    }


@pytest.mark.parametrize("prefix", ["//evil.example", "/a b", "https://evil.example", "/a\\b"])
def test_a_prefix_that_is_no_path_is_ignored(prefix: str):
    headers = {**TOLD, "X-Forwarded-Prefix": prefix}
    answer = client(trusted_proxies=("127.0.0.1",)).get("/jobs", headers=headers).json
    assert answer["root"] == ""


@pytest.mark.parametrize(
    "settings",
    [
        {"public_url": "photos.example"},
        {"public_url": "https://photos.example/?a=b"},
        {"public_url": "https://me:secret@photos.example"},
        {"public_url": "http://[::1"},
        {"base_path": "gpen"},
        {"base_path": "//evil.example"},
        {"trusted_proxies": ("nginx",)},
    ],
    ids=str,
)
def test_settings_that_make_no_sense_are_refused_in_words(settings: dict):
    with pytest.raises(SettingsError, match="but must be"):
        Settings(**settings)


def test_a_page_that_the_world_can_reach_needs_the_token():
    assert needs_token(Settings(public_url="https://photos.example"))
    assert not needs_token(Settings(public_url="http://localhost:8080/gpen"))


def test_the_environment_can_name_several_proxies():
    settings = Settings.from_environment({"GPEN_WEBUI_TRUSTED_PROXIES": "127.0.0.1, ::1"})
    assert settings.trusted_proxies == ("127.0.0.1", "::1")
