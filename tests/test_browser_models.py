"""Models and settings in a real browser."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from gpen_webui.engines.fast_mode import FastMode, KeptFastMode
from gpen_webui.models.published import EMBEDDED
from gpen_webui.models.records import hash_file
from tests.browser import OpenPage, portrait, upload
from tests.server import PROJECT, Server, small_photo

pytest_plugins = ["tests.browser_fixtures"]

MINI = PROJECT / "models" / f"{EMBEDDED}.safetensors"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server with a models folder of its own."""
    models = tmp_path / "models"
    models.mkdir()
    shutil.copy(MINI, models)
    with Server(tmp_path / "outputs", "--models", str(models)) as server:
        yield server


def model(page: Page, name: str):
    return page.locator("li.model", has=page.get_by_role("heading", name=name))


@pytest.mark.slow
def test_a_model_of_ones_own_is_added_used_and_remembered(server: Server, open_page: OpenPage):
    page = open_page(f"{server.url}/models")
    expect(model(page, EMBEDDED)).to_contain_text("in use")
    expect(page.locator("#settings")).to_contain_text(str(server.outputs))
    expect(page.locator("#engine-facts")).to_contain_text("ready")

    kind = "application/octet-stream"
    page.set_input_files("#import", [upload("garbage.pth", b"no weights", kind)])
    expect(page.locator("#import-words")).to_contain_text("garbage.pth")
    expect(page.locator("#import-words")).to_have_class(re.compile("bad"))
    page.set_input_files("#import", [upload("mine.safetensors", MINI.read_bytes(), kind)])
    expect(page.locator("#import-words")).to_have_text("mine.safetensors is installed")
    page.get_by_role("button", name="Use: mine").click()
    expect(model(page, "mine")).to_contain_text("in use")
    page.reload()
    expect(page.locator("#engine-facts")).to_contain_text("mine")
    expect(page.locator("#engine-facts")).to_contain_text("ready")

    page.goto(server.url)
    page.set_input_files("#pick", [upload("a.jpg", portrait(1))])
    expect(page.locator("#facts")).to_contain_text("1 face restored")
    job = re.search(r"job=(\w+)", page.url).group(1)
    assert server.get(f"/api/jobs/{job}/items/0").json()["report"]["model"] == "mine"


def test_the_fast_mode_is_offered_with_its_cost_declined_and_switched_on(
    server: Server, open_page: OpenPage
):
    models = server.outputs.parent / "models"
    KeptFastMode(models / ".cache", hash_file(models / MINI.name)).keep(FastMode(52.3, 1.94))
    job = server.new_album([("a.jpg", small_photo())])
    page = open_page(f"{server.url}/jobs/{job}")
    offer = page.locator("#fast-mode")
    expect(offer).to_contain_text("1.9 times as fast")
    expect(offer).to_contain_text("52 dB")
    offer.get_by_role("button", name="No, thanks").click()
    expect(offer).to_be_hidden()
    page.reload()
    expect(page.locator("#name")).to_be_visible()
    expect(offer).to_be_hidden()

    page.goto(f"{server.url}/models")
    offer.get_by_role("button", name="Use the fast mode").click()
    expect(offer).to_contain_text("The fast mode is on")
    expect(page.locator("#settings")).to_contain_text("fast")
    offer.get_by_role("button", name="Compute exactly again").click()
    expect(offer.get_by_role("button", name="Use the fast mode")).to_be_visible()


def test_unpublished_licences_are_told_before_the_download(server: Server, open_page: OpenPage):
    page = open_page(f"{server.url}/models")
    published = model(page, "gpen-bfr-512")
    expect(published).to_contain_text("284 MB")
    expect(published).to_contain_text("Licence: none stated *")
    licence = page.get_by_text("state no licence")
    expect(licence).to_have_count(1)
    expect(licence).to_contain_text("Until March 2026 their README said")
    expect(published.get_by_role("button", name="Download")).to_be_enabled()
    inpainting = model(page, "gpen-inpainting-1024")
    expect(inpainting.get_by_role("button", name="Download")).to_be_enabled()
