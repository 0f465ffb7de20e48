"""One photo in a real browser: from the drop to the download."""

import base64
import re
from pathlib import Path

from playwright.sync_api import Route, expect

from gpen_webui.photo.formats import SUFFIX_OF
from tests.browser import (
    OpenPage,
    landscape,
    portrait,
    restore,
    shown_job,
    upload,
    wait_until_shown,
)
from tests.server import Server

pytest_plugins = ["tests.browser_fixtures"]

FARTHEST_IN_FRAMES = """async (from) => {
    const slider = document.querySelector("img-comparison-slider");
    let farthest = 0;
    for (let frame = 0; frame < 12; frame += 1) {
        await new Promise(requestAnimationFrame);
        farthest = Math.max(farthest, Math.abs(slider.value - from));
    }
    return farthest;
}"""


def test_a_photo_is_restored_compared_and_downloaded(web: Server, open_page: OpenPage):
    page = open_page(web.url)
    page.set_input_files("#pick", [upload("Aunt Mary.jpg", portrait(1))])
    expect(page.locator("#stages")).to_be_visible()
    wait_until_shown(page)

    expect(page.locator("#filename")).to_have_text("Aunt Mary.jpg")
    expect(page.locator("#facts")).to_contain_text("1 face restored")
    expect(page).to_have_title(re.compile("✓ Aunt Mary.jpg"))
    expect(page.locator("#file-facts")).to_have_text(re.compile(r"JPEG, 320 . 320 pixels, \d+ kB"))
    with page.expect_download() as download:
        page.click("#download")
    assert download.value.suggested_filename == "Aunt Mary-restored.jpg"
    result = Path(web.job(shown_job(page))["folder"]) / "Aunt Mary.jpg"
    assert Path(download.value.path()).read_bytes() == result.read_bytes()


def test_the_address_shows_the_same_photo_after_a_reload(web: Server, open_page: OpenPage):
    page = open_page(web.url)
    restore(page, "again.jpg", 2)
    page.reload()
    wait_until_shown(page)
    expect(page.locator("#filename")).to_have_text("again.jpg")
    other = open_page(page.url)
    wait_until_shown(other)
    expect(other.locator("#filename")).to_have_text("again.jpg")


def test_at_100_percent_a_photo_pixel_is_a_screen_pixel(web: Server, open_page: OpenPage):
    page = open_page(web.url)
    restore(page, number=3, side=1800)
    page.click("[data-zoom='1']")
    picture = page.locator(".viewer .after")
    expect(picture).to_have_css("width", "1800px")
    assert picture.evaluate("image => image.naturalWidth") == 1800
    page.click("[data-zoom='fit']")
    assert picture.evaluate("image => image.getBoundingClientRect().height") < 900


def test_the_divider_moves_by_mouse_and_by_key(web: Server, open_page: OpenPage):
    page = open_page(web.url)
    held: list[Route] = []
    page.route("**/condition", lambda route: held.append(route))
    with page.expect_request("**/condition"):
        restore(page, "swing.jpg", number=4)
    slider = page.locator("img-comparison-slider")
    box = slider.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2)
    expect(slider).to_have_attribute("aria-valuenow", "25")
    held[0].continue_()
    expect(page).to_have_title(re.compile("✓ swing.jpg"))
    assert page.evaluate(FARTHEST_IN_FRAMES, 25) < 0.5, "it swings in somebody's hand"
    slider.focus()
    page.keyboard.press("End")
    expect(slider).to_have_attribute("aria-valuenow", "100")


def test_in_a_zoomed_photo_the_handle_moves_the_divider_and_the_rest_the_photo(
    web: Server, open_page: OpenPage
):
    page = open_page(web.url)
    restore(page, number=3, side=1500)
    page.click("[data-zoom='2']")
    slider, picture = page.locator("img-comparison-slider"), page.locator(".viewer .after")
    box = slider.bounding_box()
    middle = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}

    def drag(x: float, y: float, by: float) -> float:
        """How far the photo moved."""
        before = picture.bounding_box()["x"]
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + by, y, steps=4)
        page.mouse.up()
        return picture.bounding_box()["x"] - before

    assert drag(middle["x"], middle["y"], -box["width"] / 4) == 0
    expect(slider).to_have_attribute("aria-valuenow", "25")
    assert abs(drag(middle["x"], middle["y"] + 150, 120) - 120) < 2
    expect(slider).to_have_attribute("aria-valuenow", "25")


def test_the_photo_as_it_was_is_seen_while_a_button_is_held(web: Server, open_page: OpenPage):
    page = open_page(web.url)
    restore(page, number=7)
    button, slider = page.locator("[data-hold]"), page.locator("img-comparison-slider")
    button.dispatch_event("pointerdown")
    assert slider.evaluate("slider => slider.value") == 100
    button.dispatch_event("pointerup")
    assert slider.evaluate("slider => slider.value") == 50


def test_faces_are_outlined_where_they_are_when_that_is_asked_for(web: Server, open_page: OpenPage):
    page = open_page(web.url)
    restore(page, number=5)
    layer = page.locator(".faces")
    page.hover("img-comparison-slider")
    expect(layer).to_have_css("opacity", "0")  # nothing lies over what is being judged
    page.click(".viewer [data-faces]")
    expect(layer).to_have_css("opacity", "1")
    outline, photo = (
        page.locator(selector).bounding_box() for selector in (".face", ".viewer .after")
    )
    item = web.get(f"/api/jobs/{shown_job(page)}/items/0").json()
    left, top, right, _ = item["report"]["faces"][0]["box"]
    scale = photo["width"] / 320
    assert abs(outline["x"] - (photo["x"] + left * scale)) < 3
    assert abs(outline["y"] - (photo["y"] + top * scale)) < 3
    assert abs(outline["width"] - (right - left) * scale) < 3
    page.click(".face-number")  # leads to what can be set for that face
    expect(page.locator(".face-card input[type=checkbox]")).to_be_focused()
    expect(page.locator(".face-card")).to_be_in_viewport()


def test_photos_are_taken_from_the_clipboard_and_from_drops(web: Server, open_page: OpenPage):
    page = open_page(web.url)
    for number, (kind, carrier) in enumerate(
        [("paste", "clipboardData"), ("drop", "dataTransfer")], start=8
    ):
        content = base64.b64encode(portrait(number)).decode()
        page.evaluate(
            """([kind, carrier, content]) => {
                const bytes = Uint8Array.from(atob(content), (char) => char.charCodeAt(0));
                const data = new DataTransfer();
                data.items.add(new File([bytes], `${kind}.jpg`, { type: "image/jpeg" }));
                const Kind = kind === "paste" ? ClipboardEvent : DragEvent;
                const event = new Kind(kind, { [carrier]: data, bubbles: true, cancelable: true });
                document.body.dispatchEvent(event);
            }""",
            [kind, carrier, content],
        )
        expect(page.locator("#filename")).to_have_text(f"{kind}.jpg")
        wait_until_shown(page)


def test_a_photo_without_a_face_is_shown_unchanged_with_words(web: Server, open_page: OpenPage):
    page = open_page(web.url)
    page.set_input_files("#pick", [upload("field.jpg", landscape())])
    wait_until_shown(page)
    expect(page.locator("#facts")).to_have_text("No face was found")
    expect(page.locator("#warnings")).to_contain_text("The photo is unchanged")
    expect(page.locator("span.handle")).to_be_hidden()


def test_a_damaged_photo_is_explained_and_the_next_one_works(web: Server, open_page: OpenPage):
    page = open_page(web.url)
    page.set_input_files("#pick", [upload("torn.jpg", portrait(10)[:900])])
    trouble = page.locator("#trouble")
    expect(trouble).to_be_visible()
    expect(trouble).to_contain_text("torn.jpg is damaged or cut short")
    restore(page, "whole.jpg", 11)
    expect(trouble).to_be_hidden()


def test_a_file_that_is_no_photo_is_refused_at_once(web: Server, open_page: OpenPage):
    page = open_page(web.url)
    page.set_input_files("#pick", [upload("letter.txt", b"Dear Mary", "text/plain")])
    expect(page.get_by_text("letter.txt: not a photo")).to_be_visible()
    expect(page.locator("#studio")).to_have_attribute("data-state", "empty")


def test_the_page_offers_exactly_the_formats_that_can_be_restored(web: Server, open_page: OpenPage):
    page = open_page(web.url)
    offered = set(page.get_attribute("#pick", "accept").split(","))
    assert offered >= {suffix for suffixes in SUFFIX_OF.values() for suffix in suffixes}
    assert not offered & {"image/*", "image/svg+xml", ".svg"}
    page.set_input_files("#pick", [upload("drawing.svg", b"<svg/>", "image/svg+xml")])
    expect(page.get_by_text("drawing.svg: a format that cannot be restored")).to_be_visible()
    expect(page.locator("#studio")).to_have_attribute("data-state", "empty")


def test_a_page_keeps_its_heading_when_a_photo_has_taken_its_place(
    web: Server, open_page: OpenPage
):
    page = open_page(web.url)
    restore(page, number=12)
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_have_text("Restore the faces in a photo")
    expect(heading).to_have_css("position", "absolute")  # there to be read aloud, not to be seen
    expect(page.get_by_text("Choose a photo", exact=True)).to_be_hidden()


def test_the_sample_photo_works_without_a_photo_at_hand(web: Server, open_page: OpenPage):
    page = open_page(web.url)
    page.click("#sample")
    wait_until_shown(page)
    expect(page.locator("#facts")).to_contain_text("1 face restored")
