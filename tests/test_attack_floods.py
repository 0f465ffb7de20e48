"""Floods: whatever clients hold open or send, page and health are answered in the midst of it."""

from __future__ import annotations

import resource
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psutil
import pytest
import requests

from tests.hostile.corpus import make_corpus
from tests.hostile.file import HostileFile
from tests.server import Server, small_photo
from tests.waiting import wait_for

MB = 1_000_000
ANSWERS = 5  # of health, while a flood is on
MEMORY = 600 * MB


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    limits = {"GPEN_WEBUI_MAX_REQUEST_MB": "60"}
    outputs = tmp_path_factory.mktemp("outputs")
    with Server(outputs, "--max-file-mb", "40", environment=limits) as server:
        # The model is loaded, and memory what ordinary photos need.
        server.wait_for(server.new_album([(f"{n}.jpg", small_photo(n, 2600)) for n in range(4)]))
        yield server


@pytest.fixture(scope="module", autouse=True)
def silent(server: Server) -> Iterator[socket.socket]:
    """A connection that has said nothing since before all the others."""
    with connect(server) as connection:
        yield connection


@pytest.fixture(scope="module", autouse=True)
def many_files() -> Iterator[None]:
    """This process opens the other ends of all the connections."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4096 if before[1] == resource.RLIM_INFINITY else min(4096, before[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], wanted), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def memory_of(server: Server) -> int:
    """Resident bytes of the server with all its processes."""
    total = 0
    process = psutil.Process(server.process.pid)
    for one in (process, *process.children(recursive=True)):
        try:
            total += one.memory_info().rss
        except psutil.Error:
            continue
    return total


@contextmanager
def watched(server: Server) -> Iterator[dict]:
    """Asks for health all the while, at least ANSWERS times before what is in the block ends.

    Afterwards {"answers": how many, "failures", "memory": most bytes above those before}.
    """
    idle, stop = memory_of(server), threading.Event()
    seen = {"answers": 0, "failures": [], "memory": 0}

    def watch() -> None:
        while seen["answers"] < ANSWERS or not stop.is_set():
            try:
                status = requests.get(f"{server.url}/api/health", timeout=30).status_code
                if status != 200:
                    seen["failures"].append(status)
            except requests.RequestException as error:
                seen["failures"].append(repr(error))
            seen["answers"] += 1
            seen["memory"] = max(seen["memory"], memory_of(server) - idle)
            stop.wait(0.1)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


def check(seen: dict, memory: int = MEMORY) -> None:
    assert seen["failures"] == []
    assert seen["memory"] < memory


def connect(server: Server, data: bytes = b"") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    connection.sendall(data)
    return connection


def head(server: Server, path: str, *headers: str) -> bytes:
    lines = (f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{server.port}", *headers)
    return "\r\n".join((*lines, "", "")).encode()


def test_five_hundred_idle_sockets_hold_up_nobody(server: Server):
    with ExitStack() as stack, watched(server) as seen:
        for number in range(500):
            said = b"GET / HTTP/1.1\r\nHost: 127" if number % 2 else b""
            stack.enter_context(connect(server, said))
        assert server.get("/").status_code == 200
    check(seen, memory=100 * MB)


@contextmanager
def open_files_limited(soft: int) -> Iterator[None]:
    """Processes that are started meanwhile may open so many files, as most systems have it."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


FEW_FILES = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (400, 400))
runpy.run_path("app.py", run_name="__main__")
"""


def worker_of(server: Server) -> int:
    (worker,) = [
        child.pid
        for child in psutil.Process(server.process.pid).children()
        if "decoder" not in " ".join(child.cmdline())
    ]
    return worker


@pytest.mark.parametrize("limit", ["soft 1,024", pytest.param("hard 400", marks=pytest.mark.slow)])
def test_more_idle_connections_than_open_files_end_nothing(tmp_path, limit: str):
    """An album goes on, the page is answered, and those who say nothing make way."""
    command = ("-c", FEW_FILES) if limit == "hard 400" else ("app.py",)
    with open_files_limited(1024):
        server = Server(tmp_path, command=command)
    with server, ExitStack() as stack:
        server.wait_for(server.new_album([("warm.jpg", small_photo())]))
        worker = worker_of(server)
        job = server.new_album([(f"{n}.jpg", small_photo(n)) for n in range(30)])
        held = [stack.enter_context(connect(server)) for _ in range(1500)]
        for _ in range(5):
            assert requests.get(f"{server.url}/", timeout=60).status_code == 200
        counts = server.wait_for(job)["counts"]
        assert counts["done"] == 30
        assert worker_of(server) == worker
        assert server.errors() == []
        assert len(held) == 1500


def test_two_hundred_slow_uploads_hold_up_neither_page_nor_restoring(server: Server):
    """Those beyond the limit are told to come back; the others trickle on."""
    job = server.new_album([], start=False)
    multipart = "Content-Type: multipart/form-data; boundary=x"
    request = head(server, f"/api/jobs/{job}/items", multipart, f"Content-Length: {30 * MB}")
    part = b'--x\r\nContent-Disposition: form-data; name="photo"; filename="s.jpg"\r\n\r\n'
    ready = server.new_album([("a.jpg", small_photo())], start=False)
    with ExitStack() as stack, watched(server) as seen:
        slow = [stack.enter_context(connect(server, request + part)) for _ in range(200)]
        for _ in range(3):
            for connection in slow:
                try:
                    connection.sendall(b"x")
                except OSError:
                    continue  # it was told to come back
        assert server.get("/batch").status_code == 200
        server.post(f"/api/jobs/{ready}/start")
        assert server.wait_for(ready)["counts"]["done"] == 1
    check(seen, memory=200 * MB)
    incoming = server.outputs / ".gpen-webui" / "incoming"
    wait_for(lambda: not any(incoming.iterdir()))


def test_a_body_larger_than_allowed_is_cut_off(server: Server):
    job = server.new_album([], start=False)
    multipart = "Content-Type: multipart/form-data; boundary=x"
    part = b'--x\r\nContent-Disposition: form-data; name="photo"; filename="s.jpg"\r\n\r\n'
    for size in (f"Content-Length: {10**15}", "Transfer-Encoding: chunked"):
        chunked = size.startswith("Transfer")
        block = b"%x\r\n" % MB + bytes(MB) + b"\r\n" if chunked else bytes(MB)
        with connect(server, head(server, f"/api/jobs/{job}/items", multipart, size)) as upload:
            sent = 0
            try:
                upload.sendall(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
                while sent < 200:
                    upload.sendall(block)
                    sent += 1
            except OSError:
                pass  # cut off
            assert sent < 200
    assert server.job(job)["counts"]["total"] == 0
    assert server.get("/").status_code == 200


@pytest.mark.parametrize("count", [10_000, 60_000])
def test_a_form_of_many_parts_is_answered_and_holds_up_nobody(server: Server, count: int):
    part = b'--x\r\nContent-Disposition: form-data; name="f"\r\n\r\n\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    with watched(server) as seen:
        answer = server.post("/batch-enhance", data=part * count + b"--x--\r\n", headers=headers)
    assert answer.status_code in (400, 413)
    assert answer.json()["error"]["message"]
    check(seen, memory=200 * MB)


def test_nonsense_instead_of_http_is_answered_or_cut_off(server: Server):
    host = f"Host: 127.0.0.1:{server.port}\r\n".encode()
    post = b"POST /api/jobs HTTP/1.1\r\n" + host
    smuggled = b"0\r\n\r\nGET /x HTTP/1.1\r\n\r\n"
    nonsense = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        b"GET " + b"/" * 100_000 + b" HTTP/1.1\r\n" + host + b"\r\n",
        b"GET / HTTP/1.1\r\n" + host + b"".join(b"X-%d: 1\r\n" % n for n in range(5000)) + b"\r\n",
        b"GET / HTTP/1.1\r\n" + host + b"X: " + b"y" * 1_000_000 + b"\r\n\r\n",
        post + b"Content-Length: -5\r\n\r\n",
        post + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        post + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n" + smuggled,
        b"GET / HTTP/1.1\r\n" + host + b"Host: evil.example\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\r\n" * 10_000,
    ]  # fmt: skip
    with watched(server) as seen:
        for request in nonsense:
            with connect(server) as connection:
                answer = b""
                try:
                    connection.sendall(request)
                    connection.settimeout(10)
                    connection.shutdown(socket.SHUT_WR)
                    while part := connection.recv(65536):
                        answer += part
                except OSError:
                    pass  # cut off
            assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5")), answer[:80]
            assert b"Traceback" not in answer
    check(seen, memory=100 * MB)


def upload_all(server: Server, files: list[HostileFile]) -> dict[str, dict]:
    """All files and one good photo as an album that is restored; its items by name."""
    good = [("a face.jpg", small_photo())]
    job = server.new_album([*((file.name, file.data) for file in files), *good])
    ended = server.wait_for(job, patience=900)
    assert ended["state"] == "done"
    for number in range(len(files)):
        assert server.get(f"/api/jobs/{job}/items/{number}/thumbnail").status_code in (200, 422)
    return {item["name"]: item for item in ended["items"]}


def check_items(files: list[HostileFile], items: dict[str, dict]) -> None:
    assert items["a face.jpg"]["state"] == "done"
    for file in files:
        item = items[file.name]
        if file.pixels is not None:
            assert item["state"] == "no_face", item
        elif file.refused:
            assert item["state"] == "failed", item
        assert item["state"] in ("no_face", "failed"), item
        if item["state"] == "failed":
            assert item["error"]["stage"] == "open"
            assert item["error"]["message"].endswith(".")
        assert item["attempt"] == 1  # nothing crashed on it


def test_hostile_photos_are_taken_in_while_health_is_answered(server: Server):
    files = make_corpus()[::20]
    with watched(server) as seen:
        items = upload_all(server, files)
    check_items(files, items)
    check(seen)


def test_a_connection_that_says_nothing_is_closed(silent: socket.socket):
    """15 seconds, as SECURITY.md says, have gone by with the other tests, or nearly so."""
    silent.settimeout(60)
    assert silent.recv(1) == b""


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_whole_corpus_is_taken_in_while_health_is_answered(server: Server):
    files = make_corpus()
    with watched(server) as seen:
        items = upload_all(server, files)
    check_items(files, items)
    check(seen)
