"""Single faces in a real browser: those that were missed, and how each is restored."""

import re
from pathlib import Path

import numpy as np
from playwright.sync_api import Locator, Page, expect

from tests.browser import OpenPage, landscape, restore, shown_job, upload, wait_until_shown
from tests.server import Server

pytest_plugins = ["tests.browser_fixtures"]


def wait_for_next(page: Page, job: str) -> None:
    """Until another version than this job's is shown."""
    expect(page).not_to_have_url(re.compile(job))
    expect(page.locator("#rerun")).to_be_hidden()


def report_of(web: Server, page: Page) -> dict:
    return web.get(f"/api/jobs/{shown_job(page)}/items/0").json()["report"]


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
    wait_for_next(page, first)
    card = page.locator(".face-card")
    expect(card).to_have_count(1)
    expect(card.locator("small")).to_contain_text("Nothing was recognised here")
    expect(page.locator("#warnings")).to_contain_text("No face was recognised in the box")
    drawn = np.array(report_of(web, page)["faces"][0]["added"])
    assert np.abs(drawn - (80, 128, 80, 96)).max() <= 2

    added = shown_job(page)
    card.get_by_label("Look of face 1").select_option("strong")
    wait_for_next(page, added)
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
    wait_for_next(page, strong)
    expect(card).to_have_count(0)
    options = report_of(web, page)["options"]
    assert {options[name] for name in ("add_face", "face_mode", "face_boxes")} == {""}


def test_a_box_is_drawn_by_keys_alone_and_given_up_by_escape(web: Server, open_page: OpenPage):
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
    add.press("Enter")
    for _ in range(30):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    wait_for_next(page, first)
    report = report_of(web, page)
    assert len(report["faces"]) == 2
    assert report["faces"][1]["added"]
