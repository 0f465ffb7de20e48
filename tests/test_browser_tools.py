"""What a photo asks for, presets of one's own, turning and cropping: in a real browser."""

import base64
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Locator, Route, expect

from tests.browser import (
    DESKTOP,
    PHONE,
    OpenPage,
    all_findings,
    portrait,
    report_of,
    restore,
    shown_job,
    upload,
    wait_for_another,
    wait_until_shown,
)
from tests.server import PROJECT, Server
from tests.waiting import wait_for

pytest_plugins = ["tests.browser_fixtures"]


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory):
    """A server that believes to have a desktop, whose file manager notes what it is to show."""
    folder = tmp_path_factory.mktemp("desktop")
    manager = folder / "xdg-open"
    manager.write_text(f'#!/bin/sh\necho "$1" > {folder}/shown\n')
    manager.chmod(0o755)
    environment = {"PATH": f"{folder}:/usr/bin:/bin", "DISPLAY": ":77"}
    with Server(folder / "outputs", environment=environment) as server:
        server.desktop = folder
        yield server


def size_of(picture: Locator) -> tuple[int, int]:
    return tuple(picture.evaluate("image => [image.naturalWidth, image.naturalHeight]"))


def blurred_and_noisy(side: int = 700) -> bytes:
    """A portrait that asks for a strong hand and less noise."""
    pixels = cv2.imdecode(np.frombuffer(portrait(3, side), np.uint8), cv2.IMREAD_COLOR)
    noise = np.random.default_rng(0).normal(0, 8, pixels.shape)
    soft = cv2.GaussianBlur(pixels, (0, 0), 9).astype(float) + noise
    return cv2.imencode(".png", np.clip(soft, 0, 255).astype(np.uint8))[1].tobytes()


def test_what_a_photo_asks_for_is_told_and_taken_by_one_click_or_by_itself(
    web: Server, open_page: OpenPage
):
    page = open_page(web.url)
    photo = upload("old.png", blurred_and_noisy(), "image/png")
    page.set_input_files("#pick", [photo])
    suggestions = page.locator("#suggestions")
    expect(suggestions).to_contain_text("Suggested for this photo")
    expect(suggestions).to_contain_text("The largest face is very blurred")
    expect(suggestions).to_contain_text(re.compile(r"noise of about \d levels"))
    plain = shown_job(page)
    page.click("#suggestions-all")
    wait_for_another(page, plain)
    by_hand = report_of(web, page)
    assert (by_hand["options"]["strength"], by_hand["options"]["mode"]) == (100, "strong")
    expect(page.locator("#opt-denoise")).not_to_have_value("0")
    taken = web.get(f"/api/jobs/{shown_job(page)}/items/0/after?download=1").content

    job = shown_job(page)
    page.get_by_label("Automatic").check()
    wait_for_another(page, job)
    expect(suggestions).to_contain_text("Chosen for this photo")
    expect(page.locator("#opt-strength")).to_have_value("100")
    assert web.get(f"/api/jobs/{shown_job(page)}/items/0/after?download=1").content == taken
    job = shown_job(page)
    page.locator("summary", has_text="Finishing touches").click()
    denoise = page.locator("#opt-denoise")
    denoise.fill("15")  # what somebody chooses is theirs; the rest is still chosen for the photo
    wait_for_another(page, job)
    for is_loaded_again in (False, True):
        if is_loaded_again:
            page.reload()
            wait_until_shown(page)
        expect(page.get_by_label("Automatic")).to_be_checked()
        expect(denoise).to_have_value("15")
        expect(page.locator("#opt-strength")).to_have_value("100")
    options = report_of(web, page)["options"]
    assert (options["strength"], options["mode"], options["denoise"]) == (100, "strong", 15)
    job = shown_job(page)
    page.locator("summary", has_text="Finishing touches").click()
    denoise.fill("0")  # its default, which under Automatic would mean: choose for me
    wait_for_another(page, job)
    assert report_of(web, page)["options"]["denoise"] == 0
    expect(page.get_by_label("Automatic")).not_to_be_checked()

    page.get_by_label("Automatic").check()
    page.click("#for-album")
    page.wait_for_url("**/batch*")
    page.get_by_label("Automatic").check()
    page.set_input_files("#pick", [photo, upload("good.jpg", portrait(4, 192))])
    page.click("#start")
    page.wait_for_url("**/jobs/*")
    album = page.url.rpartition("/")[2]
    web.wait_for(album)
    number = {item["name"]: item["n"] for item in web.job(album)["items"]}
    first, second = (
        web.get(f"/api/jobs/{album}/items/{number[name]}").json()["report"]
        for name in ("old.png", "good.jpg")
    )
    path = f"/api/jobs/{album}/items/{number['old.png']}/after?download=1"
    assert web.get(path).content == taken
    assert first["suggestions"] != second["suggestions"]

    source = web.desktop / "old.png"
    source.write_bytes(photo["buffer"])
    results = web.desktop / "results"
    command = [sys.executable, "app.py", "restore", source, "--preset", "auto", "-o", results]
    subprocess.run(command, cwd=PROJECT, check=True, capture_output=True)
    assert (results / "old.png").read_bytes() == taken


def test_settings_are_kept_under_a_name_for_every_browser(web: Server, open_page: OpenPage):
    page = open_page(web.url)
    page.locator("#opt-strength").fill("33")
    page.click("[data-own-presets]")
    dialog = page.locator("#own-presets")
    dialog.get_by_label("Save these settings as").fill("Oma's <b>album</b>")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_be_hidden()
    own = page.get_by_role("radio", name="Oma's <b>album</b>")
    expect(own).to_be_checked()

    phone = open_page(f"{web.url}/batch", viewport=PHONE, is_mobile=True, has_touch=True)
    assert phone.locator("#opt-strength").input_value() == "70"
    phone.get_by_role("radio", name="Oma's <b>album</b>").check()
    expect(phone.locator("#opt-strength")).to_have_value("33")
    phone.click("[data-own-presets]")
    expect(phone.get_by_role("button", name="Delete Oma's")).to_be_visible()
    assert all_findings(phone) == []
    name = phone.get_by_label("Name of the preset Oma's <b>album</b>")
    name.fill("Album")
    name.press("Tab")
    expect(phone.locator(".pill.own")).to_have_text("Album")
    phone.get_by_role("button", name="Delete Album").click()
    expect(phone.locator("#own-presets")).to_contain_text("None yet")
    page.reload()
    expect(page.locator(".pill.own")).to_have_count(0)
    assert web.post("/api/presets", json={"name": " "}).status_code == 400


def test_a_photo_is_turned_and_cropped_with_the_keyboard_and_turned_back(
    web: Server, open_page: OpenPage
):
    page = open_page(web.url)
    # Once it cannot be told how large the photo is: it is asked again where that is needed.
    page.route("**/condition", lambda route: route.abort(), times=1)
    page.set_input_files("#pick", [upload("aunt.jpg", portrait(5, 400))])
    wait_until_shown(page)
    first = shown_job(page)
    page.locator(".face-card .toggle").click()  # whose face would be another one
    wait_for_another(page, first)
    job = shown_job(page)
    page.locator("#frame-photo").press("Enter")
    expect(page.locator("#frame")).to_be_visible()
    for viewport in (PHONE, {"width": 1024, "height": 768}, DESKTOP):
        page.set_viewport_size(viewport)
        assert all_findings(page) == []
        box = page.locator("#frame .primary").bounding_box()
        assert box["y"] + box["height"] <= viewport["height"]
    page.locator("#frame-right").press("Enter")
    corner = page.get_by_role("button", name="Top left corner")
    for _ in range(2):
        corner.press("Shift+ArrowDown")
    corner.press("ArrowRight")
    expect(page.locator("#frame-size")).to_have_text(re.compile("396 . 360 pixels"))
    page.locator("#frame .primary").press("Enter")
    wait_for_another(page, job)
    for side in (".viewer .before", ".viewer .after"):
        assert size_of(page.locator(side)) == (396, 360)
    options = report_of(web, page)["options"]
    assert (options["rotate"], options["crop"], options["not_faces"]) == ("90", "4,40,396,360", "")
    expect(page.locator("#notes")).to_contain_text("cropped to 396 x 360 pixels")
    small = web.get(f"/api/jobs/{shown_job(page)}/items/0/thumbnail").content
    assert cv2.imdecode(np.frombuffer(small, np.uint8), 1).shape[:2] == (291, 320)

    job = shown_job(page)
    page.click("#undo")
    wait_for_another(page, job)
    assert size_of(page.locator(".viewer .before")) == (400, 400)
    page.set_viewport_size(PHONE)
    page.click("#frame-photo")
    handle = page.get_by_role("button", name="Bottom right corner").bounding_box()
    assert min(handle["width"], handle["height"]) >= 44
    page.mouse.move(handle["x"] + 22, handle["y"] + 22)
    page.mouse.down()
    page.mouse.move(handle["x"] - 100, handle["y"] - 50, steps=4)
    page.mouse.up()
    expect(page.locator("#frame-size")).not_to_have_text(re.compile("400 . 400 pixels"))
    page.keyboard.press("Escape")
    expect(page.locator("#frame")).to_be_hidden()
    assert not report_of(web, page)["options"]["crop"]


def test_marked_damage_is_turned_and_cropped_with_the_photo(web: Server, open_page: OpenPage):
    pixels = cv2.imdecode(np.frombuffer(portrait(5, 400), np.uint8), cv2.IMREAD_COLOR)[:300]
    marks = np.zeros(pixels.shape[:2], np.uint8)
    marks[20:24, 30:200] = marks[250:260, 350:390] = 255
    files = {
        "photo": ("print.png", cv2.imencode(".png", pixels)[1].tobytes()),
        "mask": ("mask.png", cv2.imencode(".png", marks)[1].tobytes()),
    }
    job = web.post("/enhance", files=files).json()["job"]
    page = open_page(f"{web.url}/?job={job}")
    wait_until_shown(page)

    def mask_now() -> np.ndarray:
        text = web.job(shown_job(page))["options"]["mask"]
        levels = np.frombuffer(base64.b64decode(text), np.uint8)
        return cv2.imdecode(levels, cv2.IMREAD_GRAYSCALE)

    page.click("#frame-photo")
    page.click("#frame-right")
    page.get_by_role("button", name="Top left corner").press("Shift+ArrowDown")
    expect(page.locator("#frame-size")).not_to_have_text(re.compile("300 . 400 pixels"))
    page.locator("#frame .primary").click()
    wait_for_another(page, job)
    options = report_of(web, page)["options"]
    left, top, width, height = map(int, options["crop"].split(","))
    assert top > 0
    turned = np.rot90(marks, -1)[top : top + height, left : left + width]
    assert np.array_equal(mask_now(), turned)

    first, job = job, shown_job(page)
    page.click("#frame-photo")
    page.click("#frame-left")
    page.click("#frame-whole")
    page.locator("#frame .primary").click()
    wait_for_another(page, first, job)
    kept = np.zeros_like(np.rot90(marks, -1))
    kept[top : top + height, left : left + width] = turned
    assert np.array_equal(mask_now(), np.rot90(kept, 1))  # what was cut off stays gone

    options = {"mask": base64.b64encode(files["mask"][1]).decode(), "rotate": "90"}
    job = web.post(f"/api/jobs/{first}/run-again", json={"options": options}).json()["id"]
    page.goto(f"{web.url}/?job={job}")
    wait_until_shown(page)
    page.click("#mark-damage")
    page.click("#damage button[value=yes]")
    wait_for_another(page, first, job)
    assert np.array_equal(mask_now(), np.rot90(marks, -1))  # the mask of the whole photo


def test_the_result_is_announced_copied_and_shown_in_its_folder(web: Server, open_page: OpenPage):
    page = open_page(web.url)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=web.url)

    def answer_late(route: Route) -> None:
        web.wait_for(route.request.url.rpartition("/")[2])  # it is done before the page looks
        route.continue_()

    page.route(re.compile(r"/api/jobs/\w+$"), answer_late)
    restore(page, "Aunt Mary.jpg", 6)
    expect(page.locator("#announce")).to_contain_text("Aunt Mary.jpg: 1 face restored")
    expect(page.locator("#filename")).to_be_focused()
    expect(page).to_have_title(re.compile("✓ Aunt Mary.jpg"))
    page.unroute_all()
    page.click("#copy-picture")
    expect(page.locator(".toast")).to_have_text("The picture is copied")
    size = page.evaluate(
        """async () => {
            const [item] = await navigator.clipboard.read();
            const bitmap = await createImageBitmap(await item.getType("image/png"));
            return [bitmap.width, bitmap.height];
        }"""
    )
    assert size == [320, 320]
    with page.expect_download() as download:
        page.click("#both-pictures")
    assert download.value.suggested_filename == "Aunt Mary-before-after.jpg"
    height, width = cv2.imread(str(download.value.path())).shape[:2]
    assert (height, width) == (320, 2 * 320 + 3)
    job = shown_job(page)
    page.keyboard.press("Control+v")  # and what is copied can be restored
    page.wait_for_url(lambda url: job not in url and "job=" in url)
    wait_until_shown(page)
    page.click("#open-folder")
    folder = Path(web.job(shown_job(page))["folder"]).resolve()
    shown = web.desktop / "shown"
    wait_for(lambda: shown.exists() and shown.read_text())
    assert shown.read_text().strip() == str(folder)


def test_the_result_is_given_to_another_app_under_its_name(web: Server, open_page: OpenPage):
    page = open_page("about:blank")
    page.add_init_script(
        """navigator.canShare = () => true;
        navigator.share = async ({ files: [{ name, size, type }] }) => {
            window.shared = [name, size, type];
        };"""
    )
    page.goto(web.url)
    restore(page, "Tante Käthe.jpg", 6)
    page.get_by_role("button", name="Share").click()
    page.wait_for_function("() => window.shared")
    file = web.get(f"/api/jobs/{shown_job(page)}/items/0/after?download=1").content
    assert page.evaluate("shared") == ["Tante Käthe-restored.jpg", len(file), "image/jpeg"]


def test_an_impossible_number_is_refused_where_it_stands(web: Server, open_page: OpenPage):
    page = open_page(f"{web.url}/batch")
    page.get_by_text("Faces and file").click()
    field = page.locator("#opt-min_face")
    field.fill("-5")
    field.press("Tab")
    words = page.get_by_text("A whole number from 0 to 10000")
    expect(words).to_be_visible()
    expect(field).to_have_attribute("aria-invalid", "true")
    page.set_input_files("#pick", [upload("a.jpg", portrait(7, 192))])
    expect(page.locator("#start")).to_be_enabled()
    page.click("#start")
    page.wait_for_load_state("networkidle")
    assert "/batch" in page.url
    field.fill("5")
    expect(words).to_be_hidden()
    page.click("#start")
    page.wait_for_url("**/jobs/*")


def test_the_divider_moves_by_a_step_for_each_key(web: Server, open_page: OpenPage):
    page = open_page(web.url)
    restore(page, number=8)
    divider = page.locator("img-comparison-slider")
    divider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    expect(divider).to_have_attribute("aria-valuenow", "44")


def test_back_closes_the_viewer_of_an_album_and_a_failed_photo_has_no_empty_one(
    web: Server, open_page: OpenPage
):
    album = web.new_album([("a.jpg", portrait(9, 192)), ("torn.jpg", portrait(2)[:700])])
    web.wait_for(album)
    page = open_page(f"{web.url}/jobs/{album}", viewport=PHONE)
    first, last = (page.locator(f"#grid .cell[title='{name}']") for name in ("a.jpg", "torn.jpg"))
    first.click()
    expect(page.locator("#lightbox")).to_be_visible()
    page.go_back()
    expect(page.locator("#lightbox")).to_be_hidden()
    assert f"/jobs/{album}" in page.url
    first.click()
    page.get_by_role("button", name="Settings").click()
    expect(page.locator(".face-card")).to_have_count(1)
    page.get_by_role("button", name="Next photo").click()
    expect(page.locator("#photo-note")).to_contain_text("torn.jpg")
    expect(page.locator("#lightbox .viewer")).to_be_hidden()
    expect(page.locator("#face-strip")).to_be_hidden()  # those were the other photo's
    page.keyboard.press("Escape")  # without a mouse too
    expect(page.locator("#lightbox")).to_be_hidden()
    expect(last).to_be_focused()
    for key in ("Enter", "PageUp"):
        page.keyboard.press(key)
        expect(page.locator("#lightbox")).to_be_visible()
    expect(page.locator("#photo-name")).to_have_text("a.jpg")
    # Whoever opens another one before the page is told that this one was closed gets it.
    page.evaluate("() => { document.querySelector('#lightbox').close(); location.hash = '#1'; }")
    expect(page.locator("#photo-name")).to_have_text("torn.jpg")
    expect(page.locator("#lightbox")).to_be_visible()


def test_a_dropped_photo_does_not_replace_a_page_that_takes_none(web: Server, open_page: OpenPage):
    page = open_page(f"{web.url}/jobs")
    drop = """() => {
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File(["x"], "a.jpg", { type: "image/jpeg" }));
        const drop = new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true });
        return !document.body.dispatchEvent(drop);
    }"""
    page.wait_for_load_state("networkidle")
    assert page.evaluate(drop), "the browser would show the file in place of the page"
    expect(page.locator(".toast")).to_contain_text("on the pages Photo and Album")


def test_a_long_dialog_keeps_its_buttons_in_sight(web: Server, open_page: OpenPage):
    album = web.new_album([("a.jpg", portrait(9, 192))])
    web.wait_for(album)
    page = open_page(f"{web.url}/jobs/{album}#again", viewport={"width": 1024, "height": 768})
    page.locator("#again summary").first.click()
    for selector in ("#again h2", "#again-start"):
        box = page.locator(selector).bounding_box()
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= 768
