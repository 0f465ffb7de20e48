"""Downloads from servers that behave, and from servers that do not."""

import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from gpen_webui.files.lock import FileLock
from gpen_webui.gpen.checkpoint import load_checkpoint
from gpen_webui.models.download import (
    CHUNK,
    DownloadCancelled,
    DownloadError,
    download_model,
    redirected,
)
from gpen_webui.models.folder import ModelError
from gpen_webui.models.importing import LOCK as IMPORT_LOCK
from gpen_webui.models.importing import import_model, remove_leftovers
from gpen_webui.models.installed import find_model
from tests.file_server import FileServer
from tests.reference_case import ReferenceCase
from tests.waiting import wait_for

TINY = Path(__file__).parent / "data" / "tiny-64.npz"
NAME = "gpen-bfr-256"


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("weights") / "official.pth"
    torch.save({name: value.half() for name, value in ReferenceCase(TINY).state().items()}, path)
    return path.read_bytes()


@pytest.fixture
def server(weights: bytes):
    with FileServer(weights).running() as running:
        yield running


def fetch(server: FileServer, models: Path, *behaviours: str, **options):
    sources = [server.url(behaviour) for behaviour in behaviours]
    return download_model(NAME, models, sources=sources, **{"stall_seconds": 0.4, **options})


DOWNLOAD = """
import sys
from pathlib import Path
from gpen_webui.models.download import download_model
try:
    print(download_model(sys.argv[1], Path(sys.argv[2]), sources=[sys.argv[3]]).name)
except Exception as error:
    print(error)
"""


def visible(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def test_a_download_lands_whole_with_its_hash_on_record(server, weights, tmp_path: Path):
    model = fetch(server, tmp_path, "whole")
    assert model.path.read_bytes() == weights
    assert model.sha256 == hashlib.sha256(weights).hexdigest()
    assert (model.name, visible(tmp_path)) == (NAME, {f"{NAME}.pth"})
    assert find_model(NAME, tmp_path) == model


def test_progress_ends_at_the_whole_length(server, weights, tmp_path: Path):
    told = []
    fetch(server, tmp_path, "whole", on_progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (len(weights), len(weights))
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_a_connection_that_breaks_off_is_resumed_where_it_stopped(server, weights, tmp_path: Path):
    model = fetch(server, tmp_path, "halves")
    assert model.path.read_bytes() == weights
    first, second = (wanted for _, wanted in server.requests[:2])
    assert first is None
    begin = int(second.removeprefix("bytes=").removesuffix("-"))
    assert len(weights) // 2 - CHUNK <= begin <= len(weights) // 2


def test_a_later_call_goes_on_with_what_has_arrived(server, weights, tmp_path: Path):
    stop = iter([False, False, True])
    server.slowly = 0.01
    with pytest.raises(DownloadCancelled):
        fetch(server, tmp_path, "whole", cancelled=lambda: next(stop))
    assert visible(tmp_path) == set()
    server.slowly = 0
    model = fetch(server, tmp_path, "whole")
    assert model.path.read_bytes() == weights
    assert server.requests[-1][1].startswith("bytes=")


def test_a_part_that_was_whole_already_is_not_fetched_again(server, weights, tmp_path: Path):
    stop = iter([False, True])
    with pytest.raises(DownloadCancelled):
        fetch(server, tmp_path, "whole", cancelled=lambda: next(stop))
    (tmp_path / f".{NAME}.part").write_bytes(weights)
    fetch(server, tmp_path, "whole")
    assert server.requests[-1] == ("/whole", f"bytes={len(weights)}-")


def test_parts_of_different_files_are_never_joined(server, weights, tmp_path: Path):
    stop = iter([False, False, True])
    with pytest.raises(DownloadCancelled):
        fetch(server, tmp_path, "whole", cancelled=lambda: next(stop))
    part = tmp_path / f".{NAME}.part"
    part.write_bytes(b"?" * part.stat().st_size)  # what an earlier edition began with
    server.etag = '"second"'
    assert fetch(server, tmp_path, "whole").path.read_bytes() == weights


def test_a_server_without_ranges_or_etag_works_too(server, weights, tmp_path: Path):
    assert fetch(server, tmp_path, "plain").path.read_bytes() == weights


def test_redirects_are_followed(server, weights, tmp_path: Path):
    assert fetch(server, tmp_path, "redirect").path.read_bytes() == weights


BAD = {
    "stall": "nothing for too long|broke off",
    "truncate": "damaged",
    "lie": "broke off",
    "page": "web page",
    "disguised": "not the model",
    "missing": "404",
    "loop": "circles",
}


@pytest.mark.parametrize("behaviour", BAD)
def test_a_bad_source_gives_one_sentence_and_leaves_no_model(server, tmp_path: Path, behaviour):
    with pytest.raises(DownloadError, match=BAD[behaviour]) as caught:
        fetch(server, tmp_path, behaviour)
    sentence = str(caught.value)
    assert NAME in sentence
    assert sentence.endswith("kept.")
    assert "\n" not in sentence
    assert visible(tmp_path) == set()


@pytest.mark.parametrize(
    "behaviour", ["stall", "disguised", "missing", "wordy", "negative", "garbage", "loop"]
)
def test_the_next_source_is_tried_after_a_bad_one(server, weights, tmp_path: Path, behaviour):
    model = fetch(server, tmp_path, behaviour, "whole")
    assert model.path.read_bytes() == weights
    assert load_checkpoint(model.path)[0].size == 64


NO_ADDRESSES = [
    "",
    "http://[",
    "http://",
    "http://a..b/",
    "http://127.0.0.1:99999999/",
    "http://" + "a" * 300 + ".example/",
    "http://\xff\xfe/",
    "file:///etc/passwd",
    "ftp://127.0.0.1/gpen.pth",
    "data:text/plain,weights",
    "javascript:alert(1)",
]


@pytest.mark.parametrize("location", NO_ADDRESSES)
def test_the_next_source_is_tried_after_a_redirect_to_no_address(
    server, weights, tmp_path: Path, location: str
):
    server.redirect_to = location
    assert fetch(server, tmp_path, "away", "whole").path.read_bytes() == weights


LOCAL = [
    "http://127.0.0.1/x",
    "http://localhost/x",
    "http://2130706433/x",
    "http://[::1]/x",
    "http://[::ffff:127.0.0.1]/x",
    "http://10.0.0.1/x",
    "http://169.254.169.254/latest/meta-data",
    "http://[fe80::1]/x",
]


@pytest.mark.parametrize("location", LOCAL)
def test_a_public_source_cannot_redirect_into_the_local_network(location: str):
    with pytest.raises(Exception, match="local network"):
        redirected("http://example.org/gpen.pth", location, local_allowed=False)


def test_an_encrypted_source_cannot_redirect_to_an_unencrypted_one():
    with pytest.raises(Exception, match="without encryption"):
        redirected("https://example.org/gpen.pth", "http://example.org/x", local_allowed=True)


def test_a_server_that_does_not_answer_is_said_to_be_out_of_reach(tmp_path: Path):
    with pytest.raises(DownloadError, match="cannot be reached"):
        download_model(NAME, tmp_path, sources=["http://127.0.0.1:9/gpen.pth"])


def test_weights_with_numbers_that_are_not_finite_are_refused(tmp_path: Path):
    state = ReferenceCase(TINY).state()
    name = next(iter(state))
    state[name] = torch.full_like(state[name], torch.inf)
    torch.save(state, tmp_path / "bad.pth")
    with FileServer((tmp_path / "bad.pth").read_bytes()).running() as server:
        (tmp_path / "models").mkdir()
        with pytest.raises(DownloadError, match="not the model, or is damaged"):
            fetch(server, tmp_path / "models", "whole")
    assert visible(tmp_path / "models") == set()


def test_a_model_that_is_there_is_not_fetched_again(server, tmp_path: Path):
    first = fetch(server, tmp_path, "whole")
    assert fetch(server, tmp_path, "whole") == first
    assert len(server.requests) == 1


def test_a_model_that_has_changed_is_fetched_anew(server, weights, tmp_path: Path):
    changed = fetch(server, tmp_path, "whole").path
    changed.write_bytes(weights[:-1] + b"?")
    assert fetch(server, tmp_path, "whole").path.read_bytes() == weights


def test_two_downloads_of_one_model_do_not_mix(server, weights, tmp_path: Path):
    server.may_go_on.clear()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(fetch, server, tmp_path, "whole", stall_seconds=60)
        wait_for(lambda: server.requests)
        with pytest.raises(DownloadError, match="being downloaded already"):
            fetch(server, tmp_path, "whole")
        server.may_go_on.set()
        assert first.result().path.read_bytes() == weights


@pytest.mark.parametrize("process", [1, os.getpid(), 999999999], ids=["another", "ours", "nobody"])
def test_the_lock_of_a_dead_download_is_taken_over(server, tmp_path: Path, process: int):
    (tmp_path / f".{NAME}.lock").write_text(str(process))
    assert fetch(server, tmp_path, "whole").name == NAME


def test_only_one_of_two_processes_takes_over_from_a_dead_download(
    server, weights, tmp_path: Path, project: Path
):
    (tmp_path / f".{NAME}.lock").write_text("999999999")
    server.may_go_on.clear()
    command = [sys.executable, "-c", DOWNLOAD, NAME, str(tmp_path), server.url("whole")]
    processes = [
        subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    # One is turned away and ends while the other waits for the server; or both ask it.
    wait_for(
        lambda: len(server.requests) > 1 or any(process.poll() is not None for process in processes)
    )
    server.may_go_on.set()
    said = sorted(process.communicate()[0].strip() for process in processes)
    assert (tmp_path / f"{NAME}.pth").read_bytes() == weights
    fetched = sum(path == "/whole" for path, _ in server.requests)
    assert fetched == 1, said


@pytest.mark.parametrize("name", ["gpen-mini-256", "../x", "nonsense"])
def test_what_cannot_be_downloaded_is_refused(tmp_path: Path, name: str):
    with pytest.raises(DownloadError, match="models list"):
        download_model(name, tmp_path)


def test_a_folder_that_cannot_be_written_gets_a_sentence(server, tmp_path: Path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DownloadError, match="cannot be written"):
        fetch(server, tmp_path / "file" / "models", "whole")


def test_import_copies_a_checked_file_and_records_it(weights, tmp_path: Path):
    (tmp_path / "own.pth").write_bytes(weights)
    model = import_model(tmp_path / "own.pth", tmp_path / "models")
    assert (model.name, model.size) == ("own", 64)
    assert model.path.read_bytes() == weights
    assert visible(tmp_path / "models") == {"own.pth"}


def test_an_import_into_a_folder_that_cannot_be_written_gets_a_sentence(weights, tmp_path: Path):
    (tmp_path / "own.pth").write_bytes(weights)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ModelError, match="cannot be written"):
        import_model(tmp_path / "own.pth", tmp_path / "file" / "models")


def test_an_import_of_what_is_not_there_names_it(tmp_path: Path):
    with pytest.raises(ModelError, match=r"gone\.pth cannot be opened"):
        import_model(tmp_path / "gone.pth", tmp_path / "models")


def test_what_imports_that_were_killed_have_left_is_removed(weights, tmp_path: Path):
    (tmp_path / ".import-abc").mkdir()
    (tmp_path / ".import-abc" / "own.pth").write_bytes(weights[:1000])
    (tmp_path / ".own.pth.import").write_bytes(weights[:1000])
    (tmp_path / "own.pth").write_bytes(weights)
    remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"own.pth"}


def test_an_import_under_way_in_another_process_is_not_removed(weights, tmp_path: Path):
    (tmp_path / ".import-abc").mkdir()
    with FileLock(tmp_path / IMPORT_LOCK):
        remove_leftovers(tmp_path)
    assert (tmp_path / ".import-abc").is_dir()


def test_import_refuses_what_is_no_model_and_never_overwrites(weights, tmp_path: Path):
    (tmp_path / "page.pth").write_bytes(b"<!DOCTYPE html><html></html>")
    (tmp_path / "own.bin").write_bytes(weights)
    for name, reason in (("page.pth", "web page"), ("own.bin", "must end in")):
        with pytest.raises(Exception, match=reason):
            import_model(tmp_path / name, tmp_path / "models")
    (tmp_path / "own.pth").write_bytes(weights)
    import_model(tmp_path / "own.pth", tmp_path / "models")
    (tmp_path / "own.pth").write_bytes(weights + b"?")
    with pytest.raises(Exception, match="exists already"):
        import_model(tmp_path / "own.pth", tmp_path / "models")
    assert (tmp_path / "models" / "own.pth").read_bytes() == weights
