"""A real browser in front of the real server: the fixtures of tests/test_browser_*.py.

Use them with `pytest_plugins = ["tests.browser_fixtures"]`. Whatever a page logs as an error,
and whatever its policy against foreign content blocks, fails the test.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, expect, sync_playwright

from tests.browser import DESKTOP, OpenPage
from tests.server import Server

# First one without a window, which takes half of the time for each page.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome")
ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
PATIENCE_MS = 60_000
# Browsers log these by themselves where a test breaks the line or sends what is no photo.
NETWORK_TROUBLE = ("Failed to load resource", "WebSocket connection to")
NOT_FETCHED = "Failed to fetch dynamically imported module"  # the test ended before it arrived


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A headless Chromium of this machine; CHROMIUM names another one."""
    found = find_browser()
    if found is None:
        pytest.skip(f"needs a browser: none of {', '.join(BROWSERS)} is on the PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found, args=ARGUMENTS, timeout=2 * PATIENCE_MS
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that do not stop it."""
    with Server(tmp_path_factory.mktemp("outputs")) as server:
        yield server


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[OpenPage]:
    """Open pages in windows of their own: open_page(url, viewport=..., locale=...)."""
    contexts = []
    errors: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(NETWORK_TROUBLE):
            errors.append(message.text)

    def note_error(error: Error) -> None:
        if NOT_FETCHED not in str(error):
            errors.append(str(error))

    def open(url: str, **options: object) -> Page:
        settings = {"viewport": DESKTOP, "locale": "en-GB", "color_scheme": "light"} | options
        context = chromium.new_context(**settings)
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", note)
        page.on("pageerror", note_error)
        page.goto(url)
        return page

    expect.set_options(timeout=PATIENCE_MS)
    yield open
    for context in contexts:
        context.close()
    assert errors == []


def find_browser() -> str | None:
    """The path of a Chromium: the one that CHROMIUM names, or one on the PATH."""
    names = (os.environ.get("CHROMIUM", ""), *BROWSERS)
    return next((path for name in names if name and (path := shutil.which(name))), None)
