"""The server process: how it starts, refuses to, stops, and what it survives."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server import PROJECT, Server, events_of, small_photo
from tests.waiting import wait_for


def refused(*options: str, environment: dict | None = None) -> str:
    """What a server that does not start says; its exit code must be 2."""
    done = subprocess.run(
        [sys.executable, "app.py", "--no-browser", *options],
        cwd=PROJECT,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    return done.stderr


def test_it_prints_where_the_page_the_results_and_the_model_are(tmp_path: Path):
    with Server(tmp_path / "new" / "outputs") as server:
        said = "\n".join(server.lines)
        assert f"http://127.0.0.1:{server.port}/" in said
        server.get("/batch")
        said = "\n".join(server.lines)
        assert str(tmp_path / "new" / "outputs") in said
        assert "gpen-mini-256" in said


def test_an_occupied_port_is_said_in_one_sentence(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = refused("--port", str(port), "--outputs", str(tmp_path))
    assert f"Port {port} is in use" in said
    assert "--port" in said


@pytest.mark.parametrize("port", ["70000", "-1"])
def test_an_impossible_port_is_said_in_one_sentence(tmp_path: Path, port: str):
    assert "--port" in refused("--port", port, "--outputs", str(tmp_path))


def test_a_foreign_address_is_said_in_one_sentence(tmp_path: Path):
    said = refused("--host", "203.0.113.9", "--port", "0", "--outputs", str(tmp_path))
    assert "203.0.113.9" in said


def test_an_outputs_folder_that_cannot_be_written_is_refused(tmp_path: Path):
    (tmp_path / "file").write_text("")
    said = refused("--port", "0", "--outputs", str(tmp_path / "file" / "outputs"))
    assert "cannot be written" in said


@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGTERM, marks=pytest.mark.slow), signal.SIGINT]
)
def test_a_signal_ends_it_and_the_next_start_goes_on(tmp_path: Path, number: int):
    with Server(tmp_path) as server:
        job = server.new_album([(f"{n}.jpg", small_photo(n)) for n in range(4)])
        watcher = server.watch(f"/ws/jobs/{job}")
        assert server.stop(number) == 0
        list(events_of(watcher))  # comes to an end
    with Server(tmp_path) as server:
        assert server.wait_for(job)["counts"]["done"] == 4


def test_a_killed_server_finishes_its_album_after_the_next_start(tmp_path: Path):
    with Server(tmp_path) as server:
        job = server.new_album([(f"a/{n}.jpg", small_photo(n)) for n in range(8)])
        wait_until_some_are_done(server, job)
        before = {item["n"] for item in server.job(job)["items"] if item["state"] == "done"}
        server.kill()
    with Server(tmp_path) as server:
        finished = server.wait_for(job)
        events = server.get(f"/api/jobs/{job}/events").json()
    assert finished["counts"]["done"] == 8
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    restored = [e["item"] for e in events if e["type"] == "item" and e["state"] == "done"]
    assert sorted(restored) == list(range(8))  # each of them once
    attempts = {item["n"]: item["attempt"] for item in finished["items"]}
    assert {attempts[n] for n in before} == {1}
    files = sorted(path.name for path in (Path(finished["folder"]) / "a").iterdir())
    assert files == sorted(f"{n}.jpg" for n in range(8))
    report = json.loads((Path(finished["folder"]) / "report.json").read_text(encoding="utf-8"))
    assert report["counts"]["done"] == 8


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="gunicorn only")
def test_when_its_first_process_is_killed_the_port_and_folder_are_free_at_once(tmp_path: Path):
    with Server(tmp_path) as server:
        job = server.new_album([(f"{n}.jpg", small_photo(n)) for n in range(3)])
        server.process.kill()
        with Server(tmp_path, port=server.port) as next_server:
            assert next_server.wait_for(job)["counts"]["done"] == 3


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc to find the process")
def test_a_crash_of_the_working_process_goes_by_unattended(tmp_path: Path):
    with Server(tmp_path) as server:
        job = server.new_album([(f"{n}.jpg", small_photo(n)) for n in range(5)])
        wait_until_some_are_done(server, job)
        working = set(children_of(server.process.pid))
        for child in working:
            os.kill(child, signal.SIGSEGV)
        wait_for(lambda: not working & set(children_of(server.process.pid)))
        server.session.close()
        assert server.wait_for(job)["counts"]["done"] == 5


def test_the_history_says_that_a_damaged_store_was_put_together_again(tmp_path: Path):
    with Server(tmp_path) as server:
        server.new_album([("p.jpg", small_photo(1))], start=False)
        assert "was damaged" not in server.get("/jobs").text
    with open(tmp_path / ".gpen-webui" / "jobs.sqlite", "r+b") as store:
        store.write(b"\xff" * 100)
    with Server(tmp_path) as server:
        page = server.get("/jobs").text
        [kept] = (tmp_path / ".gpen-webui").glob("jobs.damaged-*.sqlite")
        assert f"was damaged; it is kept as {kept.name}" in page
        assert "1 albums with 1 photos" in page
        chinese = server.get("/jobs", headers={"Accept-Language": "zh-CN"}).text
        assert f"损坏的文件保存为 {kept.name}" in chinese
        assert [job["name"] for job in server.get("/api/jobs").json()["jobs"]] == ["Album"]


def test_without_gunicorn_it_serves_as_well(tmp_path: Path):
    without = (
        "import importlib.util as u, sys; found = u.find_spec; "
        "u.find_spec = lambda name, *a: None if name == 'gunicorn' else found(name, *a); "
        "from gpen_webui.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    with Server(tmp_path, command=("-c", without)) as server:
        job = server.new_album([(f"{n}.jpg", small_photo(n)) for n in range(2)])
        events = list(events_of(server.watch(f"/ws/jobs/{job}")))
        assert events[-1]["state"] == "done"
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        assert server.get("/batch").headers["Server"].startswith("Werkzeug")
        assert server.stop() == 0


def test_a_model_that_cannot_be_loaded_is_said_while_the_page_works(tmp_path: Path):
    models = tmp_path / "models"
    models.mkdir()
    (models / "gpen-mini-256.safetensors").write_bytes(b"no weights")
    with Server(tmp_path / "outputs", "--models", str(models)) as server:
        job = server.new_album([("a.jpg", small_photo())])
        paused = server.wait_for(job, ("paused",))
        assert "gpen-mini-256" in paused["reason"]

        def failed() -> dict | None:  # it may be loading just now, before the first page
            answer = server.get("/api/health")
            return answer.json() if answer.status_code == 503 else None

        health = wait_for(failed)
        assert health["status"] == "failed"
        assert "gpen-mini-256" in health["message"]
        assert server.get("/models").status_code == 200
        waiting = server.post("/enhance?wait=1", files={"photo": ("a.jpg", small_photo())})
        assert waiting.status_code == 503


def test_photos_by_path_stay_below_the_folders_that_are_allowed(tmp_path: Path):
    root, secret = tmp_path / "albums", tmp_path / "secret"
    for folder in (root / "1998", root / "linked", secret):
        folder.mkdir(parents=True)
    for place in (root / "1998" / "a.jpg", root / "b.jpg", secret / "c.jpg"):
        place.write_bytes(small_photo())
    os.symlink(secret / "c.jpg", root / "linked" / "c.jpg")
    os.symlink(secret, root / "away")
    kept = {path: path.read_bytes() for path in tmp_path.rglob("*.jpg")}
    is_json = {"Content-Type": "application/json"}
    with Server(tmp_path / "outputs", "--album-root", str(root)) as server:

        def ask(*paths: str):
            return server.post("/batch-enhance", data=json.dumps({"paths": paths}), headers=is_json)

        answer = ask(str(root / "1998"), "b.jpg")
        assert answer.status_code == 202
        assert answer.json()["total_images"] == 2
        job = server.wait_for(answer.json()["job"])
        assert [item["state"] for item in job["items"]] == ["done", "done"]
        for outside in (
            str(secret / "c.jpg"),
            "../secret/c.jpg",
            "linked/c.jpg",
            "away",
            "away/c.jpg",
            "/etc/passwd",
        ):
            answer = ask(outside)
            assert answer.status_code == 403, outside
            assert "--album-root" in answer.json()["error"]["message"]
        linked = server.wait_for(ask("linked").json()["job"])
        assert "leads through a link" in linked["items"][0]["error"]["message"]
        for wrong in ("nothing", "1998/nothing.jpg", "a\0b", "x" * 5000, "\ud800"):
            assert ask(wrong).status_code == 400
        server.delete(f"/api/jobs/{job['id']}")
    assert {path: path.read_bytes() for path in kept} == kept


def wait_until_some_are_done(server: Server, job: str) -> None:
    server.wait_until(job, lambda found: found["counts"]["done"] > 1)


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
