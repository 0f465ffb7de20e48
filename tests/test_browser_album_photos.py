"""Single photos of an album in a real browser: compared in the grid, taken out, restored again."""

import io
import re
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser import DESKTOP, PHONE, OpenPage, all_findings, portrait
from tests.server import Server

pytest_plugins = ["tests.browser_fixtures"]

TREE = ("Scans/Garden/2.jpg", "Scans/Garden/10.jpg", "Scans/Wedding/1.jpg", "Scans/Wedding/2.jpg")
NO_CLIPBOARD = "delete Navigator.prototype.clipboard"  # as without HTTPS


@pytest.fixture(scope="module")
def done(web: Server) -> dict:
    """An album with folders that is done."""
    photos = [(name, portrait(n, 256)) for n, name in enumerate(TREE)]
    return web.wait_for(web.new_album(photos, strength=60))


def cell(page: Page, name: str) -> Locator:
    return page.locator(f"#grid .cell[title='{name}']")


def test_an_album_is_looked_through_in_its_folders_with_mouse_and_keys(
    web: Server, open_page: OpenPage, done: dict
):
    page = open_page("about:blank")
    page.add_init_script(NO_CLIPBOARD)
    page.goto(f"{web.url}/jobs/{done['id']}")
    expect(page.locator("#grid .cell .name")).to_have_text(["2.jpg", "10.jpg", "1.jpg", "2.jpg"])
    expect(page.locator("#grid h2")).to_have_text(["Scans / Garden", "Scans / Wedding"])

    page.click("#copy")
    expect(page.locator("#toasts")).to_contain_text("it is selected")
    assert page.evaluate("getSelection().toString()") == done["folder"]
    expect(page.locator("#toasts")).not_to_contain_text("Copied")

    place = cell(page, TREE[1]).bounding_box()
    page.mouse.move(place["x"] + place["width"] / 4, place["y"] + 20)
    expect(page.locator(".cell.comparing")).to_have_attribute("title", TREE[1])
    page.mouse.move(place["x"] + place["width"] / 2, place["y"] + 30)
    expect(cell(page, TREE[1])).to_have_attribute("style", re.compile("--at: 50%"))
    assert re.search("/1/thumbnail$", cell(page, TREE[1]).locator(".was").get_attribute("src"))
    page.mouse.move(5, 5)
    expect(page.locator(".cell.comparing")).to_have_count(0)

    page.keyboard.press("Tab")
    cell(page, TREE[0]).focus()
    for key, name in (
        ("ArrowRight", TREE[1]),
        ("ArrowDown", TREE[3]),
        ("ArrowUp", TREE[1]),
        ("End", TREE[3]),
        ("ArrowRight", TREE[3]),
        ("Home", TREE[0]),
    ):
        page.keyboard.press(key)
        expect(cell(page, name), key).to_be_focused()
        expect(page.locator(".cell.comparing")).to_have_attribute("title", name)
    assert page.locator("#grid .cell[tabindex='0']").count() == 1
    page.keyboard.press("Enter")
    expect(page.locator("#photo-name")).to_have_text(TREE[0])
    page.keyboard.press("PageDown")
    expect(page.locator("#photo-name")).to_have_text(TREE[1])
    page.keyboard.press("Escape")
    expect(page.locator("#lightbox")).to_be_hidden()
    expect(cell(page, TREE[1])).to_be_focused()


def test_who_holds_a_photo_on_a_phone_sees_it_as_it_was_and_does_not_open_it(
    web: Server, open_page: OpenPage, done: dict
):
    page = open_page(f"{web.url}/jobs/{done['id']}", viewport=PHONE, has_touch=True, is_mobile=True)
    cell(page, TREE[0]).scroll_into_view_if_needed()
    place = cell(page, TREE[0]).bounding_box()
    at = [{"x": place["x"] + 40, "y": place["y"] + 40}]
    touch = page.context.new_cdp_session(page)
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": at})
    expect(page.locator(".cell.comparing")).to_have_attribute("title", TREE[0])
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    expect(page.locator(".cell.comparing")).to_have_count(0)
    expect(page.locator("#lightbox")).to_be_hidden()
    page.touchscreen.tap(place["x"] + 40, place["y"] + 40)
    expect(page.locator("#lightbox")).to_be_visible()


def test_a_finger_swipes_from_photo_to_photo_and_moves_the_divider_by_its_handle(
    web: Server, open_page: OpenPage, done: dict
):
    page = open_page(
        f"{web.url}/jobs/{done['id']}#0", viewport=PHONE, has_touch=True, is_mobile=True
    )
    touch = page.context.new_cdp_session(page)
    name, divider = page.locator("#photo-name"), page.locator("img-comparison-slider")

    def drag(x: float, y: float, by: float) -> None:
        expect(page.locator("#lightbox .viewer")).to_have_attribute("data-loading", "no")
        for kind, to in (("Start", x), ("Move", x + by / 2), ("Move", x + by), ("End", None)):
            points = [] if to is None else [{"x": to, "y": y}]
            touch.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points})

    expect(name).to_contain_text("Garden/2.jpg")
    drag(300, 400, -120)
    expect(name).to_contain_text("Garden/10.jpg")
    expect(divider).to_have_attribute("aria-valuenow", "50")
    handle = page.locator("[slot=handle]").bounding_box()
    drag(handle["x"] + 22, handle["y"] + 22, -90)
    expect(divider).not_to_have_attribute("aria-valuenow", "50")
    drag(60, 600, 150)
    expect(name).to_contain_text("Garden/2.jpg")


def test_one_photo_of_an_album_is_restored_again_with_its_own_faces_and_settings(
    web: Server, open_page: OpenPage, done: dict
):
    folder = Path(done["folder"])
    before = {name: (folder / name).read_bytes() for name in TREE}
    page = open_page(f"{web.url}/jobs/{done['id']}#2")
    settings = page.locator("#photo-settings")
    redo = page.get_by_role("button", name="Restore this photo again")
    page.get_by_role("button", name="Settings").click()
    expect(settings.locator("[name=strength]")).to_have_value("60")
    expect(redo).to_be_disabled()
    settings.locator(".face-card .toggle").click()
    settings.get_by_label("Sharpen").evaluate("e => e.closest('details').open = true")
    settings.get_by_label("Sharpen").fill("40")
    assert all_findings(page) == []
    for is_shown in (False, True):  # what is chosen stays
        page.get_by_role("button", name="Settings").click()
        expect(settings).to_be_visible(visible=is_shown)
    expect(settings.locator(".face-card input[type=checkbox]")).not_to_be_checked()

    def answer_late(route: Route) -> None:
        web.wait_for(done["id"])  # the photo is restored before the page looks
        route.continue_()

    page.route(f"**/api/jobs/{done['id']}", answer_late)
    redo.click()
    expect(page.locator("#photo-facts")).to_contain_text("no face restored")
    expect(page.locator("#job")).to_have_attribute("data-state", "done")
    expect(settings.locator(".face-card input[type=checkbox]")).not_to_be_checked()
    expect(redo).to_be_disabled()

    assert [name for name in TREE if (folder / name).read_bytes() != before[name]] == [TREE[2]]
    item = web.get(f"/api/jobs/{done['id']}/items/2").json()
    options = item["report"]["options"]
    assert (options["strength"], options["sharpen"], options["not_faces"]) == (60, 40, "1")
    assert web.job(done["id"])["items"][0]["attempt"] == 1
    zipped = zipfile.ZipFile(io.BytesIO(web.get(f"/api/jobs/{done['id']}/download").content))
    assert zipped.read(TREE[2]) == (folder / TREE[2]).read_bytes()
    assert ": 40" in zipped.read("report.html").decode()

    report = open_page((folder / "report.html").as_uri(), locale="zh-CN")
    expect(report.locator("h1")).to_have_text("Album")
    expect(report.get_by_text("已修复 3 / 4")).to_be_visible()
    assert all_findings(report) == []
    report.get_by_label("English").check()
    expect(report.locator("article")).to_have_count(4)
    report.wait_for_function("() => [...document.images].every((each) => each.naturalWidth > 0)")
    report.get_by_role("link", name="10.jpg").click()
    expect(report).to_have_url((folder / TREE[1]).as_uri())


def test_a_photo_is_taken_out_before_the_start_and_may_come_back(
    web: Server, open_page: OpenPage, tmp_path: Path
):
    files = [tmp_path / f"p{n}.jpg" for n in range(3)]
    for n, file in enumerate(files):
        file.write_bytes(portrait(n, 192))
    page = open_page(f"{web.url}/batch")
    page.set_input_files("#pick", files)
    expect(page.locator("#start")).to_have_text("Start with 3 photos")
    page.get_by_role("button", name="Take p1.jpg out of the album").click()
    expect(page.locator("#start")).to_have_text("Start with 2 photos")
    expect(page.locator("#thumbs .cell")).to_have_count(2)
    expect(page.locator("#thumbs [aria-label^='Take p']:focus")).to_have_count(1)
    page.set_input_files("#pick", files[1])
    expect(page.locator("#start")).to_have_text("Start with 3 photos")
    page.get_by_role("button", name="Take p0.jpg out of the album").click()
    expect(page.locator("#start")).to_have_text("Start with 2 photos")
    page.click("#start")
    page.wait_for_url(re.compile("/jobs/"))
    expect(page.locator("#progress-words")).to_have_text("2 of 2 restored")
    expect(page.locator("#grid .cell")).to_have_count(2)


def test_one_photo_gets_settings_of_its_own_before_the_start(
    web: Server, open_page: OpenPage, tmp_path: Path
):
    files = [tmp_path / f"p{n}.jpg" for n in range(3)]
    for n, file in enumerate(files):
        pixels = cv2.imdecode(np.frombuffer(portrait(n, 192), np.uint8), cv2.IMREAD_COLOR)
        cv2.imwrite(str(file), pixels[:120])
    page = open_page(f"{web.url}/batch")
    album, own = page.locator("#options"), page.locator("#own-settings")
    marked = page.locator("#thumbs .cell:has(.own-mark:visible) .name")
    use = page.get_by_role("button", name="Use for this photo")

    def open_settings(name: str) -> None:
        page.get_by_role("button", name=re.compile(f"^Settings for {name} only")).click()
        expect(own.locator("#own-name")).to_have_text(name)

    album.locator("[name=strength]").fill("60")
    for number, file in enumerate(files, 1):  # in this order
        page.set_input_files("#pick", file)
        expect(page.locator("#thumbs .cell")).to_have_count(number)
    expect(page.locator("#start")).to_have_text("Start with 3 photos")
    expect(page.locator("#own-hint")).to_be_hidden()
    open_settings("p1.jpg")
    expect(own.locator("[name=strength]")).to_have_value("60")
    expect(own.locator("#own-reset")).to_be_hidden()
    own.locator("img").evaluate("image => image.decode()")
    assert all_findings(page) == []
    for viewport in (PHONE, {"width": 1024, "height": 768}, DESKTOP):
        page.set_viewport_size(viewport)
        box = use.bounding_box()
        assert box["y"] + box["height"] <= viewport["height"]
    own.locator("[name=strength]").fill("20")
    use.click()
    expect(own).to_be_hidden()
    expect(marked).to_have_text(["p1.jpg"])
    label = "Settings for p1.jpg only: Strength 20"
    expect(page.get_by_label(label)).to_be_focused()
    open_settings("p2.jpg")
    own.locator("[name=mode][value=strong]").check()
    own.get_by_role("button", name="Turn right").click()
    use.click()
    turned = page.locator("#thumbs .cell[title^='p2.jpg'] img.now")
    expect(turned).to_have_attribute("src", re.compile("v=1$"))
    turned.evaluate("image => image.decode()")
    assert turned.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [120, 192]
    expect(page.locator("#own-hint")).to_have_text("2 photos have settings of their own.")

    album.locator("[name=strength]").fill("20")  # the album comes to have what p1 has
    expect(marked).to_have_text(["p2.jpg"])
    album.locator("[name=strength]").fill("50")
    expect(marked).to_have_text(["p1.jpg", "p2.jpg"])
    page.reload()
    expect(marked).to_have_text(["p1.jpg", "p2.jpg"])
    album.locator("[name=strength]").fill("50")
    open_settings("p2.jpg")
    expect(own.locator("[name=mode]:checked")).to_have_value("strong")
    expect(own.locator("[name=strength]")).to_have_value("50")
    own.get_by_role("button", name="As the rest of the album").click()
    expect(marked).to_have_text(["p1.jpg"])
    page.locator("#thumbs .cell[title='p2.jpg'] img.now").click()  # a picture opens them too
    own.locator("[name=mode][value=detail]").check()
    own.get_by_role("button", name="Not now").click()
    page.get_by_role("button", name="Take p0.jpg out of the album").click()
    expect(page.locator("#start")).to_have_text("Start with 2 photos")

    page.click("#start")
    page.wait_for_url(re.compile("/jobs/"))
    expect(page.locator("#progress-words")).to_have_text("2 of 2 restored")
    expect(page.locator("#grid .cell:has(.own-mark:visible)")).to_have_attribute("title", "p1.jpg")
    job = page.url.rpartition("/")[2]
    chosen = [web.get(f"/api/jobs/{job}/items/{n}").json()["report"]["options"] for n in (0, 1)]
    assert [(each["strength"], each["mode"]) for each in chosen] == [
        (20, "natural"),
        (50, "natural"),
    ]

    page.get_by_role("button", name="Run again").click()
    again = page.locator("#again")
    again.locator("[name=strength]").fill("90")
    keeps = again.get_by_label("1 photo keeps its own settings")
    keeps.uncheck()
    keeps.check()
    again.get_by_role("button", name="Start").click()
    page.wait_for_url(lambda url: job not in url)
    expect(page.locator("#progress-words")).to_have_text("2 of 2 restored")
    items = web.job(page.url.rpartition("/")[2])["items"]
    assert [(item["options"] or {}).get("strength") for item in items] == [20, None]


def test_what_was_given_up_is_restored_after_all(web: Server, open_page: OpenPage):
    photos = [(f"p{n}.jpg", portrait(n, 200)) for n in range(4)]
    job = web.new_album(photos, background="restore")
    web.post(f"/api/jobs/{job}/pause")  # else all might be done before anything is given up
    page = open_page(f"{web.url}/jobs/{job}")
    expect(page.locator("#grid .cell[data-state=done]").first).to_be_visible()
    page.click("#cancel")
    page.get_by_role("button", name="Keep restoring").click()
    expect(page.locator("#job")).not_to_have_attribute("data-state", "cancelled")
    page.click("#cancel")
    page.get_by_role("button", name="Cancel the rest").click()
    expect(page.locator("#job")).to_have_attribute("data-state", "cancelled")
    page.get_by_role("button", name="Restore the rest").click()
    expect(page.locator("#progress-words")).to_have_text("4 of 4 restored", timeout=120_000)
    expect(page.locator("#restore-rest")).to_be_hidden()


def test_an_album_names_its_repairs_and_opens_its_report(web: Server, open_page: OpenPage):
    chosen = {"fade": "auto", "repair": "auto", "crop": "0,0,200,200"}
    album = web.wait_for(web.new_album([("Oma/1 ü.jpg", portrait(7, 256))], **chosen))
    page = open_page(f"{web.url}/jobs/{album['id']}")
    expect(page.locator("#summary")).to_contain_text(
        "cropped · damage filled in · fading evened out"
    )
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Report").click()
    report = opened.value
    expect(report.locator("h3")).to_have_text("1 ü.jpg")
    report.locator("label", has_text="简体中文").click()
    with report.expect_download() as saved:
        report.locator("h3 a").click()
    assert (
        Path(saved.value.path()).read_bytes() == Path(album["folder"], "Oma/1 ü.jpg").read_bytes()
    )
    for name in ("../report.json", "report.json", "%2e%2e/x"):
        assert web.get(f"/api/jobs/{album['id']}/results/{name}").status_code == 404
