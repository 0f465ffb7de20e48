"""Settings of one photo in a real browser: strength, single faces, presets, prints as a whole."""

import re

import cv2
import numpy as np
from playwright.sync_api import Page, Route, expect

from tests.browser import (
    OpenPage,
    landscape,
    portrait,
    report_of,
    restore,
    shown_job,
    upload,
    wait_for_another,
    wait_for_options,
    wait_until_shown,
)
from tests.server import Server
from tests.waiting import wait_for

pytest_plugins = ["tests.browser_fixtures"]


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
        wait_for_another(page, job)
        report = report_of(web, page)
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
        wait_for_another(page, *seen)
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

    def there() -> set[str]:
        return {job for job in seen if web.get(f"/api/jobs/{job}").status_code == 200}

    wait_for(lambda: there() == {first, last}, said=lambda: f"{there()} of {seen}")


def test_other_settings_that_take_long_say_how_far_they_are_and_can_be_stopped(
    web: Server, open_page: OpenPage
):
    page = open_page(web.url)
    restore(page, number=9, side=900)
    job, note = shown_job(page), page.locator("#rerun")
    page.locator("#opt-background").evaluate("field => (field.value = 'restore')")
    with page.expect_response("**/run-again") as answer:
        page.locator("#opt-enlarge").select_option("4")
    trial = answer.value.json()["id"]
    expect(note.locator(".stage-now")).to_have_text(re.compile(r"Enlarging .* \d+\s?%"))
    with page.expect_response(lambda answer: answer.request.method == "DELETE"):
        note.get_by_role("button", name="Stop").click()
    expect(note).to_be_hidden()
    expect(page.locator("#opt-enlarge")).to_have_value("1")
    expect(page.locator("#opt-background")).to_have_value("off")
    assert shown_job(page) == job
    assert web.get(f"/api/jobs/{trial}").status_code == 404
    expect(page.locator("#redo")).to_be_enabled()


def test_another_strength_needs_no_network_and_keeps_the_view(web: Server, open_page: OpenPage):
    page = open_page(web.url)
    restore(page, number=6)
    first = shown_job(page)
    page.click("[data-zoom='2']")
    page.locator("#opt-strength").fill("20")
    wait_for_another(page, first)

    second = report_of(web, page)
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


def test_a_photo_with_a_small_face_is_enlarged_by_one_click(web: Server, open_page: OpenPage):
    page = open_page(web.url)
    restore(page, "small.jpg", 30, side=240)
    words = re.compile(r"largest face is \d+ px wide: enlarged 2 times")
    proposal = page.locator("#suggestions li").filter(has_text=words)
    proposal.get_by_role("button", name="Enlarge: 2 times").click()
    expect(page.locator("#facts")).to_contain_text("enlarged 2 times")
    wait_until_shown(page)
    expect(proposal).to_be_hidden()
    expect(page.locator(".viewer .after")).to_have_js_property("naturalWidth", 480)
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
    expect(page.locator("#warnings")).to_contain_text(
        "repaired, enlarged, cleaned or adjusted all the same"
    )
    expect(page.locator(".viewer .after")).to_be_visible()


def test_a_photo_that_lies_on_its_side_is_turned_by_one_click(web: Server, open_page: OpenPage):
    pixels = cv2.imdecode(np.frombuffer(portrait(14), np.uint8), cv2.IMREAD_COLOR)[:280]
    on_its_side = cv2.imencode(".jpg", cv2.rotate(pixels, cv2.ROTATE_90_CLOCKWISE))[1].tobytes()
    page = open_page(web.url)
    page.set_input_files("#pick", [upload("turned.jpg", on_its_side)])
    wait_until_shown(page)
    expect(page.locator("#warnings")).to_contain_text("All faces lie on their side.")
    lies = shown_job(page)
    upright = page.get_by_role("button", name="Turn the photo so that its faces are upright")
    upright.click()
    wait_for_another(page, lies)
    expect(upright).to_be_hidden()
    for side in (".viewer .before", ".viewer .after"):
        expect(page.locator(side)).to_have_js_property("naturalWidth", 320)
        expect(page.locator(side)).to_have_js_property("naturalHeight", 280)
    as_it_was = web.get(f"/api/jobs/{shown_job(page)}/items/0/before?turned=0").content
    assert cv2.imdecode(np.frombuffer(as_it_was, np.uint8), -1).shape[:2] == (320, 280)
    report = report_of(web, page)
    assert (report["turn"], report["warnings"]) == (270, [])
    assert "network" not in report["seconds"]


def test_damage_is_marked_with_the_brush_filled_and_stays_through_other_settings(
    web: Server, open_page: OpenPage
):
    page = open_page(web.url)
    held: list[Route] = []
    page.route("**/versions", lambda route: held.append(route))
    with page.expect_request("**/versions"):
        restore(page, "brush.jpg", number=8)
    page.click("#mark-damage")  # before all is known of the photo
    canvas = page.locator("#damage canvas")
    expect(canvas).to_be_hidden()
    held[0].continue_()
    page.unroute_all()
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
    wait_for_options(web, page, strength=50)
    page.route("**/before?turned=0*", lambda route: None)  # it never comes
    page.click("#mark-damage")
    expect(page.locator("#damage .primary")).to_be_disabled()  # else the marks would be gone
    page.keyboard.press("Escape")
    expect(page.locator("#notes")).to_contain_text("Damage was filled in")
    second = shown_job(page)
    page.locator("#opt-strength").fill("30")
    wait_for_another(page, second)
    expect(page.locator("#notes")).to_contain_text("Damage was filled in")


def test_a_faded_print_is_evened_out_by_one_click_also_without_a_face(
    web: Server, open_page: OpenPage
):
    page = open_page(web.url)
    pixels = cv2.imdecode(np.frombuffer(landscape(), np.uint8), cv2.IMREAD_COLOR)
    faded = cv2.imencode(".png", (0.4 * pixels + 110).astype(np.uint8))[1].tobytes()
    page.set_input_files("#pick", [upload("faded.png", faded, "image/png")])
    even_out = page.get_by_role("button", name="Fading: Even out")
    even_out.click()
    expect(page.locator("#notes")).to_contain_text("Faded levels were evened out")
    expect(even_out).to_be_hidden()
    expect(page.locator(".viewer .after")).to_be_visible()


def test_the_part_in_view_is_shown_ahead_of_the_exact_result_and_moves_with_the_photo(
    web: Server, open_page: OpenPage
):
    page = open_page(web.url)
    restore(page, number=21)
    before, job = face_on_screen(page), shown_job(page)
    held = []
    page.route("**/run-again", lambda route: held.append(route))
    with page.expect_request("**/run-again"):
        page.locator("#opt-contrast").evaluate(
            "c => { c.value = 45; c.dispatchEvent(new Event('change', {bubbles: true})) }"
        )
    ahead = page.locator("canvas.ahead")
    expect(ahead).to_be_visible()
    shown = face_on_screen(page)
    assert shown_job(page) == job
    page.locator(".face-look").click()
    expect(page.locator(".viewer")).to_have_attribute("data-zoomed", "yes")
    expect(ahead).to_be_visible()  # made anew for what is in view now
    page.locator("[data-zoom=fit]").click()
    expect(ahead).to_be_visible()
    held[0].continue_()
    expect(page).not_to_have_url(re.compile(job))
    expect(ahead).to_be_hidden()
    exact = face_on_screen(page)
    assert np.abs(shown - exact).mean() < 0.3 * np.abs(before - exact).mean()
