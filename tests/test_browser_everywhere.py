"""What holds on every page: languages, colours, phones, keyboards, axe, safety, weight."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser import (
    DESKTOP,
    PHONE,
    SIDEWAYS,
    OpenPage,
    all_findings,
    landscape,
    portrait,
    upload,
    wait_for_colours,
)
from tests.server import Server

pytest_plugins = ["tests.browser_fixtures"]

HOSTILE = "<img src=x onerror=window.hit=1>\"'&amp;{{7*7}}<script>window.hit=1<>.jpg"
LIGHTEST_PAGE = 100_000  # bytes, without photos
MOST_REQUESTS = 16


@pytest.fixture(scope="module")
def places(web: Server) -> dict[str, str]:
    """Every page, with something on it: its address by name."""
    album = web.new_album(
        [("a.jpg", portrait(1, 192)), ("torn.jpg", portrait(2)[:700]), ("field.jpg", landscape())]
    )
    web.wait_for(album)
    collecting = web.new_album([("b.jpg", portrait(3, 192))], start=False)
    sent = {"photo": ("c.jpg", portrait(4, 192))}
    photo = web.post("/enhance", files=sent).json()["job"]
    torn = web.post("/enhance", files={"photo": ("d.jpg", portrait(5)[:700])}).json()["job"]
    web.wait_for(photo)
    web.wait_for(torn)
    return {
        "empty": "/",
        "photo": f"/?job={photo}",
        "failed photo": f"/?job={torn}",
        "new album": "/batch",
        "collecting": f"/batch?job={collecting}",
        "album": f"/jobs/{album}",
        "one of the album": f"/jobs/{album}#0",
        "run again": f"/jobs/{album}#again",
        "history": "/jobs",
        "models": "/models",
        "error": "/jobs/nothing",
    }


NAMES = "empty|photo|failed photo|new album|collecting|album|one of the album|run again|history|models|error"  # noqa: E501


def settle(page: Page) -> None:
    """Wait until nothing is being loaded and colours have changed to the last."""
    page.wait_for_load_state("networkidle")
    expect(page.locator("[aria-busy=true]")).to_have_count(0)
    wait_for_colours(page)


def test_the_pages_can_be_installed(web: Server, open_page: OpenPage):
    page = open_page(web.url)
    manifest = page.evaluate(
        "async () => (await fetch(document.querySelector('link[rel=manifest]').href)).json()"
    )
    assert (manifest["start_url"], manifest["display"]) == ("/", "standalone")
    for icon in manifest["icons"]:
        assert web.get(icon["src"]).headers["Content-Type"].split(";")[0] == icon["type"]


@pytest.mark.parametrize("name", NAMES.split("|"))
def test_axe_finds_nothing(web: Server, open_page: OpenPage, places: dict[str, str], name: str):
    page = open_page(web.url + places[name])
    for scheme, viewport in (("light", DESKTOP), ("dark", PHONE)):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size(viewport)
        settle(page)
        assert all_findings(page) == []
        # No wider than the window; a grid is laid anew in the frame after it has changed.
        page.wait_for_function("() => document.documentElement.scrollWidth <= innerWidth")


def test_a_browser_on_another_machine_is_let_in_by_typing_the_password_once(
    open_page: OpenPage, tmp_path: Path
):
    with Server(tmp_path / "far", "--host", "0.0.0.0", "--token", "an-old-oak-door") as far:
        page = open_page(f"http://127.0.0.1:{far.port}/batch", viewport=PHONE)
        settle(page)
        assert all_findings(page) == []
        page.get_by_label("Password").fill("a-pine-door")
        page.get_by_role("button", name="Open").click()
        expect(page.get_by_role("alert")).to_have_text("That was not the password.")
        page.get_by_label("Password").fill("an-old-oak-door")
        page.get_by_role("button", name="Open").click()
        expect(page.locator("h1")).to_have_text("Restore a whole album")
        assert "token" not in page.url
        page.goto(f"http://127.0.0.1:{far.port}/models")
        expect(page.locator("h1")).to_have_text("Models and settings")


def test_chinese_browsers_get_chinese_and_the_switch_is_remembered(
    web: Server, open_page: OpenPage
):
    page = open_page(web.url, locale="zh-CN")
    expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
    expect(page.locator("h1")).to_have_text("修复照片中的人脸")
    page.set_input_files("#pick", [upload("奶奶.jpg", portrait(20))])
    expect(page.locator("#facts")).to_contain_text("修复了 1 张人脸")
    expect(page.locator("#filename")).to_have_text("奶奶.jpg")
    page.get_by_role("link", name="English").click()
    expect(page.locator("#facts")).to_contain_text("1 face restored")
    page.goto(f"{web.url}/models")
    expect(page.locator("h1")).to_have_text("Models and settings")


def test_every_page_is_chinese_throughout(web: Server, open_page: OpenPage, places: dict[str, str]):
    page = open_page(web.url, locale="zh-CN")
    for name in ("empty", "new album", "history", "models"):
        page.goto(web.url + places[name])
        settle(page)
        controls = page.locator("main button:visible, main a.button:visible, main h1, main legend")
        for text in controls.all_inner_texts():
            assert re.search("[\u4e00-\u9fff]", text) or not re.search("[A-Za-z]{4}", text), text


def test_dark_follows_the_system_and_the_switch_is_remembered(web: Server, open_page: OpenPage):
    page = open_page(web.url, color_scheme="dark")
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    dark = page.evaluate(ground)
    with page.expect_response(re.compile("theme=light")):
        page.get_by_role("link", name="Light colours").click()
    assert page.evaluate(ground) != dark
    page.goto(f"{web.url}/models")
    light = page.evaluate(ground)
    assert light != dark


def test_a_phone_restores_a_photo(web: Server, open_page: OpenPage):
    page = open_page(web.url, viewport=PHONE, has_touch=True, is_mobile=True)
    expect(page.locator("label.camera")).to_be_visible()
    page.set_input_files("#camera", [upload("selfie.jpg", portrait(21))])
    expect(page.locator("#facts")).to_contain_text("1 face restored")
    expect(page.locator(".viewer")).to_have_attribute("data-loading", "no")
    picture = page.locator(".viewer .after").bounding_box()
    assert 0 < picture["width"] <= PHONE["width"]
    for name in ("Photo", "Album", "History", "Models"):
        box = (
            page.get_by_role("navigation", name="Pages")
            .get_by_role("link", name=name)
            .bounding_box()
        )
        assert box["height"] >= 44
        assert box["y"] + box["height"] <= PHONE["height"]
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    for selector in ("#opt-strength", "#download"):  # backwards, from below the pinned picture
        page.evaluate("selector => document.querySelector(selector).focus()", selector)
        assert page.evaluate(
            """() => {
                const { left, right, top, bottom } = document.activeElement.getBoundingClientRect();
                const seen = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
                return document.activeElement.contains(seen);
            }"""
        ), f"{selector} has the focus, but lies beneath something"

    assert small_targets(page) == []
    page.set_viewport_size(SIDEWAYS)
    page.locator("#opt-strength").scroll_into_view_if_needed()
    for selector in (".viewer", "#opt-strength"):  # beside each other
        expect(page.locator(selector)).to_be_in_viewport(ratio=1)
    assert page.locator(".viewer").bounding_box()["height"] > 300
    url, whole = page.url, page.get_by_role("button", name="In the whole window")
    for window in (SIDEWAYS, PHONE):
        page.set_viewport_size(window)
        whole.click()
        assert page.locator(".viewer").bounding_box() == {"x": 0, "y": 0} | window
        expect(whole).to_have_attribute("aria-pressed", "true")
        assert all_findings(page) == []
        if window == PHONE:
            whole.click()  # also where other pages' links were
        else:
            page.go_back()  # ends that alone
        expect(whole).to_have_attribute("aria-pressed", "false")
        expect(page).to_have_url(url)


def small_targets(page: Page) -> list[str]:
    """What is too small for a finger, of all that can be used."""
    return page.evaluate(
        """() => [...document.querySelectorAll("a, button, select, input, summary")]
            .filter((e) => e.checkVisibility() && !e.matches(".skip, .hidden-file"))
            .map((e) => [e, (e.closest("label") ?? e).getBoundingClientRect()])
            .filter(([, { width, height }]) => width > 1 && (width < 44 || height < 44))
            .map(([e, { width, height }]) => `${e.outerHTML.slice(0, 80)}: ${width} x ${height}`)"""
    )


def press_tab_to(page: Page, selector: str, most: int = 60) -> None:
    """Tab until an element has the focus, which must be visible then."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"Tab does not reach {selector}")


def test_all_of_it_works_without_a_mouse(web: Server, open_page: OpenPage):
    page = open_page(web.url)
    press_tab_to(page, "#sample")
    page.keyboard.press("Enter")
    expect(page.locator("#facts")).to_contain_text("1 face restored")

    expect(page.locator(".viewer")).to_have_attribute("data-loading", "no")
    press_tab_to(page, "img-comparison-slider")
    page.keyboard.press("Home")
    expect(page.locator("img-comparison-slider")).to_have_attribute("aria-valuenow", "0")
    page.keyboard.press("1")
    expect(page.locator("[data-zoom='1']")).to_have_attribute("aria-pressed", "true")

    before = page.url
    press_tab_to(page, "#opt-strength")
    page.keyboard.press("ArrowLeft")
    page.wait_for_url(lambda url: url != before)

    page.goto(f"{web.url}/jobs")
    expect(page.locator(".card button").first).to_be_visible()
    press_tab_to(page, ".card button")
    page.keyboard.press("Enter")
    expect(page.locator("#delete")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#delete")).to_be_hidden()
    expect(page.locator(".card button:focus")).to_have_count(1)


def test_the_focus_is_visible_wherever_tab_leads(web: Server, open_page: OpenPage):
    page = open_page(web.url)
    unseen = []
    for _ in range(25):
        page.keyboard.press("Tab")
        seen = page.evaluate(
            """() => {
                const focused = document.activeElement;
                if (focused === document.body) return true;
                const shown = [focused, focused.nextElementSibling, focused.parentElement];
                return shown.some((element) => element &&
                    (getComputedStyle(element).outlineStyle !== "none"));
            }"""
        )
        if not seen:
            unseen.append(page.evaluate("document.activeElement.outerHTML.slice(0, 90)"))
    assert unseen == []


def test_script_in_names_is_shown_as_text_on_every_page(web: Server, open_page: OpenPage):
    job = web.new_album([(HOSTILE, portrait(22, 192)), (HOSTILE + "2.jpg", b"no photo")])
    web.post("/api/jobs", json={"name": HOSTILE})
    photo = web.post(
        "/enhance", files={"photo": ("x.jpg", b"no photo")}, data={"name": HOSTILE}
    ).json()["job"]
    web.wait_for(job)
    web.wait_for(photo)
    collecting = web.post("/api/jobs", json={"name": HOSTILE}).json()["id"]
    page = open_page(web.url)
    for path in (
        f"/jobs/{job}",
        f"/jobs/{job}#0",
        f"/jobs/{job}#1",
        f"/?job={photo}",
        f"/batch?job={collecting}",
        "/jobs",
        f"/jobs/{HOSTILE}",
        f"/?lang={HOSTILE}&theme={HOSTILE}",
    ):
        page.goto("about:blank")
        page.goto(web.url + path.replace("{{", "%7B%7B"))
        settle(page)
        assert page.evaluate("window.hit") is None, path
        assert page.locator("img[src=x]").count() == 0
    page.goto(f"{web.url}/jobs/{job}")
    expect(page.locator("#grid .name").first).to_have_text(HOSTILE)


def test_the_first_page_is_light_and_needs_nobody_else(web: Server, open_page: OpenPage):
    sizes: dict[str, int] = {}
    page = open_page("about:blank")
    page.on("response", lambda answer: sizes.__setitem__(answer.url, len(answer.body())))
    page.goto(web.url, wait_until="networkidle")
    assert all(url.startswith(web.url) for url in sizes)
    photos = ("sample.jpg",)
    weight = sum(size for url, size in sizes.items() if not url.endswith(photos))
    assert weight < LIGHTEST_PAGE, sizes
    assert len(sizes) <= MOST_REQUESTS, sizes


def test_the_page_is_usable_at_once_while_the_model_still_loads(
    open_page: OpenPage, tmp_path: Path
):
    page = open_page("about:blank")
    with Server(tmp_path) as server:
        page.goto(server.url, wait_until="commit")
        expect(page.get_by_text("Choose a photo")).to_be_visible()
        page.wait_for_function("() => document.documentElement.matches('.takes-photos')")
        page.set_input_files("#pick", [upload("early.jpg", portrait(23))])
        expect(page.locator("#facts")).to_contain_text("1 face restored", timeout=180_000)


@pytest.mark.slow
def test_a_model_that_cannot_be_loaded_is_told_on_every_page(open_page: OpenPage, tmp_path: Path):
    models = tmp_path / "models"
    models.mkdir()
    (models / "gpen-bfr-512.pth").write_bytes(b"no weights")
    with Server(tmp_path / "outputs", "--models", str(models)) as server:
        page = open_page(server.url)
        banner = page.locator("#engine")
        expect(banner).to_contain_text("The model could not be loaded")
        assert all_findings(page) == []
        banner.get_by_role("link", name="Choose another model").click()
        expect(page.locator("h1")).to_have_text("Models and settings")
