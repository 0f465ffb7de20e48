"""Jobs over HTTP, against the real server: what a client sends, and what it gets back."""

import io
import re
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import requests

from tests.server import PROJECT, Server, events_of, small_photo
from tests.waiting import wait_for


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("outputs")) as server:
        yield server


@pytest.fixture(scope="module")
def album(server: Server) -> dict:
    """A finished album of three photos and a broken one."""
    photos = [(f"Summer/day {n}.jpg", small_photo(n)) for n in range(3)]
    return server.wait_for(server.new_album([*photos, ("broken.jpg", b"no photo")]))


def decoded(content: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)


def test_the_documented_client_restores_an_album(server: Server, tmp_path: Path):
    manual = (PROJECT / "docs" / "http-api.md").read_text(encoding="utf-8")
    client = tmp_path / "client.py"
    client.write_text(re.search(r"```python\n(.+?)```", manual, re.DOTALL)[1], encoding="utf-8")
    photos = tmp_path / "Grandma & friends"
    (photos / "1950").mkdir(parents=True)
    for n in range(3):
        (photos / "1950" / f"{n}.jpg").write_bytes(small_photo(n + 50))
    (photos / "notes.jpg").write_text("not a photo")
    done = subprocess.run(
        [sys.executable, str(client), server.url, str(photos)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    ends = {line.split(" ", 1)[1].split("jpg")[0]: line for line in done.stdout.splitlines()}
    assert len(ends) == 4
    assert sum("done" in line for line in ends.values()) == 3
    assert "notes.jpg is not a photo" in ends["notes."]
    names = zipfile.ZipFile(tmp_path / "Grandma & friends.zip").namelist()
    assert names == ["1950/0.jpg", "1950/1.jpg", "1950/2.jpg", "report.json", "report.html"]


def test_an_album_with_a_broken_photo_is_done_and_says_which(album: dict):
    assert album["state"] == "done"
    assert album["counts"]["done"] == 3
    assert album["counts"]["failed"] == 1
    broken = album["items"][3]
    assert (broken["state"], broken["result"]) == ("failed", None)
    assert broken["error"]["stage"] == "open"
    assert "broken.jpg is not a photo" in broken["error"]["message"]


def test_results_keep_names_and_tree_beside_the_report(album: dict):
    folder = Path(album["folder"])
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {f"Summer/day {n}.jpg" for n in range(3)} | {"report.json", "report.html"}


def test_the_zip_equals_the_results_folder(server: Server, album: dict):
    answer = server.get(f"/api/jobs/{album['id']}/download")
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    assert Path(album["folder"]).name in answer.headers["Content-Disposition"]
    zipped = zipfile.ZipFile(io.BytesIO(answer.content))
    assert zipped.testzip() is None
    folder = Path(album["folder"])
    assert {name: zipped.read(name) for name in zipped.namelist()} == {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_one_item_tells_where_its_faces_are(server: Server, album: dict):
    item = server.get(f"/api/jobs/{album['id']}/items/0").json()
    left, top, right, bottom = item["report"]["faces"][0]["box"]
    assert item["faces"] == 1
    assert 0 < left < right < 192
    assert 0 < top < bottom < 192
    assert "report" not in album["items"][0]


def test_before_and_after_are_pictures_of_the_same_size(server: Server, album: dict):
    base = f"/api/jobs/{album['id']}/items/0"
    before, after = server.get(f"{base}/before"), server.get(f"{base}/after")
    assert before.headers["Content-Type"] == after.headers["Content-Type"] == "image/jpeg"
    assert decoded(before.content).shape == decoded(after.content).shape == (192, 192, 3)
    assert not np.array_equal(decoded(before.content), decoded(after.content))


def test_pictures_can_be_asked_for_in_a_smaller_size(server: Server, album: dict):
    base = f"/api/jobs/{album['id']}/items/0"
    for path in ("before?max=64", "after?max=64"):
        assert decoded(server.get(f"{base}/{path}").content).shape == (64, 64, 3)
    for path in ("thumbnail", "thumbnail?of=after"):
        answer = server.get(f"{base}/{path}")
        assert answer.headers["Content-Type"] == "image/jpeg"
        assert max(decoded(answer.content).shape) <= 320


def test_a_browser_that_has_a_picture_is_not_sent_it_again(server: Server, album: dict):
    path = f"/api/jobs/{album['id']}/items/0/after"
    tag = server.get(path).headers["ETag"]
    again = server.get(path, headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")


def test_the_result_itself_is_an_attachment(server: Server, album: dict):
    answer = server.get(f"/api/jobs/{album['id']}/items/1/after?download=1")
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert "day 1-restored.jpg" in answer.headers["Content-Disposition"]
    assert answer.content == (Path(album["folder"]) / "Summer" / "day 1.jpg").read_bytes()


@pytest.mark.parametrize(
    ("path", "status"), [("items/3/before", 422), ("items/3/after", 404), ("items/4/before", 404)]
)
def test_a_picture_that_is_not_there_is_explained(server: Server, album: dict, path, status):
    answer = server.get(f"/api/jobs/{album['id']}/{path}")
    assert answer.status_code == status
    assert answer.json()["error"]["message"].endswith(".")


def test_a_page_named_like_a_photo_never_leaves_as_a_page(server: Server):
    page = b"<script>alert(1)</script>"
    job = server.new_album([("evil.html", page), ("<img src=x>.jpg", small_photo())])
    server.wait_for(job)
    assert server.get(f"/api/jobs/{job}/items/0/before").status_code == 422
    answer = server.get(f"/api/jobs/{job}/items/1/after?download=1")
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_names_from_hostile_clients_stay_in_the_results_folder(server: Server):
    names = ["../../up.jpg", "/etc/abs.jpg", "C:\\win\\x.jpg", "a\x00b.jpg", "ünïcödé 照片.jpg"]
    job = server.wait_for(
        server.new_album([(name, small_photo(n)) for n, name in enumerate(names)])
    )
    folder = Path(job["folder"]).resolve()
    for item in job["items"]:
        assert (folder / item["result"]).resolve().is_relative_to(folder)
    zipped = zipfile.ZipFile(io.BytesIO(server.get(f"/api/jobs/{job['id']}/download").content))
    assert not [n for n in zipped.namelist() if n.startswith("/") or ".." in n or "\\" in n]


def test_the_same_key_makes_one_job(server: Server):
    asked = {"name": "Once", "key": "one click"}
    first, second = (server.post("/api/jobs", json=asked).json()["id"] for _ in range(2))
    third = server.post("/api/jobs", json={}, headers={"Idempotency-Key": "one click"}).json()["id"]
    assert first == second == third


def test_a_photo_that_is_sent_again_is_not_doubled(server: Server):
    job = server.new_album([], start=False)
    for _ in range(2):
        answer = server.post(
            f"/api/jobs/{job}/items",
            files={"photo": ("a.jpg", small_photo())},
            data={"name": "a.jpg", "key": "a"},
        )
        assert (answer.status_code, answer.json()["n"]) == (201, 0)
    assert server.job(job)["counts"]["total"] == 1
    assert server.post(f"/api/jobs/{job}/items", files={}).status_code == 400


def test_a_started_job_takes_no_more_photos(server: Server, album: dict):
    answer = server.post(
        f"/api/jobs/{album['id']}/items", files={"photo": ("late.jpg", small_photo())}
    )
    assert answer.status_code == 409
    assert "takes no further photos" in answer.json()["error"]["message"]


def test_one_photo_comes_back_in_one_request(server: Server):
    answer = server.post(
        "/enhance?wait=1", files={"photo": ("me.jpg", small_photo(9))}, data={"strength": "90"}
    )
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert "me.jpg" in answer.headers["Content-Disposition"]
    assert (answer.headers["X-State"], answer.headers["X-Faces"]) == ("done", "1")
    assert decoded(answer.content).shape == (192, 192, 3)


def test_one_photo_can_be_followed_instead_of_waited_for(server: Server):
    answer = server.post("/enhance", files={"photo": ("me.jpg", small_photo(10))})
    assert answer.status_code == 202
    events = list(events_of(server.watch(answer.json()["progress"])))
    assert events[-1]["state"] == "done"
    assert answer.json()["item"] == 0


def test_a_photo_that_cannot_be_restored_is_refused_with_its_reason(server: Server):
    answer = server.post("/enhance?wait=1", files={"photo": ("cut.jpg", small_photo()[:900])})
    assert answer.status_code == 422
    assert "cut.jpg" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"strength": "101"}, "strength"),
        ({"size": "1"}, "size"),
        ({"max_megapixels": "900"}, "900"),
    ],
)
def test_an_impossible_option_is_named(server: Server, fields: dict, word: str):
    answer = server.post("/enhance", files={"photo": ("a.jpg", small_photo())}, data=fields)
    assert answer.status_code == 400
    assert word in answer.json()["error"]["message"]


def test_an_album_can_be_sent_in_one_request(server: Server):
    photos = [("photos", (f"trip/{n}.jpg", small_photo(n + 20))) for n in range(3)]
    answer = server.post("/batch-enhance", files=photos, data={"name": "Trip", "format": "png"})
    told = answer.json()
    assert answer.status_code == 202
    assert (told["status"], told["total_images"]) == ("processing", 3)
    assert told["progress"] == f"/ws/jobs/{told['job']}"
    job = server.wait_for(told["job"])
    assert job["name"] == "Trip"
    assert [item["result"] for item in job["items"]] == [f"trip/{n}.png" for n in range(3)]


def test_single_photos_of_an_album_have_options_of_their_own(server: Server):
    photos = [("photos", (name, small_photo())) for name in ("a.jpg", "g/b.jpg", "c.jpg")]

    def send(options: str) -> requests.Response:
        fields = {"min_face": "30", "photo_options": options}
        return server.post("/batch-enhance", files=photos, data=fields)

    before = len(server.get("/api/jobs").json()["jobs"])
    for options, words in (
        ('{"g/b.jpg": {"strength": 140}}', ("g/b.jpg", "strength", "100")),
        ('{"g/b.jpg": {"strenght": 40}}', ("g/b.jpg", "strenght")),
        ('{"g/b.jpg": 40}', ("g/b.jpg", "JSON object")),
        ('{"b.jpg": {"strength": 40}}', ("b.jpg", "no such photo")),
        ("40", ("photo_options",)),
        ("strong", ("photo_options", "JSON")),
    ):
        refused = send(options)
        assert refused.status_code == 400, options
        assert all(word in refused.json()["error"]["message"] for word in words), refused.text
    assert len(server.get("/api/jobs").json()["jobs"]) == before

    answer = send('{"g/b.jpg": {"strength": 40, "rotate": "90"}, "c.jpg": {"min_face": 30}}')
    job = server.wait_for(answer.json()["job"])
    a, b, c = job["items"]
    assert (a["options"], c["options"]) == (None, None)
    report = server.get(f"/api/jobs/{job['id']}/items/1").json()["report"]
    chosen = {name: report["options"][name] for name in ("strength", "rotate", "min_face")}
    assert chosen == {"strength": 40, "rotate": "90", "min_face": 30}
    assert b["options"] == report["options"]
    again = server.post(f"/api/jobs/{job['id']}/run-again", json={"keep_own": "no"})
    assert "keep_own" in again.json()["error"]["message"]
    again = server.post(f"/api/jobs/{job['id']}/run-again", json={"keep_own": False}).json()
    assert server.wait_for(again["id"])["items"][1]["options"] is None


def test_options_of_one_photo_are_chosen_until_the_start(server: Server):
    wide = cv2.imencode(".jpg", np.full((60, 120, 3), 90, np.uint8))[1].tobytes()
    job = server.new_album([("a.jpg", wide), ("b.jpg", wide)], start=False)
    sent = server.post(
        f"/api/jobs/{job}/items",
        files={"photo": ("c.jpg", wide)},
        data={"options": '{"strength": 5}'},
    )
    assert sent.json()["options"] == {"strength": 5}

    def choose(options: object) -> requests.Response:
        return server.post(f"/api/jobs/{job}/items/1/options", json={"options": options})

    assert choose({"rotate": "90", "strength": 40}).json()["options"] == {
        "rotate": "90",
        "strength": 40,
    }
    assert choose({"rotate": "90"}).json()["options"] == {"rotate": "90"}
    refused = choose({"rotate": "45"})
    assert "b.jpg" in refused.json()["error"]["message"]
    shown = [decoded(server.get(f"/api/jobs/{job}/items/{n}/thumbnail").content) for n in (0, 1)]
    assert [picture.shape[:2] for picture in shown] == [(60, 120), (120, 60)]
    assert choose({}).json()["options"] is None
    choose({"rotate": "270"})
    server.post(f"/api/jobs/{job}/start", json={"options": {"strength": 90}})
    ended = server.wait_for(job)
    assert [(item["options"] or {}).get("rotate") for item in ended["items"]] == [None, "270", "0"]
    assert [(item["options"] or {}).get("strength") for item in ended["items"]] == [None, 90, 5]
    late = choose({"strength": 1})
    assert late.status_code == 409
    assert "has been started" in late.json()["error"]["message"]


def test_photos_by_path_need_a_folder_that_is_allowed(server: Server):
    answer = server.post("/batch-enhance", json={"paths": ["/etc"]})
    assert answer.status_code == 403
    assert "--album-root" in answer.json()["error"]["message"]


def test_a_finished_job_can_be_neither_paused_nor_cancelled(server: Server, album: dict):
    for action in ("pause", "resume", "cancel"):
        answer = server.post(f"/api/jobs/{album['id']}/{action}")
        assert answer.status_code == 409
        assert "done" in answer.json()["error"]["message"]


def test_a_job_can_be_paused_and_resumed(server: Server):
    job = server.new_album([(f"{n}.jpg", small_photo(n + 30)) for n in range(6)])
    assert server.post(f"/api/jobs/{job}/pause").json()["state"] == "paused"
    wait_for(lambda: server.job(job)["counts"]["running"] == 0)
    rested = server.job(job)["counts"]
    time.sleep(0.5)
    assert server.job(job)["counts"] == rested
    assert server.post(f"/api/jobs/{job}/resume").json()["state"] in ("waiting", "running")
    assert server.wait_for(job)["counts"]["done"] == 6


def test_a_cancelled_job_keeps_what_is_done(server: Server):
    job = server.new_album([(f"{n}.jpg", small_photo(n + 40)) for n in range(12)])
    assert server.post(f"/api/jobs/{job}/cancel").json()["state"] == "cancelled"
    counts = server.job(job)["counts"]
    assert counts["done"] + counts["cancelled"] == 12
    assert counts["cancelled"] > 0


def test_a_job_can_be_run_again_with_other_options(server: Server, album: dict):
    asked = {"options": {"strength": 10, "format": "webp"}, "key": "again"}
    first, second = (
        server.post(f"/api/jobs/{album['id']}/run-again", json=asked) for _ in range(2)
    )
    assert first.status_code == 202
    assert first.json()["id"] == second.json()["id"] != album["id"]
    job = server.wait_for(first.json()["id"])
    assert (job["parent"], job["options"]["strength"]) == (album["id"], 10)
    assert job["items"][0]["result"] == "Summer/day 0.webp"


def test_deleting_a_job_frees_what_it_said(server: Server):
    job = server.wait_for(server.new_album([("a.jpg", small_photo(70))]))
    freed = server.delete(f"/api/jobs/{job['id']}").json()["freed"]
    assert freed == job["bytes"] > 0
    assert not Path(job["folder"]).exists()
    assert server.get(f"/api/jobs/{job['id']}").status_code == 404


def test_the_history_comes_page_by_page_newest_first(server: Server):
    made = [server.post("/api/jobs", json={"name": f"H{n}"}).json()["id"] for n in range(3)]
    page = server.get("/api/jobs?limit=2").json()
    assert [job["id"] for job in page["jobs"]] == [made[2], made[1]]
    assert page["disk_free"] > 0
    older = server.get(f"/api/jobs?limit=1&before={made[1]}").json()["jobs"]
    assert [job["id"] for job in older] == [made[0]]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/jobs/0123456789abcdef", 404),
        ("GET", "/api/nothing", 404),
        ("PUT", "/api/jobs", 405),
        ("POST", "/api/jobs", 400),
        ("POST", "/api/jobs/0123456789abcdef/items", 404),
        ("GET", "/api/jobs?limit=many", 400),
        ("GET", "/ws/jobs/0123456789abcdef", 400),
    ],
)
def test_errors_for_programs_are_json(server: Server, method: str, path: str, status: int):
    answer = server.session.request(method, server.url + path)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert error["code"]
    assert error["message"].endswith(".")


@pytest.mark.parametrize(
    "body",
    [
        "[" * 50_000,
        '{"name": "\\ud800"}',
        '{"key": ["a"]}',
        '{"options": {"strength": NaN}}',
        '{"options": {"mode": []}}',
        '{"options": [], "args": []}',
        '{"options": false, "args": ""}',
    ],
    ids=lambda body: body[:30],
)
def test_nonsense_is_refused_in_words(server: Server, body: str):
    for path in ("/api/jobs", "/batch-enhance"):
        answer = server.post(path, data=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in (400, 403)
        assert answer.json()["error"]["message"]


def test_errors_for_people_are_pages(server: Server):
    answer = server.get("/jobs/nothing")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "no such job" in answer.text


def test_health_tells_which_model_is_ready(server: Server, album: dict):
    answer = server.get("/api/health")
    told = answer.json()
    assert answer.status_code == 200
    assert (told["status"], told["model"]) == ("ready", "gpen-mini-256")
    assert told["workers"] >= 1


def test_a_mask_is_sent_as_a_file_checked_used_and_kept_out_of_lists(server: Server):
    photo = decoded(small_photo(7))
    damaged = photo.copy()
    damaged[40:44] = 255
    mask = np.zeros(photo.shape[:2], np.uint8)
    mask[38:46] = 255

    def enhance(mask: np.ndarray):
        files = {
            "photo": ("print.png", cv2.imencode(".png", damaged)[1].tobytes()),
            "mask": ("mask.png", cv2.imencode(".png", mask)[1].tobytes()),
        }
        return server.session.post(f"{server.url}/enhance?wait=1", files=files)

    answer = enhance(mask)
    filled = decoded(answer.content)
    assert np.abs(filled[41].astype(int) - photo[41]).mean() < 25
    job = answer.headers["X-Job"]
    assert server.job(job)["options"]["mask"]
    listed = {each["id"]: each for each in server.get("/api/jobs").json()["jobs"]}
    assert listed[job]["options"]["mask"] == ""

    album = {"photos": ("print.png", small_photo(7)), "mask": ("mask.png", small_photo(7))}
    refused = server.session.post(f"{server.url}/batch-enhance", files=album)
    assert refused.json()["error"]["message"].startswith("A mask belongs to one photo")
    options = {"options": {"mask": server.job(job)["options"]["mask"]}}
    assert server.session.post(f"{server.url}/api/jobs", json=options).status_code == 400
    refused = enhance(mask[:20])
    assert refused.status_code == 422
    assert "pixels, its mask" in refused.json()["error"]["message"]


def test_what_a_print_suffers_from_is_told_with_a_mask_to_start_from(server: Server):
    photo = decoded(small_photo(8))
    job = server.new_album([("print.jpg", small_photo(8))])
    condition = server.get(f"/api/jobs/{job}/items/0/condition").json()
    assert condition["faded"] is False
    assert (condition["height"], condition["width"]) == photo.shape[:2]
    mask = decoded(server.get(f"/api/jobs/{job}/items/0/damage").content)
    assert mask.shape == photo.shape[:2]
    assert set(np.unique(mask)) <= {0, 255}
    assert (mask > 0).mean() == pytest.approx(condition["damaged"], abs=1e-5)


def test_what_is_seen_of_a_photo_is_shown_ahead_turned_as_it_is(server: Server):
    lying = np.ascontiguousarray(np.rot90(decoded(small_photo(9, side=320))))
    files = {"photo": ("aunt.png", cv2.imencode(".png", lying)[1].tobytes())}
    first = {"upright": "1", "strength": "0"}
    answer = server.session.post(f"{server.url}/enhance?wait=1", files=files, data=first)
    job = answer.headers["X-Job"]
    wanted = {"options": {"upright": True, "strength": 0, "contrast": 40}}
    seen = {"box": [0.25, 0.125, 0.75, 0.5], "width": 160}

    def ahead(**changed):
        body = {**wanted, **seen, **changed}
        return server.post(f"/api/jobs/{job}/items/0/preview", json=body)

    answer = ahead()
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/jpeg")
    again = server.post(f"/api/jobs/{job}/run-again", json=wanted).json()["id"]
    server.wait_for(again)
    exact = decoded(server.get(f"/api/jobs/{again}/items/0/after?download=1").content)
    shown = decoded(answer.content)
    assert shown.shape == (120, 160, 3)
    assert np.abs(shown.astype(int) - exact[40:160, 80:240]).mean() < 4

    assert ahead(options={"strength": 0, "contrast": 40}).status_code == 204  # not turned
    for wrong in ({"box": [0, 0, 0, 1]}, {"box": [0, 0, 1]}, {"box": "all"}, {"width": 0}):
        refused = ahead(**wrong)
        assert refused.status_code == 400, wrong
        assert next(iter(wrong)) in refused.json()["error"]["message"]
