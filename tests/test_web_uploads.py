"""Uploads: limits in words, nothing left behind, nobody held up by a slow one."""

import select
import socket

import pytest

from tests.server import Server, small_photo
from tests.waiting import wait_for

MB = 1_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    limits = ("--max-file-mb", "2", "--max-megapixels", "1")
    environment = {"GPEN_WEBUI_MAX_REQUEST_MB": "6"}
    outputs = tmp_path_factory.mktemp("outputs")
    with Server(outputs, *limits, environment=environment) as server:
        yield server


@pytest.fixture
def job(server: Server) -> str:
    return server.new_album([], start=False)


def send(server: Server, job: str, content: bytes, name: str = "a.jpg"):
    return server.post(f"/api/jobs/{job}/items", files={"photo": (name, content)})


def left_behind(server: Server) -> list:
    return list((server.outputs / ".gpen-webui" / "incoming").iterdir())


def test_a_file_beyond_its_limit_is_refused_in_words(server: Server, job: str):
    answer = send(server, job, bytes(3 * MB), "huge.tif")
    assert answer.status_code == 413
    assert "huge.tif is larger than 2 MB" in answer.json()["error"]["message"]
    assert answer.headers["Connection"] == "close"  # or the next request would be lost
    assert server.job(job)["counts"]["total"] == 0
    assert left_behind(server) == []


def test_a_request_beyond_its_limit_is_refused_in_words(server: Server):
    photos = [("photos", (f"{n}.jpg", bytes(MB))) for n in range(8)]
    answer = server.post("/batch-enhance", files=photos)
    assert answer.status_code == 413
    assert "fewer photos" in answer.json()["error"]["message"]
    assert left_behind(server) == []


def test_a_client_that_sends_on_after_the_refusal_still_gets_it_in_words(server: Server):
    head = b'--x\r\nContent-Disposition: form-data; name="photo"; filename="huge.tif"\r\n\r\n'
    length = len(head) + 40 * MB
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        client.sendall(
            b"POST /enhance HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            b"Content-Type: multipart/form-data; boundary=x\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (length, head)
        )
        client.sendall(bytes(3 * MB))
        assert select.select([client], [], [], 20)[0], "the server has not refused"
        client.sendall(bytes(37 * MB))
        answer = client.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"send fewer photos at a time" in answer


def test_a_request_of_unknown_length_is_limited_too(server: Server, job: str):
    def parts():
        yield b'--x\r\nContent-Disposition: form-data; name="photo"; filename="a.jpg"\r\n\r\n'
        for _ in range(9):
            yield bytes(MB)

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = server.post(f"/api/jobs/{job}/items", data=parts(), headers=headers)
    assert answer.status_code == 413
    assert left_behind(server) == []


def test_a_large_json_is_refused(server: Server):
    assert server.post("/api/jobs", json={"name": "x" * 11 * MB}).status_code == 413


def test_a_photo_with_too_many_pixels_fails_with_words(server: Server):
    answer = server.post("/enhance?wait=1", files={"photo": ("big.jpg", small_photo(side=1500))})
    assert answer.status_code == 422
    assert "megapixels" in answer.json()["error"]["message"]


def test_a_request_may_have_more_than_a_thousand_parts(server: Server):
    files = [("other", (f"{n}.jpg", b"no photo")) for n in range(1200)]
    answer = server.post("/batch-enhance", files=files)
    assert answer.status_code == 400
    assert "“photos”" in answer.json()["error"]["message"]
    assert left_behind(server) == []


@pytest.mark.slow
def test_more_than_a_thousand_photos_fit_into_one_request(server: Server):
    photos = [("photos", (f"{n}.jpg", b"no photo")) for n in range(1200)]
    answer = server.post("/batch-enhance", files=photos)
    assert answer.status_code == 202, answer.text
    assert answer.json()["total_images"] == 1200
    server.delete(f"/api/jobs/{answer.json()['job']}")
    assert left_behind(server) == []


def test_an_upload_that_breaks_off_leaves_nothing(server: Server, job: str):
    with begun_upload(server, job) as connection:
        wait_for(lambda: left_behind(server))
        connection.shutdown(socket.SHUT_RDWR)
    wait_for(lambda: not left_behind(server))
    assert server.job(job)["counts"]["total"] == 0


def test_slow_uploads_hold_up_nobody(server: Server, job: str):
    slow = [begun_upload(server, job) for _ in range(50)]
    assert server.get("/batch").status_code == 200
    assert send(server, job, small_photo()).status_code == 201
    for connection in slow:
        connection.close()


def test_connections_that_say_nothing_hold_up_nobody(server: Server):
    silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(100)]
    for connection in silent[:50]:
        connection.sendall(b"GET / HTTP/1.1\r\nHo")
    assert server.get("/batch").status_code == 200
    for connection in silent:
        connection.close()


def test_a_full_store_is_said_in_words_before_anything_is_sent(tmp_path):
    with Server(tmp_path / "outputs", "--max-store-gb", "1") as server:
        job = server.new_album([], start=False)
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(request_head(server, job, length=1_100_000_000))
            answer = b""
            while b"}" not in answer:
                answer += connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 507")
    assert b"limit of 1 GB" in answer


def test_other_fields_cannot_fill_the_memory(server: Server, job: str):
    answer = server.post(f"/api/jobs/{job}/items", data={"name": "x"}, files={"photo": ("", b"")})
    assert answer.status_code == 400
    answer = server.post(
        f"/api/jobs/{job}/items",
        data={"name": "x" * 2 * MB},
        files={"photo": ("a.jpg", small_photo())},
    )
    assert answer.status_code == 413


def begun_upload(server: Server, job: str) -> socket.socket:
    """A connection whose upload has begun, and stays so."""
    connection = socket.create_connection(("127.0.0.1", server.port))
    connection.sendall(request_head(server, job, 1_000_000) + part_head() + bytes(100_000))
    return connection


def part_head() -> bytes:
    return b'--x\r\nContent-Disposition: form-data; name="photo"; filename="slow.jpg"\r\n\r\n'


def request_head(server: Server, job: str, length: int) -> bytes:
    lines = (
        f"POST /api/jobs/{job}/items HTTP/1.1",
        f"Host: 127.0.0.1:{server.port}",
        "Content-Type: multipart/form-data; boundary=x",
        f"Content-Length: {length}",
    )
    return "\r\n".join((*lines, "", "")).encode()
