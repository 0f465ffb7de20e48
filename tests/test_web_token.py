"""The token: an empty one guards as a missing one does, a short one is refused, guesses are few."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from gpen_webui.settings import Settings, SettingsError
from gpen_webui.web.errors import TooManyGuessesError
from gpen_webui.web.guesses import OVERALL, PER_ADDRESS, WINDOW_SECONDS, GuessLimit
from tests.server import Server

TOKEN = "an-old-oak-door"


def log_of(server: Server) -> str:
    path = server.outputs / ".gpen-webui" / "gpen-webui.log"
    return path.read_text(encoding="utf-8")


def check_foreign_host_names_are_kept_out(server: Server) -> None:
    foreign = {"Host": f"evil.example:{server.port}"}
    assert server.get("/api/jobs", headers=foreign).status_code == 403
    assert server.post("/api/jobs", json={}, headers=foreign).status_code == 403
    assert server.get("/api/jobs").status_code == 200


def test_an_empty_token_in_the_environment_lets_no_foreign_host_name_in(tmp_path: Path):
    with Server(tmp_path, environment={"GPEN_WEBUI_TOKEN": ""}) as server:
        check_foreign_host_names_are_kept_out(server)


def test_an_empty_token_and_an_open_host_make_a_token(tmp_path: Path):
    with Server(tmp_path, "--host", "0.0.0.0", "--token", " ") as server:
        assert len(server.address.partition("?token=")[2]) >= 20
        assert requests.get(f"http://127.0.0.1:{server.port}/api/jobs").status_code == 401


@pytest.mark.parametrize("name", list(Settings.__dataclass_fields__))
def test_what_is_empty_in_the_environment_is_missing(name: str):
    variable = f"GPEN_WEBUI_{name.upper()}"
    for text in ("", "  "):
        assert Settings.from_environment({variable: text}) == Settings()


def test_what_is_empty_on_the_command_line_is_missing_and_lets_no_foreign_host_name_in(
    tmp_path: Path,
):
    """The server starts with its defaults, in the folder that the environment names."""
    settings = "--host --models --model --album-root --device --precision --workers --token"
    numbers = "--max-photo-seconds --max-megapixels --max-file-mb --max-store-gb"
    empty = [part for option in f"{settings} {numbers}".split() for part in (option, "")]
    with Server(tmp_path, *empty) as server:
        check_foreign_host_names_are_kept_out(server)
        shown = server.get("/api/models").json()["settings"]
    assert shown["host"] == "127.0.0.1"
    assert shown["album_roots"] == []
    assert shown["models"] == str(Settings.models)
    assert shown["max_megapixels"] == Settings.max_megapixels


def test_an_empty_argument_does_not_overrule_the_environment():
    settings = Settings.from_environment({"GPEN_WEBUI_TOKEN": TOKEN}, token="", album_roots=())
    assert settings.token == TOKEN


def test_a_short_token_is_refused_in_one_sentence(tmp_path: Path):
    token = "elevenchars"
    done = subprocess.run(
        [sys.executable, "app.py", "--no-browser", "--port", "0", "--outputs", str(tmp_path)],
        cwd=Path(__file__).resolve().parent.parent,
        env={**os.environ, "GPEN_WEBUI_TOKEN": token},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "at least 12" in done.stderr
    assert token not in done.stderr.replace("GPEN_WEBUI_TOKEN", "")


@pytest.mark.parametrize(
    "token",
    ["x", "secret", "an oak door of old", "tür-aus-alter-eiche", "a\tb-c-d-e-f-g-h"],
)
def test_a_token_that_is_short_or_cannot_be_sent_is_refused(token: str):
    with pytest.raises(SettingsError):
        Settings.from_environment({}, token=token)


def test_a_token_with_signs_arrives_by_the_printed_address(tmp_path: Path):
    with Server(tmp_path, "--token", "a&b=c#d/e?f%20g+h") as server:
        browser = requests.Session()
        assert browser.get(server.address).status_code == 200
        assert browser.get(f"{server.url}/api/jobs").status_code == 200


def test_guesses_are_slowed_and_logged_while_the_owner_goes_on(tmp_path: Path):
    with Server(tmp_path, "--token", TOKEN) as server:
        owner = requests.Session()
        owner.get(f"{server.url}/?token={TOKEN}")
        ways = (
            lambda: requests.get(f"{server.url}/api/jobs", params={"token": "wrong-wrong-wrong"}),
            lambda: requests.post(f"{server.url}/api/jobs", headers=bearer("wrong-wrong-wrong")),
        )
        answers = [way() for _ in range(PER_ADDRESS) for way in ways]
        assert [answer.status_code for answer in answers] == [401] * PER_ADDRESS + [
            429
        ] * PER_ADDRESS
        refused = answers[-1]
        assert refused.json()["error"]["code"] == "too_many_guesses"
        assert 1 <= int(refused.headers["Retry-After"]) <= WINDOW_SECONDS
        # Not even the right one is noticed, but whoever is let in already goes on.
        assert requests.get(f"{server.url}/api/jobs", headers=bearer(TOKEN)).status_code == 429
        assert owner.get(f"{server.url}/api/jobs").status_code == 200
        log = log_of(server)
    assert "a wrong token came from this machine" in log
    assert "wrong-wrong-wrong" not in log
    assert TOKEN not in log


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def cookies_of(browser: requests.Session) -> set[str]:
    return {cookie.value for cookie in browser.cookies if "gpen" in cookie.name}


def test_a_browser_stays_let_in_after_a_restart_but_not_with_another_token_or_elsewhere(
    tmp_path: Path,
):
    browser, other = requests.Session(), requests.Session()
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    with Server(here, "--token", TOKEN) as server:
        port = server.port
        browser.get(f"{server.url}/?token={TOKEN}")
    with Server(here, "--token", TOKEN, port=port) as server:
        assert browser.get(f"{server.url}/api/jobs").status_code == 200
    with Server(here, "--token", TOKEN + "-2", port=port) as server:
        assert browser.get(f"{server.url}/api/jobs").status_code == 401
    # There is more in a cookie than the token, which could be guessed.
    with Server(elsewhere, "--token", TOKEN, port=port) as server:
        assert browser.get(f"{server.url}/api/jobs").status_code == 401
        other.get(f"{server.url}/?token={TOKEN}")
    assert len(cookies_of(browser)) == len(cookies_of(other)) == 1
    assert cookies_of(browser) != cookies_of(other)


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def guess(limit: GuessLimit, address: str, right: bool = False) -> bool | str:
    try:
        return limit.check(address, lambda: right)
    except TooManyGuessesError:
        return "not looked at"


def test_an_address_may_guess_again_after_a_minute():
    limit = GuessLimit(clock := Clock())
    assert [guess(limit, "192.0.2.1") for _ in range(PER_ADDRESS)] == [False] * PER_ADDRESS
    assert guess(limit, "192.0.2.1", right=True) == "not looked at"
    assert guess(limit, "192.0.2.2", right=True) is True
    clock.now += WINDOW_SECONDS
    assert guess(limit, "192.0.2.1", right=True) is True


def test_many_addresses_together_are_limited_but_not_those_that_know_the_token():
    limit = GuessLimit(clock := Clock())
    guess(limit, "192.0.2.250", right=True)
    looked_at = [guess(limit, f"192.0.2.{n}") for n in range(OVERALL + 20)]
    assert looked_at == [False] * OVERALL + ["not looked at"] * 20
    assert guess(limit, "192.0.2.250", right=True) is True
    assert guess(limit, "127.0.0.1", right=True) is True
    clock.now += WINDOW_SECONDS
    assert guess(limit, "192.0.2.99", right=True) is True


def test_all_addresses_of_one_ipv6_subscriber_count_as_one():
    limit = GuessLimit(Clock())
    answers = [guess(limit, f"2001:db8::{n:x}") for n in range(PER_ADDRESS + 1)]
    assert answers[-1] == "not looked at"
    assert guess(limit, "2001:db8:0:1::1") is False
