"""What a phone's share sheet sends to the installed pages, and what foreign pages may not send."""

import json
import re

import pytest

from gpen_webui.options import RestoreOptions
from gpen_webui.web.errors import BadRequestError
from gpen_webui.web.presets import FILE, OwnPresets
from tests.server import Server, small_photo

FROM_THE_BROWSER = {"Origin": "null", "Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("outputs")) as server:
        yield server


def share(server: Server, *names: str, headers: dict[str, str] = FROM_THE_BROWSER):
    target = server.get("/manifest.webmanifest").json()["share_target"]
    (field,) = target["params"]["files"]
    assert "image/jpeg" in field["accept"]
    photos = [(field["name"], (name, small_photo(n))) for n, name in enumerate(names)]
    return server.post(target["action"], files=photos, headers=headers, allow_redirects=False)


def test_one_shared_photo_is_restored_and_shown(server: Server):
    answer = share(server, "IMG_1.jpg")
    assert answer.status_code == 303
    job = re.fullmatch(r"/\?job=(\w+)", answer.headers["Location"])[1]
    assert server.wait_for(job)["counts"]["total"] == 1


def test_several_shared_photos_become_an_album_that_waits_for_its_start(server: Server):
    answer = share(server, "a.jpg", "b.jpg")
    job = re.fullmatch(r"/batch\?job=(\w+)", answer.headers["Location"])[1]
    assert server.job(job)["state"] == "collecting"
    assert [item["name"] for item in server.job(job)["items"]] == ["a.jpg", "b.jpg"]


def test_a_foreign_page_can_share_nothing(server: Server):
    for foreign in (
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "null"},
        {"Origin": "http://a.test", "Sec-Fetch-Site": "none"},
    ):
        assert share(server, "a.jpg", headers=foreign).status_code == 403
    elsewhere = server.post("/api/jobs", json={}, headers=FROM_THE_BROWSER)
    assert elsewhere.status_code == 403


def test_nothing_shared_is_told_on_a_page(server: Server):
    answer = server.post("/share", files={"other": ("a.txt", b"x")}, headers=FROM_THE_BROWSER)
    assert answer.status_code == 400
    assert "Send a photo" in answer.text
    assert answer.headers["Content-Type"].startswith("text/html")


def test_presets_outlive_a_restart_and_what_they_do_not_know(tmp_path):
    presets = OwnPresets(tmp_path)
    presets.save("Oma", RestoreOptions(strength=33, crop="0,0,9,9", faces="2"))
    presets.save("oma", RestoreOptions(strength=44))  # the same again
    (kept,) = OwnPresets(tmp_path).all()
    assert (kept["name"], kept["options"]["strength"]) == ("oma", 44)
    assert not {"crop", "faces", "mask"} & set(kept["options"])
    with pytest.raises(BadRequestError, match="name"):
        presets.save("  ", RestoreOptions())
    for unseen in ("\u200b\u200d", "\u3164", "\u3164 \u2800", "\u2800 \u2060", "\u202e", "\ufe0f"):
        with pytest.raises(BadRequestError, match="can be seen"):
            presets.save(unseen, RestoreOptions())
    assert presets.save("o\u200bma", RestoreOptions(strength=44))["id"] == kept["id"]
    other = presets.save("Opa", RestoreOptions())
    with pytest.raises(BadRequestError, match="already"):
        presets.rename(other["id"], "OMA")

    file = tmp_path / FILE
    stored = json.loads(file.read_text())
    stored["presets"][0]["options"] |= {"strength": 900, "halo": 3}
    file.write_text(json.dumps(stored))
    assert "strength" not in OwnPresets(tmp_path).all()[0]["options"]
    file.write_text("{")
    assert OwnPresets(tmp_path).all() == []
    assert [path.name for path in file.parent.iterdir()] == ["presets.damaged"]
