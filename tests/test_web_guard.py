"""Who may talk to the server: no foreign web page, and nobody from afar without the token."""

import pytest
import requests
import websocket

from tests.server import Server, small_photo

TOKEN = "an-old-oak-door"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("outputs")) as server:
        yield server


@pytest.fixture(scope="module")
def far(tmp_path_factory):
    """A server that other machines may reach."""
    with Server(tmp_path_factory.mktemp("far"), "--host", "0.0.0.0", "--token", TOKEN) as far:
        far.url = f"http://127.0.0.1:{far.port}"
        yield far


def test_a_program_on_this_machine_needs_nothing(server: Server):
    assert requests.post(f"{server.url}/api/jobs", json={}).status_code == 201


def test_our_own_page_may_do_everything(server: Server):
    headers = {"Origin": server.url, "Sec-Fetch-Site": "same-origin"}
    assert server.post("/api/jobs", json={}, headers=headers).status_code == 201


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "http://[::1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=lambda headers: " ".join(next(iter(headers.items()))),
)
def test_a_foreign_page_may_change_nothing(server: Server, headers: dict):
    before = len(server.get("/api/jobs").json()["jobs"])
    for path in ("/api/jobs", "/enhance", "/batch-enhance"):
        answer = server.post(path, files={"photo": ("a.jpg", small_photo())}, headers=headers)
        assert answer.status_code == 403
    assert server.delete("/api/jobs/0123456789abcdef", headers=headers).status_code == 403
    assert len(server.get("/api/jobs").json()["jobs"]) == before


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
def test_a_foreign_page_may_not_watch(server: Server, origin: str):
    job = server.new_album([], start=False)
    for path in (f"/ws/jobs/{job}", "/ws/models"):
        with pytest.raises(websocket.WebSocketBadStatusException) as refused:
            server.watch(path, origin=origin)
        assert refused.value.status_code == 403


def test_our_own_page_may_watch(server: Server):
    server.watch("/ws/models", origin=server.url).close()


@pytest.mark.parametrize("host", ["evil.example", "evil.example:7860", "192.168.0.7", ""])
def test_a_name_that_was_made_to_point_here_is_refused(server: Server, host: str):
    for path in ("/", "/api/jobs", "/static/nothing.js"):
        assert server.get(path, headers={"Host": host}).status_code in (400, 403)


@pytest.mark.parametrize("host", ["localhost", "localhost:9999", "127.0.0.1", "[::1]:7860"])
def test_names_of_this_machine_are_answered(server: Server, host: str):
    assert server.get("/api/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("path", ["/", "/api/jobs", "/nothing", "/static/nothing.js"])
def test_no_answer_can_be_framed_sniffed_or_scripted(server: Server, path: str):
    headers = server.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in headers


def test_pages_run_under_their_own_policy(server: Server):
    page = server.get("/").text
    assert "<script>" not in page
    assert " style=" not in page
    assert " onclick=" not in page


def test_from_afar_nothing_is_answered_without_the_token(far: Server):
    for path in ("/", "/api/jobs", "/api/health", "/?token=wrong", "/?token="):
        answer = requests.get(far.url + path)
        assert answer.status_code == 401
    wrong = {"Authorization": "Bearer wrong"}
    assert requests.post(f"{far.url}/api/jobs", json={}, headers=wrong).status_code == 401
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        far.watch("/ws/models")
    assert refused.value.status_code == 401


def test_the_printed_address_lets_a_browser_in_for_good(far: Server):
    browser = requests.Session()
    answer = browser.get(f"{far.url}/jobs?limit=2&token={TOKEN}", allow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/jobs?limit=2"
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert TOKEN not in cookie
    assert browser.get(f"{far.url}/jobs").status_code == 200
    assert browser.post(f"{far.url}/api/jobs", json={}).status_code == 201


def test_a_token_in_the_address_never_sends_the_browser_elsewhere(far: Server):
    answer = requests.get(f"{far.url}//evil.example/?token={TOKEN}", allow_redirects=False)
    assert not answer.headers.get("Location", "/").startswith("//")


def test_programs_send_the_token_in_a_header(far: Server):
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert requests.get(f"{far.url}/api/health", headers=headers).status_code == 200
    far.watch("/ws/models", header=[f"Authorization: Bearer {TOKEN}"]).close()


def test_a_foreign_page_gains_nothing_by_the_browsers_cookie(far: Server):
    browser = requests.Session()
    browser.get(f"{far.url}/?token={TOKEN}")
    evil = {"Origin": "http://evil.example"}
    assert browser.post(f"{far.url}/api/jobs", json={}, headers=evil).status_code == 403


def test_the_token_is_printed_with_the_address_but_never_logged(far: Server):
    assert far.address.endswith(f"?token={TOKEN}")
    requests.get(f"{far.url}/?token={TOKEN}")
    requests.get(f"{far.url}/%ff?token={TOKEN}", headers={"X-Broken": "\x01"})
    logs = list((far.outputs / ".gpen-webui").glob("*.log*"))
    assert logs
    assert not [path for path in logs if TOKEN in path.read_text(encoding="utf-8")]


def test_settings_are_shown_without_the_token(far: Server):
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert TOKEN not in requests.get(f"{far.url}/api/models", headers=headers).text


def test_a_server_for_other_machines_makes_a_token_of_its_own(tmp_path):
    with Server(tmp_path, "--host", "0.0.0.0") as server:
        token = server.address.partition("?token=")[2]
        assert len(token) >= 20
        url = f"http://127.0.0.1:{server.port}"
        assert requests.get(url).status_code == 401
        assert requests.get(url, params={"token": token}).status_code == 200
