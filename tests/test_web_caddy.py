"""The pages behind a real Caddy, set up as docs/proxy.md says."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import requests
import websocket

from tests.ports import free_port, listens
from tests.server import PROJECT, Server, small_photo
from tests.waiting import wait_for

pytestmark = pytest.mark.skipif(not shutil.which("caddy"), reason="needs caddy")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the server is found through Caddy, which was started with the documents' example."""
    folder: Path = tmp_path_factory.mktemp("caddy")
    outside, inside = free_port(), free_port()
    manual = (PROJECT / "docs" / "proxy.md").read_text(encoding="utf-8")
    example = re.search(r"## Caddy.+?```\n(.+?)```", manual, re.DOTALL)[1]
    site = f"http://127.0.0.1:{outside}"
    caddyfile = folder / "Caddyfile"
    words = example.replace("example.org", site).replace("127.0.0.1:7860", f"127.0.0.1:{inside}")
    caddyfile.write_text("{\n\tadmin off\n\tauto_https off\n}\n" + words)
    options = ("--trusted-proxy", "127.0.0.1", "--public-url", f"{site}/gpen")
    command = ["caddy", "run", "--config", caddyfile, "--adapter", "caddyfile"]
    environment = {"HOME": str(folder), "PATH": "/usr/bin:/bin"}
    with Server(folder / "outputs", *options, port=inside):
        caddy = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        try:
            wait_for(partial(listens, outside))
            yield f"{site}/gpen"
        finally:
            caddy.terminate()
            caddy.wait()


def test_a_photo_is_restored_behind_caddy_and_its_events_are_told(address: str):
    page = requests.get(address)
    assert page.status_code == 200
    style = re.search(r'href="(/gpen/static/css/base[^"]*)"', page.text)[1]
    site = address.removesuffix("/gpen")
    assert requests.get(site + style).headers["Content-Type"].startswith("text/css")
    files, own_page = {"photo": ("a.jpg", small_photo(1))}, {"Origin": site}
    answer = requests.post(f"{address}/enhance", files=files, headers=own_page)
    assert answer.status_code == 202, answer.text
    assert answer.json()["progress"].startswith("/gpen/ws/")
    socket = websocket.create_connection(
        site.replace("http", "ws") + answer.json()["progress"], origin=site, timeout=60
    )
    assert '"seq"' in socket.recv()
    socket.close()
    foreign = requests.post(f"{address}/enhance", files=files, headers={"Origin": "http://a.test"})
    assert foreign.status_code == 403
