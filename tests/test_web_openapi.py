"""The OpenAPI document: whole, equal to the documents and to what the server answers."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpen_webui.options import DEFAULTS, OPTIONS
from tests.server import PROJECT, Server, small_photo

NOT_TRIED = r"^/ws|^/api/models/[^/]+/download"  # WebSockets; it would fetch a model
ADDRESS = re.compile(r"^\| `(GET|POST|DELETE|WS) (/[^`?]*)[^`]*`([^|]*)\|", re.M)


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("outputs")) as server:
        yield server


@pytest.fixture(scope="module")
def document(server: Server) -> dict:
    answer = server.get("/api/openapi.json")
    assert answer.headers["Content-Type"] == "application/json"
    return answer.json()


def documented() -> set[tuple[str, str]]:
    """Method and address of every line in docs/http-api.md, with all parameters as {}."""
    text = (PROJECT / "docs" / "http-api.md").read_text(encoding="utf-8")
    found = set()
    for method, path, others in ADDRESS.findall(text):
        paths = [path, *(f"{path.rpartition('/')[0]}/{word}" for word in named_beside(others))]
        method = "GET" if method == "WS" else method
        found |= {(method, re.sub(r"<\w+>", "{}", path)) for path in paths}
    return found


def named_beside(text: str) -> list[str]:
    """The words of ` · `resume` · `cancel``: addresses that differ in their last part."""
    return re.findall(r"· `([\w-]+)`", text)


def test_every_address_of_the_document_is_in_the_docs_and_the_other_way_round(document: dict):
    in_document = {
        (method.upper(), re.sub(r"\{\w+\}", "{}", path))
        for path, operations in document["paths"].items()
        for method in operations
    }
    assert in_document == documented()
    assert len(in_document) > 20


def test_it_is_a_valid_openapi_document(document: dict):
    validator = pytest.importorskip("openapi_spec_validator", reason="needs the test extras")
    validator.validate(document)


def test_its_options_are_those_of_the_descriptors(document: dict):
    options = document["components"]["schemas"]["Options"]["properties"]
    assert list(options) == list(OPTIONS)
    assert {name: schema["default"] for name, schema in options.items()} == DEFAULTS
    form = document["paths"]["/enhance"]["post"]["requestBody"]["content"]["multipart/form-data"]
    assert set(OPTIONS) < set(form["schema"]["properties"])


def test_answers_are_as_the_document_says(server: Server, document: dict):
    jsonschema = pytest.importorskip("jsonschema", reason="needs the test extras")
    photo = {"photo": ("a.jpg", small_photo())}
    made = server.post("/api/jobs", json={"kind": "album", "options": {"strength": 10}})
    job = made.json()["id"]
    item = server.post(f"/api/jobs/{job}/items", files=photo)
    started = server.post(f"/api/jobs/{job}/start")
    server.wait_for(job)
    bad = server.new_album([("bad.jpg", b"no photo")])
    server.wait_for(bad)
    one = "/api/jobs/{job_id}"
    answers = [
        ("/api/jobs", "post", made),
        (f"{one}/items", "post", item),
        (f"{one}/start", "post", started),
        ("/api/jobs", "get", server.get("/api/jobs")),
        (one, "get", server.get(f"/api/jobs/{job}")),
        (one, "get", server.get(f"/api/jobs/{bad}")),
        (one, "get", server.get("/api/jobs/0123456789abcdef")),
        (f"{one}/retry", "post", server.post(f"/api/jobs/{bad}/retry")),
        (f"{one}/pause", "post", server.post(f"/api/jobs/{job}/pause")),
        (f"{one}/run-again", "post", server.post(f"/api/jobs/{job}/run-again", json={})),
        (f"{one}/items/{{n}}", "get", server.get(f"/api/jobs/{job}/items/0")),
        (f"{one}/events", "get", server.get(f"/api/jobs/{job}/events")),
        ("/enhance", "post", server.post("/enhance", files=photo)),
        ("/enhance", "post", server.post("/enhance", files=photo, data={"strength": "x"})),
        ("/batch-enhance", "post", server.post("/batch-enhance", files={"photos": photo["photo"]})),
        ("/batch-enhance", "post", server.post("/batch-enhance", json={"paths": ["x"]})),
        ("/api/models", "get", server.get("/api/models")),
        ("/api/health", "get", server.get("/api/health")),
        (one, "delete", server.delete(f"/api/jobs/{bad}")),
    ]
    for path, method, answer in answers:
        said = document["paths"][path][method]["responses"]
        expected = said.get(str(answer.status_code), said["default"])
        schema = expected["content"]["application/json"]["schema"]
        jsonschema.validate(answer.json(), {**schema, "components": document["components"]})


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_schemathesis_finds_no_answer_that_the_document_does_not_allow(server: Server):
    """Random requests of every operation, seeded: no 5xx, no other type, no other shape."""
    pytest.importorskip("schemathesis", reason="needs the test extras")
    server.wait_for(server.new_album([("a.jpg", small_photo())]))  # the model is loaded: ready
    checks = (
        "not_a_server_error,status_code_conformance,content_type_conformance,"
        "response_schema_conformance"
    )
    done = subprocess.run(
        [
            *(Path(sys.executable).with_name("schemathesis"), "run"),
            *(f"{server.url}/api/openapi.json", "--checks", checks),
            *("--exclude-path-regex", NOT_TRIED, "--max-examples", "40", "--seed", "18"),
            *("--generation-deterministic", "--request-timeout", "60", "--no-color"),
        ],
        capture_output=True,
        text=True,
        timeout=800,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert server.errors() == []
