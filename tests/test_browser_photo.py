"""One photo in a real browser: from the drop to the download."""

import base64
import re
from pathlib import Path

import cv2
import numpy as np
from playwright.sync_api import Page, expect

from gpen_webui.photo.formats import SUFFIX_OF
from tests.browser import OpenPage, landscape, portrait, upload
from tests.server import Server

pytest_plugins = ["tests.browser_fixtures"]


def restore(page: Page, name: str = "Aunt Mary.jpg", number: int = 0, side: int = 320) -> None:
    """Choose a photo and wait until it can be compared."""
    page.set_input_files("#pick", [upload(name, portrait(number, side))])
    wait_until_shown(page)


def wait_until_shown(page: Page) -> None:
    expect(page.locator(".viewer")).to_have_attribute("data-loading", "no")


def shown_job(page: Page) -> str:
    return re.search(r"job=(\w+)", page.url).group(1)


def test_a_photo_is_restored_compared_and_downloaded(web: Server, open_page: OpenPage):
    page = open_page(web.url)
    page.set_input_files("#pick", [upload("Aunt Mary.jpg", portrait(1))])
    expect(page.locator("#stages")).to_be_visible()
    wait_until_shown(page)

    expect(page.locator("#filename")).to_have_text("Aunt Mary.jpg")
    expect(page.locator("#facts")).to_contain_text("1 face restored")
    expect(page).to_have_title(re.compile("✓ Aunt Mary.jpg"))
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
    restore(page, number=4)
    slider = page.locator("img-comparison-slider")
    box = slider.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2)
    expect(slider).to_have_attribute("aria-valuenow", "25")
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


def test_a_face_is_looked_at_made_weaker_switched_off_and_like_the_others_again(
    web: Server, open_page: OpenPage
):
    page = open_page(web.url)
    restore(page, number=16)
    strip, card = page.locator("#face-strip"), page.locator(".face-card")
    expect(card).to_have_count(1)
    card.locator(".face-look").click()
    expect(page.locator(".viewer")).to_have_attribute("data-zoomed", "yes")

    def faces_of_next(job: str) -> dict:
        expect(page).not_to_have_url(re.compile(job))
        expect(page.locator("#rerun")).to_be_hidden()
        report = web.get(f"/api/jobs/{shown_job(page)}/items/0").json()["report"]
        return {name: report["options"][name] for name in ("not_faces", "face_strength")} | {
            "restored": report["faces"][0]["restored"]
        }

    job = shown_job(page)
    card.locator("input[type=range]").fill("20")
    assert faces_of_next(job) == {"not_faces": "", "face_strength": "1=20", "restored": True}
    job = shown_job(page)
    card.locator(".toggle").click()
    assert faces_of_next(job)["restored"] is False
    expect(page.locator("#warnings")).to_contain_text("every face in it is switched off")
    page.reload()
    wait_until_shown(page)
    expect(card.locator("[type=checkbox]")).not_to_be_checked()
    job = shown_job(page)
    strip.locator("#faces-reset").click()
    assert faces_of_next(job) == {"not_faces": "", "face_strength": "", "restored": True}


def face_on_screen(page: Page) -> np.ndarray:
    """The face as the viewer shows it, all of it restored."""
    page.evaluate("document.querySelector('img-comparison-slider').value = 0")
    page.mouse.move(5, 5)
    shot = page.screenshot(clip=page.locator(".face").bounding_box())
    return cv2.imdecode(np.frombuffer(shot, np.uint8), cv2.IMREAD_COLOR).astype(float)


def test_while_the_strength_moves_the_page_shows_what_the_server_will_make(
    web: Server, open_page: OpenPage
):
    page = open_page(web.url)
    restore(page, number=7)
    before, job = face_on_screen(page), shown_job(page)
    strength = page.locator("#opt-strength")
    strength.evaluate("s => { s.value = 5; s.dispatchEvent(new Event('input')) }")
    expect(page.locator("canvas.live")).to_be_visible()
    live = face_on_screen(page)
    assert shown_job(page) == job
    strength.evaluate("s => s.dispatchEvent(new Event('change', {bubbles: true}))")
    expect(page.locator("canvas.live")).to_be_hidden()
    exact = face_on_screen(page)
    assert np.abs(live - exact).mean() < 0.5 * np.abs(before - exact).mean()


def test_the_photo_as_it_was_is_seen_while_a_button_is_held(web: Server, open_page: OpenPage):
    page = open_page(web.url)
    restore(page, number=7)
    button, slider = page.locator("[data-hold]"), page.locator("img-comparison-slider")
    button.dispatch_event("pointerdown")
    assert slider.evaluate("slider => slider.value") == 100
    button.dispatch_event("pointerup")
    assert slider.evaluate("slider => slider.value") == 50


def test_settings_survive_a_reload_of_the_page(web: Server, open_page: OpenPage):
    page = open_page(web.url)
    page.locator("#opt-strength").fill("35")
    page.reload()
    expect(page.locator("#opt-strength")).to_have_value("35")
    other = open_page(web.url)
    expect(other.locator("#opt-strength")).to_have_value("70")


def test_settings_can_be_undone_and_only_the_last_trial_is_kept(web: Server, open_page: OpenPage):
    page = open_page(web.url)
    restore(page, number=8)
    first = shown_job(page)
    seen = {first}
    strength = page.locator("#opt-strength")

    def wait_for_next() -> None:
        page.wait_for_function(
            "seen => !seen.some(job => location.href.includes(job))", arg=[*seen]
        )
        expect(page.locator("#rerun")).to_be_hidden()
        seen.add(shown_job(page))

    for value in ("30", "90"):
        strength.fill(value)
        wait_for_next()
    page.click("#undo")
    wait_for_next()
    expect(strength).to_have_value("30")
    page.keyboard.press("Control+z")
    wait_for_next()
    expect(strength).to_have_value("70")
    expect(page.locator("#undo")).to_be_disabled()
    page.click("#redo")
    wait_for_next()
    expect(strength).to_have_value("30")
    strength.fill("90")  # as it was before it was taken back
    wait_for_next()
    last = shown_job(page)
    there = {job for job in seen if web.get(f"/api/jobs/{job}").status_code == 200}
    assert there == {first, last}


def test_faces_are_outlined_where_they_are_while_the_mouse_is_there(
    web: Server, open_page: OpenPage
):
    page = open_page(web.url)
    restore(page, number=5)
    page.mouse.move(5, 5)
    layer = page.locator(".faces")
    expect(layer).to_have_css("opacity", "0")
    page.hover("img-comparison-slider")
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


def test_another_strength_needs_no_network_and_keeps_the_view(web: Server, open_page: OpenPage):
    page = open_page(web.url)
    restore(page, number=6)
    first = shown_job(page)
    page.click("[data-zoom='2']")
    page.locator("#opt-strength").fill("20")
    page.wait_for_url(lambda url: first not in url)
    wait_until_shown(page)

    second = web.get(f"/api/jobs/{shown_job(page)}/items/0").json()["report"]
    assert second["options"]["strength"] == 20
    assert "network" not in second["seconds"]
    assert "network" in web.get(f"/api/jobs/{first}/items/0").json()["report"]["seconds"]
    expect(page.locator("[data-zoom='2']")).to_have_attribute("aria-pressed", "true")


def test_a_preset_sets_the_options_and_is_taken_along_to_an_album(web: Server, open_page: OpenPage):
    page = open_page(web.url)
    page.get_by_label("Very blurred or noisy").check()
    expect(page.locator("#opt-strength")).to_have_value("100")
    restore(page, number=7)
    page.click("#for-album")
    page.wait_for_url("**/batch?like=*")
    expect(page.get_by_label("Very blurred or noisy")).to_be_checked()
    expect(page.locator("#opt-denoise")).to_have_value("70")


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


def test_a_photo_with_a_small_face_is_enlarged_by_one_click(web: Server, open_page: OpenPage):
    page = open_page(web.url)
    restore(page, "small.jpg", 30, side=240)
    proposal = page.locator("#proposal")
    expect(proposal).to_contain_text(re.compile(r"largest face is \d+ px wide: enlarged 2 times"))
    proposal.get_by_role("button").click()
    expect(page.locator("#facts")).to_contain_text("enlarged 2 times")
    wait_until_shown(page)
    expect(proposal).to_be_hidden()
    assert page.locator(".viewer .after").evaluate("image => image.naturalWidth") == 480
    assert page.locator("#opt-enlarge").input_value() == "2"
    assert web.job(shown_job(page))["options"]["background"] == "clean"
    page.click("[data-faces]")  # they are still where they were in the photo
    face, photo = page.locator(".faces .face").bounding_box(), page.locator(".after").bounding_box()
    assert 0.3 < (face["x"] + face["width"] / 2 - photo["x"]) / photo["width"] < 0.7


def test_a_photo_without_a_face_is_compared_once_it_is_enlarged(web: Server, open_page: OpenPage):
    page = open_page(web.url)
    page.select_option("#opt-enlarge", "2")
    page.set_input_files("#pick", [upload("meadow.jpg", landscape())])
    wait_until_shown(page)
    expect(page.locator("#warnings")).to_contain_text("repaired, enlarged or cleaned all the same")
    expect(page.locator(".viewer .after")).to_be_visible()


def test_a_photo_that_lies_on_its_side_is_turned_by_one_click(web: Server, open_page: OpenPage):
    pixels = cv2.imdecode(np.frombuffer(portrait(14), np.uint8), cv2.IMREAD_COLOR)[:280]
    on_its_side = cv2.imencode(".jpg", cv2.rotate(pixels, cv2.ROTATE_90_CLOCKWISE))[1].tobytes()
    page = open_page(web.url)
    page.set_input_files("#pick", [upload("turned.jpg", on_its_side)])
    wait_until_shown(page)
    expect(page.locator("#warnings")).to_contain_text("All faces lie on their side.")
    lies = shown_job(page)
    page.get_by_role("button", name="Turn it upright").click()
    page.wait_for_url(lambda url: lies not in url)
    wait_until_shown(page)
    expect(page.get_by_role("button", name="Turn it upright")).to_be_hidden()
    for side in (".viewer .before", ".viewer .after"):
        shape = page.locator(side).evaluate("image => [image.naturalWidth, image.naturalHeight]")
        assert shape == [320, 280]
    as_it_was = web.get(f"/api/jobs/{shown_job(page)}/items/0/before?turned=0").content
    assert cv2.imdecode(np.frombuffer(as_it_was, np.uint8), -1).shape[:2] == (320, 280)
    report = web.get(f"/api/jobs/{shown_job(page)}/items/0").json()["report"]
    assert (report["turn"], report["warnings"]) == (270, [])
    assert "network" not in report["seconds"]


def test_damage_is_marked_with_the_brush_filled_and_stays_through_other_settings(
    web: Server, open_page: OpenPage
):
    page = open_page(web.url)
    restore(page, "brush.jpg", number=8)
    first = shown_job(page)
    page.click("#mark-damage")
    canvas = page.locator("#damage canvas")
    expect(canvas).to_be_visible()
    page.wait_for_function("() => document.querySelector('#damage canvas').width > 100")
    expect(page.locator("#damage-undo")).to_be_enabled()  # the proposal
    page.click("#damage-undo")
    expect(page.locator("#damage-undo")).to_be_disabled()
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.1, box["y"] + box["height"] * 0.1)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.1, box["y"] + box["height"] * 0.4, steps=5)
    page.mouse.up()
    page.click("#damage .primary")
    page.locator("#opt-strength").fill("50")  # which overtakes the filling, and does not drop it
    page.wait_for_url(lambda url: first not in url)
    wait_until_shown(page)
    assert web.job(shown_job(page))["options"]["strength"] == 50
    page.route("**/before?turned=0*", lambda route: None)  # it never comes
    page.click("#mark-damage")
    expect(page.locator("#damage .primary")).to_be_disabled()  # else the marks would be gone
    page.keyboard.press("Escape")
    expect(page.locator("#notes")).to_contain_text("Damage was filled in")
    second = shown_job(page)
    page.locator("#opt-strength").fill("30")
    page.wait_for_url(lambda url: second not in url)
    wait_until_shown(page)
    expect(page.locator("#notes")).to_contain_text("Damage was filled in")


def test_a_faded_print_is_evened_out_by_one_click_also_without_a_face(
    web: Server, open_page: OpenPage
):
    page = open_page(web.url)
    pixels = cv2.imdecode(np.frombuffer(landscape(), np.uint8), cv2.IMREAD_COLOR)
    faded = cv2.imencode(".png", (0.4 * pixels + 110).astype(np.uint8))[1].tobytes()
    page.set_input_files("#pick", [upload("faded.png", faded, "image/png")])
    page.click("#seems-faded button")
    expect(page.locator("#notes")).to_contain_text("Faded levels were evened out")
    expect(page.locator("#seems-faded")).to_be_hidden()
    expect(page.locator(".viewer .after")).to_be_visible()
