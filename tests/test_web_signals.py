"""The real server under the signals that systemd, a closed terminal and a shutdown send.

However it ends, no photo is blamed, and the next start completes the album.
"""

from __future__ import annotations

import configparser
import contextlib
import os
import pty
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest

from tests.ports import free_port
from tests.server import PROJECT, Server, small_photo

UNIT = PROJECT / "docs" / "gpen-webui.service"


def scan(number: int) -> bytes:
    """A PNG of 12 megapixels, which takes a quarter of a second to decode."""
    noise = np.random.default_rng(number).integers(0, 255, (750, 1000, 3), np.uint8)
    pixels = cv2.resize(noise, (4000, 3000))
    return cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()


def all_processes(server: Server) -> list[psutil.Process]:
    first = psutil.Process(server.process.pid)
    return [first, *first.children(recursive=True)]


def command_lines(server: Server) -> Iterator[list[str]]:
    for process in all_processes(server):
        with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended
            yield process.cmdline()


def wait_until_opening(server: Server, job: str) -> None:
    """Until a photo is being decoded by a child."""

    def is_opening(found: dict) -> bool:
        if all(item["stage"] != "open" for item in found["items"]):
            return False
        return any("gpen_webui.photo.decoder_process" in line for line in command_lines(server))

    server.wait_until(job, is_opening)


def crashes(outputs: Path) -> int:
    """How often photos are held to have caused a death."""
    with contextlib.closing(sqlite3.connect(outputs / ".gpen-webui" / "jobs.sqlite")) as store:
        return store.execute("SELECT sum(crashes) FROM items").fetchone()[0]


def settings_of_unit() -> dict[str, str]:
    parser = configparser.ConfigParser(strict=False)
    parser.optionxform = str
    parser.read(UNIT)
    return dict(parser["Service"])


def test_the_unit_starts_the_server_as_it_is_documented():
    command = settings_of_unit()["ExecStart"].split()
    assert command[0].endswith("/run.sh")
    done = subprocess.run(
        [sys.executable, "app.py", command[1], "--help"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    assert all(option in done.stdout for option in command[2:])


@pytest.mark.parametrize(
    "name", ["SIGTERM", pytest.param("SIGKILL", marks=pytest.mark.slow)], ids=["stop", "timeout"]
)
def test_the_units_way_of_stopping_blames_no_photo(tmp_path: Path, name: str):
    """To all processes at once, the decoding children first, in the middle of opening photos."""
    unit = settings_of_unit()
    assert (unit["KillMode"], unit["KillSignal"]) == ("control-group", "SIGTERM")
    outputs = tmp_path / "outputs"
    with Server(outputs) as server:
        job = server.new_album([(f"{n}.png", scan(n)) for n in range(2)])
        wait_until_opening(server, job)
        for process in reversed(all_processes(server)):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(getattr(signal, name))
        server.process.wait(int(unit["TimeoutStopSec"]))
    if name == "SIGTERM":
        assert crashes(outputs) == 0
    with Server(outputs) as server:
        found = server.wait_for(job)
    assert (found["counts"]["failed"], found["counts"]["no_face"]) == (0, 2)


def test_a_hangup_without_a_terminal_means_nothing(tmp_path: Path):
    outputs = tmp_path / "outputs"
    with Server(outputs) as server:  # in a session of its own, as a service is
        job = server.new_album([(f"{n}.jpg", small_photo(n)) for n in range(6)])
        before = all_processes(server)[:2]
        for process in all_processes(server):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGHUP)
        found = server.wait_for(job)
        assert found["counts"]["done"] == 6
        assert all_processes(server)[:2] == before
    assert crashes(outputs) == 0


@pytest.mark.parametrize(
    "nohup", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["plain", "nohup"]
)
def test_a_closed_terminal_ends_it_politely_and_with_nohup_not_at_all(tmp_path: Path, nohup: bool):
    outputs = tmp_path / "outputs"
    with Server(outputs, port=free_port()) as server:
        job = server.new_album([(f"{n}.jpg", small_photo(n)) for n in range(8)], start=False)
    process, terminal = pty.fork()
    if process == 0:
        signal.signal(signal.SIGHUP, signal.SIG_IGN if nohup else signal.SIG_DFL)
        os.chdir(PROJECT)
        options = ["--no-browser", "--port", str(server.port), "--outputs", str(outputs)]
        os.execv(sys.executable, [sys.executable, "app.py", *options])
    said = b""
    while b"Ctrl-C" not in said:
        said += os.read(terminal, 1000)
    assert server.post(f"/api/jobs/{job}/start").status_code == 202
    os.close(terminal)  # the kernel sends SIGHUP to all processes of the terminal
    if nohup:
        assert server.wait_for(job)["counts"]["done"] == 8
        os.kill(process, signal.SIGTERM)
    os.waitpid(process, 0)
    assert crashes(outputs) == 0
    with Server(outputs) as server:
        assert server.wait_for(job)["counts"]["done"] == 8
