"""Odd requests on every route: methods, headers, bodies and values that no client would send.

Whatever comes, the answer says what is wrong; nothing gives a 500 or leaves a traceback.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator

import pytest

from gpen_webui.settings import Settings
from gpen_webui.web.application import build_app, close_app
from tests.server import Server, small_photo

ROUNDS = 12  # of every route with every method
METHODS = (
    b"GET",
    b"POST",
    b"PUT",
    b"DELETE",
    b"PATCH",
    b"HEAD",
    b"OPTIONS",
    b"TRACE",
    b"get",
    b"X",
)
VALUES = {
    "job_id": (
        "{job}",
        "{collecting}",
        "0123456789abcdef",
        "x" * 3000,
        "%00",
        "..",
        "%ff%fe",
        "💥",
    ),
    "n": ("0", "1", "99999999999999999999999", "-1", "0x1", "٣", "00"),
    "action": ("pause", "resume", "cancel", "retry", "explode"),
    "question": ("alive", "ready", "why"),
    "name": ("gpen-mini-256", "no-such-model", "%2e%2e", "x" * 3000, "\u202egnp"),
    "verb": ("drain", "undrain", "test", "forget", "explode"),
    "worker": ("", "0123456789abcdef", "x" * 3000, "%00", "💥"),
    "claim_id": ("0123456789abcdef", "..", "%00", "x" * 3000),
    "preset_id": ("0123456789abcdef", "%00", "x" * 3000, "\u202egnp"),
    "sha256": ("0" * 64, "%00", "0" * 63, "x" * 64),
    "filename": ("js/photo.js", "../app.py", "%00"),
}
QUERIES = (
    "", "?", "?after=-1", "?after=9999999999999999", "?after=x", "?limit=0", "?limit=1e9", "?max=0",
    "?max=1", "?max=99999999999", "?download=1", "?of=after", "?of=%ff", "?before=nothing",
    "?lang=xx&theme=%00", "?wait=1", "?job={job}", "?like={collecting}", "?job=%00",
    "?strength=%ef%bc%91", "?token=x",
)  # fmt: skip
HEADERS = (
    b"Content-Type: application/json", b"Content-Type: multipart/form-data",
    b"Content-Type: multipart/form-data; boundary=x", b"Content-Type: \xe4\xb8\xad",
    b"Content-Type: application/json; charset=nonsense", b"Content-Length: 4",
    b"Content-Length: 99", b"Transfer-Encoding: chunked", b"Content-Encoding: gzip",
    b"Expect: 100-continue", b"Range: bytes=0-1", b"Range: bytes=9-1", b"Range: \xff",
    b"If-None-Match: *", b"If-Modified-Since: yesterday", b"Accept: \xff", b"Accept: */*;q=x",
    b"Accept-Language: zh;q=9,\xff", b"Cookie: lang=\xff; theme=;;=", b"Idempotency-Key: \xff\xfe",
    b"Idempotency-Key: " + b"k" * 5000, b"SCRIPT_NAME: /\xff", b"Script-Name: /api",
    b"X-Forwarded-For: \xff", b"X-Forwarded-Prefix: /x", b"Authorization: Bearer \xff",
    b"Authorization: Digest x", b"Upgrade: websocket", b"Connection: Upgrade",
    b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    b"Sec-WebSocket-Extensions: \xff", b"Sec-WebSocket-Protocol: a, b",
    b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=x",
    b"Sec-Fetch-Site: none", b"Origin: http://127.0.0.1:{port}", b"Referer: \xff",
)  # fmt: skip
PART = b'--x\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n'
BODIES = (
    b"", b"{}", b"[]", b"null", b"{", b"[" * 5000, b'{"options": []}', b'{"options": {"x": 1}}',
    b'{"options": {"strength": 1e999}}', b'{"options": {"strength": NaN}}', b'{"name": 5}',
    b'{"name": "\\ud800"}', b'{"kind": "planet"}', b'{"key": {}}', b'{"paths": "x"}',
    b'{"paths": ["\\u0000"]}', b'{"paths": [], "args": 7}', b'{"options": {"mode": ["natural"]}}',
    b"\xff\xfe\x00", b"0\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n",
    PART % (b"photo", b'; filename="a.jpg"', b"no photo") + b"--x--\r\n",
    PART % (b"photo", b'; filename=""', b"") + b"--x--\r\n",
    PART % (b"photo", b"", b"text") + b"--x--\r\n",
    PART % (b"photos", b'; filename="\xff"', b"x") + PART % (b"strength", b"", b"\xff") + b"--x--",
    PART % (b"file", b'; filename="m.pth"', b"PK\x03\x04") + b"--x--\r\n",
    PART % (b"photo", b'; filename="b.jpg"', b"x"),  # never ends
)  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("outputs")) as server:
        yield server


@pytest.fixture(scope="module")
def routes(tmp_path_factory) -> list[str]:
    """Every rule of the application, but for the one that would fetch a model."""
    app = build_app(Settings(outputs=tmp_path_factory.mktemp("other")))
    rules = sorted({rule.rule for rule in app.url_map.iter_rules()})
    close_app(app)
    return [rule for rule in rules if rule != "/api/models/<name>/download"]


def filled(rule: str, chance: random.Random, ids: dict[str, str]) -> str:
    """An address of the rule, with values that its arguments may or may not have."""
    while "<" in rule:
        start, end = rule.index("<"), rule.index(">")
        argument = rule[start + 1 : end].rpartition(":")[2]
        rule = rule[:start] + chance.choice(VALUES[argument]) + rule[end + 1 :]
    address = rule + chance.choice(QUERIES)
    for name, job in ids.items():
        address = address.replace(f"{{{name}}}", job)
    return address


def ask(port: int, request: bytes) -> bytes:
    """The beginning of the answer; empty where the connection was cut off or still waits."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        try:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            return connection.recv(65536)
        except OSError:
            return b""


def request_of(method: bytes, address: str, port: int, chance: random.Random) -> bytes:
    headers = chance.sample(HEADERS, chance.randint(0, 6))
    body = chance.choice(BODIES)
    if method not in (b"GET", b"HEAD") and chance.random() < 0.7:
        headers = [header for header in headers if not header.startswith(b"Content-Length")]
        headers.append(b"Content-Length: %d" % len(body))
    lines = [
        b"%b %b HTTP/1.1" % (method, address.encode().replace(b" ", b"%20")),
        b"Host: 127.0.0.1:%d" % port,
        *(header.replace(b"{port}", b"%d" % port) for header in headers),
    ]
    return b"\r\n".join((*lines, b"", body))


def try_all(server: Server, routes: list[str], rounds: int, seed: int) -> None:
    job = server.new_album([("a.jpg", small_photo())])
    server.wait_for(job)
    ids = {"job": job, "collecting": server.new_album([], start=False)}
    chance = random.Random(seed)
    answered = 0
    for rule in routes * rounds:
        for method in METHODS:
            request = request_of(method, filled(rule, chance, ids), server.port, chance)
            answer = ask(server.port, request)
            answered += bool(answer)
            assert answer[9:10] != b"5" or answer[9:12] in (b"501", b"505"), (request, answer)
            assert b"Traceback" not in answer, (request, answer)
    assert answered > len(routes) * rounds
    assert server.get("/api/health").status_code == 200
    assert server.errors() == []


def test_odd_requests_on_every_route_give_no_500(server: Server, routes: list[str]):
    try_all(server, routes, rounds=1, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_thousands_of_odd_requests_on_every_route_give_no_500(server: Server, routes: list[str]):
    try_all(server, routes, rounds=ROUNDS, seed=18)
