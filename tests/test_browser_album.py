"""An album in a real browser: collected, watched, stopped, downloaded."""

import io
import re
import signal
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from gpen_webui.options import DEFAULTS, OPTIONS, Group
from tests.browser import PHONE, OpenPage, album_of, portrait, upload
from tests.server import Server

pytest_plugins = ["tests.browser_fixtures"]

SLOW = {"background": "restore"}  # takes about half a second for each of these photos
BAD = [upload("torn.jpg", portrait(90)[:900]), upload("words.jpg", b"these are words")]


def slow_album(web: Server, number: int, start: bool = True) -> str:
    photos = [(f"p{n:02}.jpg", portrait(n, 240)) for n in range(number)]
    return web.new_album(photos, start=start, **SLOW)


def collect(page: Page, files: list[dict]) -> None:
    """Choose photos in the album page and wait until all are sent."""
    page.set_input_files("#pick", files)
    expect(page.locator("#thumbs .cell")).to_have_count(len(files))


def start(page: Page) -> str:
    """Start the album; its id."""
    page.click("#start")
    page.wait_for_url(re.compile("/jobs/"))
    return page.url.rsplit("/", 1)[1].split("#")[0]


def expect_state(page: Page, state: str, patience: float = 120) -> None:
    expect(page.locator("#job")).to_have_attribute("data-state", state, timeout=patience * 1000)


def cells(page: Page, state: str):
    return page.locator(f"#grid .cell[data-state='{state}']")


def test_an_album_with_bad_files_ends_with_words_and_a_true_zip(web: Server, open_page: OpenPage):
    page = open_page(f"{web.url}/batch")
    collect(page, album_of(10, 256) + BAD)
    page.fill("#album-name", "Summer 1974")
    page.get_by_label("Old photo").check()
    job = start(page)
    expect_state(page, "done")

    expect(page.locator("h1")).to_have_text("Summer 1974")
    expect(page.locator("#progress-words")).to_have_text("10 of 12 restored · 2 failed")
    expect(page).to_have_title(re.compile("✓ Done"))
    expect(cells(page, "done")).to_have_count(10)
    words = page.locator("#failures-list")
    expect(words).to_be_visible()  # they are few
    expect(words).to_contain_text("torn.jpg is damaged or cut short")
    expect(words).to_contain_text("words.jpg is not a photo in a known format")

    found = web.job(job)
    assert found["options"]["strength"] == 90
    folder = Path(found["folder"])
    expect(page.locator("#folder")).to_have_text(str(folder))
    with page.expect_download() as download:
        page.click("#download")
    archive = zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes()))
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    names = {name.split("/", 1)[-1] if name not in files else name for name in archive.namelist()}
    assert names == set(files)
    assert len(files) == 12
    for name in archive.namelist():
        path = files.get(name) or files[name.split("/", 1)[-1]]
        assert archive.read(name) == path.read_bytes()

    with page.expect_response("**/retry"):
        page.click("#retry")
    web.wait_for(job)
    expect_state(page, "done")
    expect(page.locator("#announce")).to_contain_text("2 failed")
    attempts = {item["name"]: item["attempt"] for item in web.job(job)["items"]}
    assert {name for name, attempt in attempts.items() if attempt == 2} == {"torn.jpg", "words.jpg"}


def test_the_albums_progress_is_the_same_after_a_reload_and_in_a_second_browser(
    web: Server, open_page: OpenPage
):
    page = open_page("about:blank")
    job = slow_album(web, 10)
    page.goto(f"{web.url}/jobs/{job}")
    expect(page.locator("#pace")).to_have_text(re.compile("photos a minute: .* · about .* left"))
    expect(cells(page, "done").nth(1)).to_be_visible()
    page.reload()
    other = open_page(page.url, color_scheme="dark")
    for watching in (page, other):
        expect(watching.locator("#grid")).to_have_attribute("aria-busy", "false")
        expect(watching.locator("#grid .cell")).to_have_count(10)
        assert cells(watching, "done").count() >= 2
    for watching in (page, other):
        expect_state(watching, "done")
        expect(cells(watching, "done")).to_have_count(10)
        expect(watching.locator("#progress-words")).to_have_text("10 of 10 restored")


def test_an_album_pauses_and_goes_on(web: Server, open_page: OpenPage):
    job = slow_album(web, 5)
    web.post(f"/api/jobs/{job}/pause")  # until the page is there
    page = open_page(f"{web.url}/jobs/{job}")
    page.click("#resume")
    page.click("#pause")
    expect_state(page, "paused")
    # What was begun is finished; the page hears of it a moment later.
    while (counts := web.job(job)["counts"])["running"]:
        page.wait_for_timeout(100)
    assert counts["waiting"] > 0
    expect(cells(page, "running")).to_have_count(0)
    expect(cells(page, "waiting")).to_have_count(counts["waiting"])
    page.wait_for_timeout(1200)
    assert cells(page, "waiting").count() == web.job(job)["counts"]["waiting"] == counts["waiting"]
    page.click("#resume")
    expect_state(page, "done")
    assert all(item["attempt"] == 1 for item in web.job(job)["items"])


def test_cancel_keeps_what_is_finished(web: Server, open_page: OpenPage):
    job = slow_album(web, 30)  # more than are restored until somebody has cancelled
    page = open_page(f"{web.url}/jobs/{job}")
    expect(cells(page, "done").first).to_be_visible()
    page.click("#cancel")
    page.get_by_role("button", name="Cancel the rest").click()
    expect_state(page, "cancelled")
    expect(cells(page, "cancelled").first).to_be_visible()
    counts = web.job(job)["counts"]
    assert counts["done"] >= 1
    assert counts["cancelled"] >= 1
    assert counts["done"] + counts["cancelled"] == 30
    expect(page.locator("#download")).to_be_visible()


def test_a_photo_is_compared_while_the_rest_goes_on(web: Server, open_page: OpenPage):
    job = slow_album(web, 4)
    page = open_page(f"{web.url}/jobs/{job}")
    cells(page, "done").first.click()
    lightbox = page.locator("#lightbox")
    expect(lightbox.locator(".viewer")).to_have_attribute("data-loading", "no")
    expect(page.locator("#photo-facts")).to_contain_text("1 face restored")
    expect_state(page, "done")
    expect(lightbox).to_be_visible()
    name = page.locator("#photo-name").inner_text()
    page.keyboard.press("PageDown")
    expect(page.locator("#photo-name")).not_to_have_text(name)
    page.keyboard.press("Escape")
    expect(lightbox).to_be_hidden()


def test_a_folder_keeps_its_tree_and_its_xmp_files(
    web: Server, open_page: OpenPage, tmp_path: Path
):
    photos = ("Family/1974/10.jpg", "Family/1974/9.jpg", "Family/1975/a.jpg")
    for name in (*photos, "Family/.hidden", "Family/list.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(portrait(len(name), 192))
    (tmp_path / "Family/1974/9.jpg.xmp").write_bytes(b"<caption/>")
    page = open_page(f"{web.url}/batch")
    page.set_input_files("#pick-folder", tmp_path / "Family")
    expect(page.locator("#thumbs .name")).to_have_text(["9.jpg", "10.jpg", "a.jpg"])
    expect(page.locator("#album-name")).to_have_value("Family")
    expect(page.locator("#refused-title")).to_have_text("1 file was left out")
    job = start(page)
    expect_state(page, "done")
    folder = Path(web.job(job)["folder"])
    assert {str(path.relative_to(folder)) for path in folder.rglob("*.jpg")} == set(photos)
    assert (folder / "Family/1974/9.jpg.xmp").read_bytes() == b"<caption/>"


def test_several_photos_on_the_page_for_one_become_an_album(web: Server, open_page: OpenPage):
    page = open_page(web.url)
    page.locator("#strength, #opt-strength").fill("35")
    page.evaluate("document.querySelector('#pick').multiple = true")  # as a drop brings them
    files = [*album_of(3, 192), upload("notes.txt", b"no photo", "text/plain")]
    page.set_input_files("#pick", files)
    expect(page.locator("#album-ask-title")).to_have_text("3 photos")
    page.click("#album-ask [value=yes]")
    expect(page.locator("#album-send #refused-title")).to_have_text("1 file was left out")
    page.click("#album-open")
    expect(page.locator("#thumbs .cell")).to_have_count(3)
    expect(page.locator("#opt-strength")).to_have_value("35")


def test_a_file_beyond_the_limit_is_left_out_without_being_sent(
    web: Server, open_page: OpenPage, tmp_path: Path
):
    huge, small = tmp_path / "huge.tif", tmp_path / "small.jpg"
    with open(huge, "wb") as file:
        file.truncate(201_000_000)
    small.write_bytes(portrait(3, 192))
    page = open_page(f"{web.url}/batch")
    sent = []
    page.on("request", lambda request: sent.append(request.url))
    page.set_input_files("#pick", [huge, small])
    expect(page.locator("#thumbs .cell")).to_have_count(1)
    page.click("#refused summary")
    expect(page.locator("#refused-list")).to_contain_text("huge.tif: larger than 200 MB")
    expect(page.locator("#start")).to_have_text("Start with 1 photo")
    assert len([address for address in sent if address.endswith("/items")]) == 1


def test_a_broken_connection_is_waited_out_and_nothing_is_sent_twice(
    web: Server, open_page: OpenPage, tmp_path: Path
):
    files = [tmp_path / f"p{n:02}.jpg" for n in range(12)]
    for n, path in enumerate(files):
        path.write_bytes(portrait(n, 192))
    page = open_page(f"{web.url}/batch")
    page.set_input_files("#pick", files[:3])
    expect(page.locator("#thumbs .cell")).to_have_count(3)
    page.context.set_offline(True)
    page.set_input_files("#pick", files)
    expect(page.locator("#upload-waiting")).to_contain_text("Nothing is lost")
    page.context.set_offline(False)
    expect(page.locator("#upload-words")).to_have_text("All 12 photos are here")
    expect(page.locator("#upload-waiting")).to_be_hidden()
    job = re.search(r"job=(\w+)", page.url).group(1)
    names = [item["name"] for item in web.job(job)["items"]]
    assert sorted(names) == [path.name for path in files]


def test_an_album_that_was_left_is_found_again_where_new_ones_are_made(
    web: Server, open_page: OpenPage
):
    job = web.new_album([("a.jpg", portrait(20, 192))], start=False)
    page = open_page(f"{web.url}/batch")
    page.click(f".left-albums a[href*='{job}']")
    expect(page.locator("#thumbs .cell")).to_have_count(1)


def test_on_a_phone_an_album_can_be_started_without_scrolling_past_its_photos(
    web: Server, open_page: OpenPage
):
    album = web.new_album([(f"{n:02}.jpg", portrait(1, 64)) for n in range(20)], start=False)
    page = open_page(f"{web.url}/batch?job={album}", viewport=PHONE, has_touch=True, is_mobile=True)
    expect(page.locator("#thumbs .cell").first).to_be_visible()
    expect(page.locator("#start")).to_be_in_viewport(ratio=1)
    pages = page.get_by_role("navigation", name="Pages").bounding_box()
    start = page.locator("#start").bounding_box()
    assert start["y"] + start["height"] <= pages["y"]
    expect(page.locator("#opt-strength")).not_to_be_in_viewport()
    page.locator("#opt-strength").scroll_into_view_if_needed()
    expect(page.locator("#opt-strength")).to_be_in_viewport(ratio=1)


def test_an_album_that_was_left_while_it_was_collected_goes_on(web: Server, open_page: OpenPage):
    page = open_page(f"{web.url}/batch")
    files = album_of(5, 192)
    collect(page, files[:2])
    page.reload()
    expect(page.locator("#thumbs .cell")).to_have_count(2)
    started: list[str] = []
    page.on("request", lambda request: started.append(request.url.rpartition("/")[2]))
    page.set_input_files("#pick", files[2:])
    start(page)  # as soon as all are sent
    expect_state(page, "done")
    expect(page.locator("#progress-words")).to_have_text("5 of 5 restored")
    assert started.count("start") == 1


def test_running_again_makes_a_new_album_with_other_settings(web: Server, open_page: OpenPage):
    first = web.new_album([("a.jpg", portrait(1, 192)), ("b.jpg", portrait(2, 192))])
    web.wait_for(first)
    page = open_page(f"{web.url}/jobs")
    card = page.locator(".card.job", has=page.locator(f"a[href='/jobs/{first}']"))
    card.get_by_role("link", name="Run again").click()
    dialog = page.locator("#again")
    expect(dialog).to_be_visible()
    dialog.locator("[name=strength]").fill("35")
    page.click("#again-start")
    page.wait_for_url(lambda url: "/jobs/" in url and first not in url)
    expect_state(page, "done")
    found = web.job(page.url.rsplit("/", 1)[1])
    assert (found["parent"], found["options"]["strength"]) == (first, 35)


@pytest.mark.parametrize(
    "touch", [name for name, option in OPTIONS.items() if option.group is Group.TOUCHES]
)
def test_the_history_says_which_album_has_finishing_touches(
    web: Server, open_page: OpenPage, touch: str
):
    default = DEFAULTS[touch]
    other = not default if isinstance(default, bool) else default + 10
    job = web.new_album([("p.jpg", portrait(1, 256))], start=False, **{touch: other})
    page = open_page(f"{web.url}/jobs")
    card = page.locator(".card", has=page.locator(f"a[href*='{job}']"))
    expect(card).to_contain_text("strength 70")
    assert ("with finishing touches" in card.inner_text()) == (not default)


def test_deleting_asks_first_and_frees_the_disk(web: Server, open_page: OpenPage):
    job = web.new_album([("gone.jpg", portrait(1, 192))])
    folder = Path(web.wait_for(job)["folder"])
    page = open_page(f"{web.url}/jobs")
    card = page.locator(".card.job", has=page.locator(f"a[href='/jobs/{job}']"))
    delete = card.get_by_role("button", name="Delete")
    delete.click()
    page.get_by_role("button", name="Keep").click()
    assert folder.exists()
    delete.click()
    page.locator("#delete").get_by_role("button", name="Delete").click()
    expect(card).to_have_count(0)
    assert web.get(f"/api/jobs/{job}").status_code == 404
    assert not folder.exists()


@pytest.mark.slow
def test_an_album_goes_on_by_itself_after_the_server_was_killed(
    open_page: OpenPage, tmp_path: Path
):
    with Server(tmp_path) as server:
        job = slow_album(server, 10)
        page = open_page(f"{server.url}/jobs/{job}")
        expect(cells(page, "done").nth(1)).to_be_visible()
        server.kill()
        expect(page.locator("#offline")).to_be_visible()
        port = server.port
    with Server(tmp_path, port=port) as server:
        expect_state(page, "done")
        expect(page.locator("#offline")).to_be_hidden()
        expect(cells(page, "done")).to_have_count(10)
        server.stop(signal.SIGTERM)


@pytest.mark.slow
def test_of_ten_thousand_photos_only_those_in_view_exist(open_page: OpenPage, tmp_path: Path):
    album = tmp_path / "album"
    album.mkdir()
    (album / "0000.jpg").write_bytes(portrait(0, 64))
    for n in range(1, 10_000):
        (album / f"{n:04}.jpg").hardlink_to(album / "0000.jpg")
    with Server(tmp_path / "outputs", "--album-root", str(album)) as server:
        asked = {"paths": [str(album)], "args": SLOW}
        job = server.post("/batch-enhance", json=asked).json()["job"]
        page = open_page("about:blank")
        pictures: set[str] = set()
        page.on("request", lambda request: pictures.add(request.url.partition("?")[0]))
        page.goto(f"{server.url}/jobs/{job}")
        expect(page.locator("#grid")).to_have_attribute("aria-busy", "false")
        cell = page.locator("#grid .cell")
        assert 20 < cell.count() < 200
        page.keyboard.press("End")
        page.locator("#grid .cell[data-n='9999'] img[src]").first.wait_for()
        assert 20 < cell.count() < 200
        assert "9990.jpg" in [each.get_attribute("title") for each in cell.all()]
        thumbnails = [url for url in pictures if url.endswith("/thumbnail")]
        assert 20 < len(thumbnails) < 400
        server.post(f"/api/jobs/{job}/cancel")
        # Not with expect: where it has to wait, it reads so large a page aloud for minutes.
        page.wait_for_selector("#job[data-state=cancelled]", timeout=60_000)
