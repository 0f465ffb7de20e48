"""What users see of the machines that help, and what they may ask of them."""

from pathlib import Path

import requests
from playwright.sync_api import expect

from tests.browser import OpenPage
from tests.cluster_kit import KEY, Coordinator, PlayedWorker
from tests.jobs_kit import start, wait_for_state
from tests.server import Server, small_photo

pytest_plugins = ["tests.browser_fixtures", "tests.cluster_fixtures"]

NAMES = [f"{n}.jpg" for n in range(4)]


def machines(here: Coordinator) -> dict[str, dict]:
    found = requests.get(f"{here.url}/api/workers", timeout=30).json()
    return {machine["name"]: machine for machine in found["machines"]}


def ask(here: Coordinator, path: str) -> requests.Response:
    return requests.post(f"{here.url}/api/workers/{path}", timeout=30)


def test_overview_and_metrics_tell_what_every_machine_has_done_and_does(here: Coordinator):
    attic, cellar = PlayedWorker(here.url), PlayedWorker(here.url, "cellar", kind="avx512")
    job = start(here.service, NAMES)
    for worker in (attic, attic, cellar):
        worker.carry_out(worker.claim())
    held = cellar.claim()
    cellar.beat(held, stage="blend")
    found = machines(here)
    assert [machine["is_here"] for machine in found.values()] == [True, False, False]
    assert (found["attic"]["restored"], found["attic"]["share"]) == (2, 0.667)
    assert (found["attic"]["state"], found["cellar"]["state"]) == ("ready", "working")
    [photo] = found["cellar"]["in_progress"]
    told = {name: photo[name] for name in ("job", "album", "item", "name", "stage")}
    assert told == {
        "job": job.id, "album": "Summer 1931", "item": 3, "name": "3.jpg", "stage": "blend",
    }  # fmt: skip
    metrics = requests.get(f"{here.url}/metrics", timeout=30).text.splitlines()
    told = [line for line in metrics if 'machine="attic"' in line or 'machine="cellar"' in line]
    assert 'gpen_webui_machine_photos_total{end="restored",machine="attic"} 2.0' in told
    assert 'gpen_webui_machine_photos_total{end="failed",machine="cellar"} 0.0' in told
    assert 'gpen_webui_machine_photos_in_progress{machine="cellar"} 1.0' in told
    assert sum("gpen_webui_machine_heard_seconds" in line for line in told) == 2
    cellar.carry_out(held)
    wait_for_state(here.service, job, "done")
    assert here.service.store.machines(job.id) == [
        {"name": "attic", "kind": "avx2", "photos": 2},
        {"name": "cellar", "kind": "avx512", "photos": 2},
    ]


def test_words_of_a_machine_are_shown_in_one_line_that_moves_no_cursor(here: Coordinator):
    odd = "fast\x1b[2J\nroot: done" + 2000 * "."
    worker = PlayedWorker(here.url, odd, kind=odd, device=odd, engine=odd)
    worker.ask()
    worker.post("beat", slots=10**9, claims=[], engine=odd, trouble=odd)
    [_, found] = machines(here).values()
    for word in ("name", "kind", "device", "engine", "problem"):
        assert found[word].isprintable(), word
        assert len(found[word]) <= 1000, word
    assert found["slots"] <= 256
    job = start(here.service, ["torn.jpg"])
    worker.fail(worker.claim(), "photo", odd)
    wait_for_state(here.service, job, "done")
    assert here.service.store.item(job.id, 0).error["message"].isprintable()


def test_machines_can_be_drained_tried_again_and_forgotten_by_name(here: Coordinator):
    worker = PlayedWorker(here.url, "the attic/PC")
    name = "the attic-PC"
    assert ask(here, f"{name}/drain").ok
    assert machines(here)[name]["state"] == "drained"
    assert ask(here, f"{name}/undrain").ok
    assert worker.ask().status_code == 204
    assert ask(here, f"{name}/test").ok
    assert worker.ask().json()["error"]["code"] == "probe_first"
    assert ask(here, f"{name}/forget").ok
    assert set(machines(here)) == {here.service.others.here.name}
    assert ask(here, f"{name}/forget").status_code == 404


def test_a_new_key_replaces_the_old_one_and_shuts_nobody_out(here: Coordinator):
    worker = PlayedWorker(here.url)
    answer = ask(here, "new-key").json()
    assert answer["join"].endswith(f"--key {answer['key']}")
    assert PlayedWorker(here.url, join=False).join().status_code == 403
    assert PlayedWorker(here.url, join=False, key=answer["key"]).join().status_code == 201
    assert worker.ask().status_code == 204


def test_the_page_shows_the_machines_and_the_album_says_by_how_many_it_was_restored(
    tmp_path: Path, open_page: OpenPage
):
    options = ("--cluster", "none", "--workers", "1")
    key = {"GPEN_WEBUI_CLUSTER_KEY": KEY}
    with Server(tmp_path / "outputs", *options, environment=key) as server:
        attic, cellar = PlayedWorker(server.url), PlayedWorker(server.url, "cellar", kind="avx512")
        album = server.new_album([(f"{n}.jpg", small_photo(n)) for n in range(6)])
        held = [attic.claim(), attic.claim(), cellar.claim()]
        page = open_page(f"{server.url}/workers")
        card = page.locator(".machine", has_text="attic")
        expect(card.locator(".in-progress li")).to_have_count(2)
        expect(page.locator(".machine").first).to_contain_text("this machine")
        expect(page.get_by_text("No other machine can reach this server")).to_be_visible()
        chinese = open_page(f"{server.url}/workers", locale="zh-CN")
        expect(chinese.locator(".machine", has_text="本机")).to_contain_text("上以 float32 运行")
        card.get_by_role("button", name="Drain: attic").click()
        expect(card.locator(".chip")).to_have_text("finishing")
        for worker, claim in zip((attic, attic, cellar), held, strict=True):
            picture = worker.original(claim)
            worker.send(claim, picture)
            assert worker.finish(claim, picture).status_code == 200
        expect(card.locator(".chip")).to_have_text("drained")
        card.get_by_role("button", name="Go on: attic").click()
        expect(card.locator(".chip")).to_have_text("ready")
        card.get_by_role("button", name="Forget: attic").click()
        page.get_by_role("button", name="Forget", exact=True).click()
        expect(card).to_have_count(0)
        assert attic.ask().status_code == 401
        server.wait_for(album)
        page.goto(f"{server.url}/jobs/{album}#{held[0]['item']}")
        expect(page.locator("#photo-facts")).to_contain_text("on attic")
        expect(page.locator("#summary")).to_contain_text("by 3 machines of 3 kinds")
        assert KEY not in server.get("/api/models").text
        assert server.errors() == []
