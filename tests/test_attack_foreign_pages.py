"""A foreign web page in a real browser, and every address: nothing is done for strangers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
import websocket

from gpen_webui.settings import Settings
from gpen_webui.web.application import build_app, close_app
from tests.server import Server, small_photo

pytest_plugins = ["tests.browser_fixtures"]

TOKEN = "an-iron-gate"
FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Host": "evil.example"},
    {"Host": "127.0.0.1.evil.example"},
    {"Host": "2130706433"},
]

# What a page can try without being asked: forms, fetch, pictures, sockets, frames.
EVIL_PAGE = """<!doctype html><title>evil</title>
<form id="form" method="post" enctype="multipart/form-data" target="hidden" action="{url}/enhance">
<input name="photo" value="x"></form><iframe name="hidden"></iframe>
<iframe id="frame" src="{url}/"></iframe>
<script>
window.said = {{}};
const say = (name, promise) => promise.then(
  () => window.said[name] = "worked", () => window.said[name] = "refused");
const body = new FormData();
body.append("photo", new Blob([new Uint8Array(9)]), "a.jpg");
document.getElementById("form").submit();
say("read", fetch("{url}/api/jobs").then(answer => answer.text()));
say("json", fetch("{url}/api/jobs", {{method: "POST", body: "{{}}",
  headers: {{"Content-Type": "application/json"}}}}));
say("delete", fetch("{url}/api/jobs/{job}", {{method: "DELETE"}}));
say("blind", fetch("{url}/enhance", {{method: "POST", mode: "no-cors", body}})
  .then(() => fetch("{url}/api/jobs", {{method: "POST", mode: "no-cors", body: "{{}}",
    credentials: "include", headers: {{"Content-Type": "text/plain"}}}}))
  .then(() => {{ throw 0; }}));
say("picture", new Promise((good, bad) => {{
  const image = new Image(); image.onload = good; image.onerror = bad;
  image.src = "{url}/api/jobs/{job}/items/0/thumbnail"; }}));
say("socket", new Promise((good, bad) => {{
  const socket = new WebSocket("{ws}/ws/jobs/{job}");
  socket.onmessage = good; socket.onerror = bad; }}));
</script>"""


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("outputs")) as server:
        yield server


@pytest.fixture(scope="module")
def addresses(tmp_path_factory) -> list[tuple[str, str]]:
    """Every (method, path) that the application answers to."""
    app = build_app(Settings(outputs=tmp_path_factory.mktemp("other")))
    rules = list(app.url_map.iter_rules())
    close_app(app)
    values = {"job_id": "0123456789abcdef", "n": "0", "action": "cancel", "name": "gpen-mini-256"}
    found = []
    for rule in rules:
        path = rule.rule
        for argument in rule.arguments:
            start, end = path.index("<"), path.index(">")
            path = path[:start] + values.get(argument, "x") + path[end + 1 :]
        found += [(method, path) for method in rule.methods - {"OPTIONS", "HEAD"}]
    assert len(found) > 25
    return sorted(found)


@contextmanager
def web_site(page: str) -> Iterator[str]:
    """Somebody's web site, under another name and port than ours."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *_):
            pass

    site = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    yield f"http://localhost:{site.server_port}/"
    site.shutdown()
    site.server_close()


def test_a_web_page_that_the_user_visits_reads_and_changes_nothing(server: Server, chromium):
    job = server.new_album([("a.jpg", small_photo())])
    server.wait_for(job)
    before = server.get("/api/jobs").json()
    page_text = EVIL_PAGE.format(url=server.url, ws=server.url.replace("http", "ws"), job=job)
    with web_site(page_text) as address:
        page = chromium.new_page()
        page.goto(address)
        page.wait_for_function("Object.keys(window.said).length === 6")
        page.wait_for_timeout(500)
        said = page.evaluate("window.said")
        framed = [frame.url for frame in page.frames]
        page.close()
    assert said == dict.fromkeys(said, "refused")
    assert f"{server.url}/" not in framed  # X-Frame-Options: the browser shows its error instead
    assert server.get("/api/jobs").json()["jobs"] == before["jobs"]


@pytest.mark.parametrize("headers", FOREIGN, ids=lambda headers: str(*headers.items()))
def test_no_address_that_changes_something_takes_it_from_a_stranger(
    server: Server, addresses, headers: dict
):
    changing = [(method, path) for method, path in addresses if method != "GET"]
    assert len(changing) > 10
    answers = {
        (method, path): requests.request(
            method, server.url + path, headers=headers, json={}, timeout=20
        ).status_code
        for method, path in changing
    }
    assert answers == dict.fromkeys(answers, 403)


@pytest.mark.parametrize("headers", FOREIGN, ids=lambda headers: str(*headers.items()))
def test_no_socket_opens_for_a_stranger(server: Server, headers: dict):
    job = server.new_album([], start=False)
    given = dict(headers)
    for path in (f"/ws/jobs/{job}", "/ws/models"):
        with pytest.raises(websocket.WebSocketBadStatusException) as refused:
            server.watch(
                path,
                header={name: value for name, value in given.items() if name == "Sec-Fetch-Site"},
                origin=given.get("Origin"),
                suppress_origin="Origin" not in given,
                host=given.get("Host"),
            )
        assert refused.value.status_code == 403


def test_without_the_token_nothing_but_static_files_is_answered(tmp_path: Path, addresses):
    with Server(tmp_path, "--host", "0.0.0.0", "--token", TOKEN) as far:
        url = f"http://127.0.0.1:{far.port}"
        for method, path in addresses:
            if path.startswith("/static/"):
                continue
            for headers in ({}, {"Authorization": "Bearer x"}, {"Cookie": "gpen_webui=1"}):
                answer = requests.request(method, url + path, headers=headers, timeout=20)
                assert answer.status_code in (401, 429), (method, path)  # too many guesses
        assert list(far.outputs.glob("20*")) == []
