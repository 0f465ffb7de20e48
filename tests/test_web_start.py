"""What a start of the server prints and does, beside serving."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from gpen_webui.settings import Settings
from gpen_webui.web.announcement import addresses_elsewhere, qr_code
from tests.server import PROJECT, Server
from tests.waiting import wait_for

HALVES = {"█": (0, 0), "▀": (0, 1), "▄": (1, 0), " ": (1, 1)}  # of a character: dark where 1


COMMAND = [sys.executable, "app.py", "--no-browser", "--port", "0", "--outputs"]


def start(outputs: Path) -> subprocess.CompletedProcess:
    return subprocess.run([*COMMAND, outputs], cwd=PROJECT, capture_output=True, text=True)


def begin(outputs: Path) -> subprocess.Popen:
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen([*COMMAND, outputs], cwd=PROJECT, **output)


@pytest.mark.parametrize("token", [(), ("--token", "an-old-oak-door")], ids=["open", "token"])
def test_a_second_start_names_the_page_that_is_there_already(tmp_path: Path, token: tuple):
    with Server(tmp_path, *token) as server:
        second = start(tmp_path)
        assert second.returncode == 0
        assert second.stdout == f"GPEN WebUI is running already: {server.address}\n"
        assert server.get("/api/health/alive").status_code in (200, 401)


def test_of_two_starts_at_once_one_serves_and_the_other_names_its_page(tmp_path: Path):
    both = [begin(tmp_path) for _ in range(2)]
    try:
        wait_for(lambda: any(server.poll() is not None for server in both))
        serves, names = sorted(both, key=lambda server: server.poll() is not None)
        said = names.stdout.read()
        assert names.returncode == 0, said
        page = said.removeprefix("GPEN WebUI is running already: ").strip()
        assert serves.poll() is None
        assert any(page in line for line in serves.stdout)
    finally:
        for server in both:
            server.terminate()
            server.communicate()


def test_a_start_beside_something_that_is_no_server_is_refused(tmp_path: Path):
    with Server(tmp_path) as server:
        (tmp_path / ".gpen-webui" / "address").unlink()
        second = start(tmp_path)
        assert second.returncode == 2
        assert "already works in the folder" in second.stderr
        assert server.get("/api/health/alive").status_code == 200


def test_only_a_server_that_listens_everywhere_has_addresses_elsewhere():
    token = "an-old-oak-door"
    assert addresses_elsewhere(Settings()) == []
    behind = Settings(host="0.0.0.0", token=token, public_url="https://photos.example")
    assert addresses_elsewhere(behind) == []
    for address in addresses_elsewhere(Settings(host="0.0.0.0", token=token)):
        assert address.startswith("http://")
        assert address.endswith(f":7860/?token={token}")
        assert "127.0.0.1" not in address


def test_a_phones_camera_reads_the_printed_code():
    address = "http://192.168.178.123:7860/?token=an-old-oak-door-0123456789"
    lines = qr_code(address).splitlines()
    rows = [[HALVES[c][half] for c in line] for line in lines for half in (0, 1)]
    dark = np.array(rows, dtype=np.uint8)
    picture = cv2.resize(255 * (1 - dark), None, fx=8, fy=8, interpolation=cv2.INTER_NEAREST)
    picture = cv2.copyMakeBorder(picture, 40, 40, 40, 40, cv2.BORDER_CONSTANT, value=255)
    assert cv2.QRCodeDetector().detectAndDecode(picture)[0] == address
