"""Single faces in a real browser: those that were missed, and how each is restored."""

import re
import shutil
from pathlib import Path

import cv2
import numpy as np
from playwright.sync_api import Locator, Page, Route, expect

from gpen_webui.models.published import EMBEDDED
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
from tests.server import PROJECT, Server
from tests.tiny_gpen import make_tiny_model
from tests.waiting import wait_for

pytest_plugins = ["tests.browser_fixtures"]


def drag_over(page: Page, picture: Locator, box: tuple[float, float, float, float]) -> None:
    """Draw a box over a picture: left, top, right, bottom in parts of it."""
    place = picture.bounding_box()
    along = [place["x"] + part * place["width"] for part in box[::2]]
    down = [place["y"] + part * place["height"] for part in box[1::2]]
    page.mouse.move(along[0], down[0])
    page.mouse.down()
    page.mouse.move(along[1], down[1], steps=4)
    page.mouse.up()


def test_a_missed_face_is_added_by_a_box_changed_and_taken_out_again(
    web: Server, open_page: OpenPage
):
    page = open_page(web.url)
    page.set_input_files("#pick", [upload("meadow.jpg", landscape())])
    wait_until_shown(page)
    first = shown_job(page)
    page.get_by_role("button", name="Add a missed face").click()
    drag_over(page, page.locator(".viewer .before"), (0.25, 0.4, 0.5, 0.7))
    page.get_by_role("button", name="Add this face").click()
    wait_for_another(page, first)
    card = page.locator(".face-card")
    expect(card).to_have_count(1)
    expect(card.locator("small")).to_contain_text("Nothing was recognised here")
    expect(page.locator("#warnings")).to_contain_text("No face was recognised in the box")
    drawn = np.array(report_of(web, page)["faces"][0]["added"])
    assert np.abs(drawn - (80, 128, 80, 96)).max() <= 2

    added = shown_job(page)
    card.get_by_label("Look of face 1").select_option("strong")
    wait_for_another(page, added)
    chosen = report_of(web, page)
    assert (chosen["faces"][0]["mode"], chosen["options"]["mode"]) == ("strong", "natural")
    page.reload()  # another page knows what was decided
    wait_until_shown(page)
    expect(card.get_by_label("Look of face 1")).to_have_value("strong")

    result = Path(web.job(shown_job(page))["folder"]) / "meadow.jpg"
    options = {name: chosen["options"][name] for name in ("add_face", "face_mode", "face_boxes")}
    same = web.post(
        "/enhance?wait=1", files={"photo": ("meadow.jpg", landscape())}, data=options
    ).content
    assert result.read_bytes() == same  # whichever way it was asked for

    strong = shown_job(page)
    page.get_by_role("button", name="Remove face 1").click()
    wait_for_another(page, strong)
    expect(card).to_have_count(0)
    options = report_of(web, page)["options"]
    assert {options[name] for name in ("add_face", "face_mode", "face_boxes")} == {""}


def test_a_box_is_drawn_by_keys_survives_a_result_and_is_given_up_by_escape(
    web: Server, open_page: OpenPage
):
    page = open_page(web.url)
    restore(page, "keys.jpg", 31)
    first = shown_job(page)
    add, box = page.locator("#face-add"), page.locator(".drawn-box")
    add.press("Enter")
    expect(box).to_be_focused()
    before = box.bounding_box()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+ArrowDown")
    after = box.bounding_box()
    assert after["x"] < before["x"]
    assert after["height"] > before["height"]
    page.keyboard.press("Escape")
    expect(box).to_be_hidden()
    expect(add).to_be_focused()
    assert shown_job(page) == first
    page.locator("#opt-strength").fill("40")
    add.press("Enter")
    for _ in range(30):
        page.keyboard.press("ArrowDown")
    drawn = box.bounding_box()
    wait_for_another(page, first)  # a result that arrives leaves the box in the making alone
    second = shown_job(page)
    assert box.bounding_box() == drawn
    expect(box).to_be_focused()
    page.keyboard.press("Enter")
    wait_for_another(page, first, second)
    report = report_of(web, page)
    assert len(report["faces"]) == 2
    assert report["faces"][1]["added"]


def test_settings_that_are_changed_while_a_photo_is_in_work_apply_to_it(
    web: Server, open_page: OpenPage
):
    page = open_page(web.url)
    page.select_option("#opt-enlarge", "4")
    page.select_option("#opt-background", "restore")  # which takes long
    sending: list[Route] = []
    page.route("**/enhance", lambda route: sending.append(route))
    with page.expect_request("**/enhance"):
        page.set_input_files("#pick", [upload("slow.jpg", portrait(32, 700))])
    page.locator("#opt-strength").fill("35")
    sending[0].continue_()
    page.wait_for_url(re.compile("job="))
    first = shown_job(page)

    def hold_first(route: Route) -> None:
        sending.append(route)
        if len(sending) > 2:
            route.continue_()

    page.route("**/run-again", hold_first)
    with page.expect_request("**/run-again"):
        page.select_option("#opt-background", "off")
    page.select_option("#opt-enlarge", "1")  # while it begins anew
    sending[1].continue_()
    wait_for_options(web, page, background="off", enlarge="1", strength=35)
    assert shown_job(page) != first
    wait_for(lambda: web.get(f"/api/jobs/{first}").status_code == 404)


def test_what_is_set_for_a_photo_without_a_face_is_applied_or_said_not_to_be(
    web: Server, open_page: OpenPage
):
    page = open_page(web.url)
    page.set_input_files("#pick", [upload("field.jpg", landscape())])
    wait_until_shown(page)
    first = shown_job(page)
    page.locator("#opt-strength").fill("90")
    wait_for_another(page, first)
    expect(page.locator("#warnings")).to_contain_text("look and skin colour change faces alone")
    unchanged = shown_job(page)
    page.locator("#opt-brightness").evaluate(
        "s => { s.value = 30; s.dispatchEvent(new Event('change', {bubbles: true})) }"
    )
    wait_for_another(page, unchanged)
    expect(page.locator("#warnings")).to_contain_text("adjusted all the same")
    expect(page.locator(".viewer .after")).to_be_visible()


def versions_shown(page: Page) -> list[str]:
    return page.locator(".viewer .tag").all_inner_texts()


def test_any_two_versions_are_compared_also_those_that_were_only_tried(
    web: Server, open_page: OpenPage
):
    page = open_page(web.url)
    restore(page, "versions.jpg", 33)
    jobs = [shown_job(page)]
    for strength in ("20", "90"):
        page.locator("#opt-strength").fill(strength)
        wait_for_another(page, jobs[-1])
        jobs.append(shown_job(page))
    tried = f"/api/jobs/{jobs[1]}"
    wait_for(lambda: web.get(tried).status_code == 404)  # one folder for what was tried
    left, right = page.locator("#version-left"), page.locator("#version-right")
    expect(right.locator("option")).to_have_count(4)
    assert versions_shown(page) == ["Before", "After"]
    right.select_option(jobs[1])
    expect(page.locator(".tag-after")).to_have_text(re.compile("^2: Strength 20"))
    left.select_option(jobs[0])
    expect(page.locator(".tag-before")).to_have_text(re.compile("^1: Strength 70"))
    before, after = page.locator(".viewer .before"), page.locator(".viewer .after")
    page.locator("label", has=page.locator("#side-by-side")).click()
    middle = page.locator("img-comparison-slider").bounding_box()
    middle = middle["x"] + middle["width"] / 2
    places = before.bounding_box(), after.bounding_box()
    assert places[0]["x"] + places[0]["width"] <= middle + 1
    assert places[1]["x"] >= middle - 1
    assert places[0]["width"] == places[1]["width"]
    page.click("#version-use")
    wait_for_another(page, jobs[2])
    expect(page.locator("#opt-strength")).to_have_value("20")
    assert versions_shown(page) == ["Before", "After"]
    wait_for(lambda: web.get(f"/api/jobs/{jobs[2]}").status_code == 404)
    names = right.locator("option").all_inner_texts()
    page.reload()
    wait_until_shown(page)
    expect(right.locator("option")).to_have_text(names)
    right.select_option(jobs[2])  # it is gone from the server, and is made again
    expect(page.locator(".tag-after")).to_have_text(re.compile("^3: Strength 90"))
    assert after.evaluate("image => image.src").startswith("blob:")
    wait_for(lambda: len(web.get(f"/api/jobs/{jobs[0]}/versions").json()["versions"]) == 2)


def test_a_versions_name_begins_with_what_differs(web: Server, open_page: OpenPage):
    page = open_page(web.url)
    restore(page, "names.jpg", 34)
    first = shown_job(page)
    page.locator("label", has=page.locator("input[name=mode][value=strong]")).click()
    wait_for_another(page, first)
    expect(page.locator("#version-right option").last).to_have_text(re.compile("^2: Strong"))


WATCH_DIVIDER = """() => {
    const slider = document.querySelector("img-comparison-slider");
    const middle = (e) => e.getBoundingClientRect().x + e.getBoundingClientRect().width / 2;
    const places = [];
    const divider = {
        farthest: 0,
        hasSwung: () => Math.max(...places) - Math.min(...places) > 15,
        isAtRest: () => slider.value === 50,
    };
    const look = () => {
        requestAnimationFrame(look);
        if (document.querySelector(".viewer").dataset.loading !== "no") return;
        const line = middle(slider.shadowRoot.querySelector(".divider"));
        const off = Math.abs(middle(document.querySelector(".handle")) - line);
        places.push(line);
        divider.farthest = Math.max(divider.farthest, off);
    };
    look();
    window.divider = divider;
}"""


def test_the_first_sight_is_the_largest_face_where_it_is_small_and_changes_have_colours(
    web: Server, open_page: OpenPage
):
    page = open_page(web.url)
    meadow = cv2.imdecode(np.frombuffer(landscape(1200), np.uint8), cv2.IMREAD_COLOR)
    face = cv2.imdecode(np.frombuffer(portrait(34, 300, shrink=4), np.uint8), cv2.IMREAD_COLOR)
    meadow[800:1100, 100:400] = face
    photo = cv2.imencode(".jpg", meadow)[1].tobytes()
    page.evaluate(WATCH_DIVIDER)
    page.set_input_files("#pick", [upload("far away.jpg", photo)])
    wait_until_shown(page)
    expect(page.locator(".first-sight")).to_be_visible()
    # It swings, so that one sees that it can be moved; its knob stays on its line.
    page.wait_for_function("() => window.divider.hasSwung() && window.divider.isAtRest()")
    assert page.evaluate("window.divider.farthest") < 1
    expect(page.locator(".viewer")).to_have_attribute("data-zoomed", "yes")
    shown, view = page.locator(".face").bounding_box(), page.locator(".viewer").bounding_box()
    assert abs(shown["x"] + shown["width"] / 2 - view["x"] - view["width"] / 2) < 30
    expect(page.locator(".face-card small")).to_contain_text("much is invented")

    page.get_by_role("button", name="Show the whole photo").click()
    expect(page.locator(".first-sight")).to_be_hidden()
    expect(page.locator(".viewer")).to_have_attribute("data-zoomed", "no")
    page.click("[data-changes]")
    canvas = page.locator("canvas.changes")
    expect(canvas).to_be_visible()
    page.wait_for_function("() => document.querySelector('canvas.changes').style.width")
    coloured = canvas.evaluate(
        """canvas => {
            const { width, height } = canvas;
            const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
            const photo = document.querySelector(".viewer .after").getBoundingClientRect();
            const place = canvas.getBoundingClientRect();
            let [sum, x, y] = [0, 0, 0];
            for (let i = 0; i < width * height; i += 1) {
                const weight = Math.max(0, data[4 * i + 3] - 60);
                sum += weight;
                x += weight * (i % width) * (place.width / width);
                y += weight * Math.floor(i / width) * (place.height / height);
            }
            return [sum / (160 * width * height), (x / sum - photo.x + place.x) / photo.width,
                (y / sum - photo.y + place.y) / photo.height];
        }"""
    )
    share, x, y = coloured
    assert 0 < share < 0.05
    left, top, right, bottom = report_of(web, page)["faces"][0]["box"]
    assert abs(x - (left + right) / 2400) < 0.05
    assert abs(y - (top + bottom) / 2400) < 0.05


def test_where_the_small_model_meets_too_much_the_authors_is_tried_and_both_stand_side_by_side(
    open_page: OpenPage, tmp_path: Path
):
    models = tmp_path / "models"
    models.mkdir()
    shutil.copy(PROJECT / "models" / f"{EMBEDDED}.safetensors", models)
    with Server(tmp_path / "outputs", "--models", str(models)) as server:
        page = open_page(server.url)
        page.set_input_files("#pick", [upload("tiny.jpg", portrait(35, 320, shrink=8))])
        expect(page.locator("#facts")).to_contain_text("1 face restored", timeout=180_000)
        wait_until_shown(page)
        first = shown_job(page)
        offer, question = page.locator("#model-offer"), page.locator("#model-ask")
        expect(offer).to_contain_text("too small or too blurred for the small model")
        offer.get_by_role("button", name="Try the authors").click()
        expect(question).to_contain_text("gpen-bfr-512 is a download of 284 MB.")
        expect(question).to_contain_text("state no licence")
        page.keyboard.press("Escape")
        tiny = make_tiny_model(tmp_path)  # in its place: what is fetched is tested elsewhere
        tiny.path.rename(models / "gpen-bfr-512.safetensors")
        offer.get_by_role("button", name="Try the authors").click()
        expect(question).to_contain_text("installed already")
        question.get_by_role("button", name="Try it").click()
        wait_for_another(page, first)
        expect(page.locator("#side-by-side")).to_be_checked()
        tags = page.locator(".viewer .tag")
        expect(tags.first).to_have_text(re.compile(rf"^1: .*{EMBEDDED}$"))
        expect(tags.last).to_have_text(re.compile("^2: .*gpen-bfr-512$"))
        assert report_of(server, page)["model"] == "gpen-bfr-512"
        assert server.get(f"/api/jobs/{first}").status_code == 200
