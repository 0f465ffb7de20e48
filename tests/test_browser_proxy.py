"""The pages behind a real nginx, in a real browser: everything works that works without it."""

from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.browser import OpenPage, album_of, portrait, upload
from tests.nginx import SET_UPS, Nginx, is_installed
from tests.ports import free_port
from tests.server import Server

pytest_plugins = ["tests.browser_fixtures"]
pytestmark = pytest.mark.skipif(not is_installed(), reason="needs nginx and openssl")


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    """In front of a server that was told of it."""
    with Nginx(tmp_path_factory.mktemp("nginx")) as nginx:
        options = ("--trusted-proxy", "127.0.0.1", "--public-url", nginx.url("plain"))
        port = free_port()
        with Server(tmp_path_factory.mktemp("outputs"), *options, port=port):
            nginx.start(port)
            yield nginx


def open_behind(open_page: OpenPage, nginx: Nginx, name: str, path: str = "/") -> Page:
    return open_page(nginx.url(name) + path, ignore_https_errors=True)


@pytest.mark.parametrize("name", SET_UPS)
def test_a_photo_and_an_album_are_restored_behind(name: str, nginx: Nginx, open_page: OpenPage):
    page = open_behind(open_page, nginx, name)
    page.set_input_files("#pick", [upload("aunt.jpg", portrait(1, 192))])
    expect(page.locator("#filename")).to_have_text("aunt.jpg")
    expect(page.locator(".viewer")).to_have_attribute("data-loading", "no")
    page.click("#for-album")
    page.wait_for_url("**/batch?like=*")
    page.wait_for_load_state("networkidle")
    page.set_input_files("#pick", album_of(2, 192))
    page.click("#start")
    expect(page.locator("[data-state=done] >> nth=0")).to_be_visible()
    expect(page.locator("#download")).to_be_visible()
    expect(page.locator("#offline")).to_be_hidden()
    page.click("nav.pages a >> nth=2")
    expect(page.locator(".card.job >> nth=0")).to_be_visible()
    assert page.url.startswith(nginx.url(name))


def test_a_proxys_refusal_of_a_large_photo_is_told_in_words(nginx: Nginx, open_page: OpenPage):
    page = open_behind(open_page, nginx, "tls")
    page.set_input_files("#pick", [upload("large.jpg", portrait(2, 192) + bytes(1_100_000))])
    expect(page.locator("#trouble-words")).to_contain_text("client_max_body_size")


def test_a_server_that_knows_no_proxy_says_what_to_set(
    web: Server, tmp_path_factory: pytest.TempPathFactory
):
    with Nginx(tmp_path_factory.mktemp("unknown")) as nginx:
        nginx.start(web.port)
        for name in ("plain", "host without port"):
            url = nginx.url(name)
            answer = requests.post(f"{url}/api/jobs", json={}, headers={"Origin": url})
            assert answer.status_code == 403
            assert f"--public-url {url}" in answer.json()["error"]["message"]
