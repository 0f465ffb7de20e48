"""Which models there are, which one is used, and that an installed file stays what it was."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from gpen_webui.models import records
from gpen_webui.models.importing import import_model
from gpen_webui.models.installed import (
    ModelError,
    default_name,
    find_model,
    list_models,
    small_face_model,
    verify_models,
)
from gpen_webui.models.published import (
    CATALOG,
    EMBEDDED,
    NO_LICENCE,
    PARSENET,
    PARSENET_LICENCE,
    REAL_ESRGAN_LICENCE,
    published_model,
)
from gpen_webui.models.records import COPY, RECORD, hash_file
from tests.checkpoint_bombs import BOMBS
from tests.tiny_gpen import make_tiny_model


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("tiny"), size=32).path


@pytest.fixture
def install(tiny: Path, tmp_path: Path):
    def as_name(file_name: str) -> Path:
        return Path(shutil.copy(tiny, tmp_path / file_name))

    return as_name


def states(models: Path) -> dict:
    return {state.name: state for state in list_models(models)}


def test_a_fresh_clone_has_a_model(project: Path):
    model = find_model(None, project / "models")
    assert (model.name, model.size) == (EMBEDDED, 256)
    assert model.sha256 == hash_file(model.path)
    assert model.sha256 == published_model(EMBEDDED).sha256


def test_the_catalog_states_the_hash_of_the_embedded_weights(project: Path):
    stated = next(entry.sha256 for entry in CATALOG if entry.name == EMBEDDED)
    assert stated == hash_file(project / "models" / f"{EMBEDDED}.safetensors")


def test_new_embedded_weights_that_an_update_brings_are_taken(
    install, project: Path, tmp_path: Path
):
    earlier = install(f"{EMBEDDED}.safetensors")
    find_model(None, tmp_path)
    shutil.copy(project / "models" / earlier.name, earlier)
    assert states(tmp_path)[EMBEDDED].problem is None
    assert find_model(None, tmp_path).size == 256
    assert verify_models(tmp_path)[EMBEDDED] is None


def test_the_embedded_model_is_found_wherever_the_others_are_kept(tmp_path: Path):
    assert default_name(tmp_path) == EMBEDDED
    assert find_model(None, tmp_path).path.is_file()


def test_gpen_bfr_512_becomes_the_default_when_it_is_there(install, tmp_path: Path):
    install("gpen-bfr-512.safetensors")
    assert default_name(tmp_path) == find_model(None, tmp_path).name == "gpen-bfr-512"
    assert states(tmp_path)["gpen-bfr-512"].is_default


def test_the_authors_own_file_name_is_known(install, tmp_path: Path):
    install("GPEN-BFR-512.safetensors")
    assert find_model("gpen-bfr-512", tmp_path).name == "gpen-bfr-512"
    assert find_model(None, tmp_path).name == "gpen-bfr-512"
    assert states(tmp_path)["gpen-bfr-512"].installed
    assert len(states(tmp_path)) == len(CATALOG)


def test_any_gpen_checkpoint_in_the_folder_can_be_used_by_name_or_path(install, tmp_path: Path):
    path = install("my-portraits.safetensors")
    assert states(tmp_path)["my-portraits"].size == 32
    by_name, by_path = find_model("my-portraits", tmp_path), find_model(str(path), tmp_path)
    assert by_name == by_path
    assert by_name.size == 32


def test_a_checkpoint_anywhere_can_be_used_by_path(tiny: Path, tmp_path: Path):
    assert find_model(str(tiny), tmp_path).path == tiny


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "no\0name", "", "."])
def test_a_name_cannot_lead_out_of_the_folder(name: str, tmp_path: Path):
    with pytest.raises(ModelError, match="not installed"):
        find_model(name, tmp_path)


def test_a_model_that_is_not_installed_comes_with_the_command_that_fetches_it(tmp_path: Path):
    with pytest.raises(ModelError, match=r"\./run\.sh models download gpen-bfr-512"):
        find_model("gpen-bfr-512", tmp_path)


def test_every_published_model_can_be_had(tmp_path: Path):
    assert all(state.downloadable for state in list_models(tmp_path) if state.name != EMBEDDED)


def test_a_changed_file_is_refused_and_named(install, tmp_path: Path):
    path = install("mine.safetensors")
    find_model("mine", tmp_path)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(1, 1))
    with pytest.raises(ModelError, match=r"mine\.safetensors is no longer the file"):
        find_model("mine", tmp_path)
    assert "no longer" in states(tmp_path)["mine"].problem
    assert "no longer" in verify_models(tmp_path)["mine"]


def test_a_new_edition_that_came_with_the_program_is_accepted(
    install, project: Path, tmp_path: Path
):
    earlier = install(f"{EMBEDDED}.safetensors")
    assert find_model(EMBEDDED, tmp_path).size == 32
    shutil.copyfile(project / "models" / earlier.name, earlier)
    assert verify_models(tmp_path)[EMBEDDED] is None
    assert find_model(EMBEDDED, tmp_path).size == 256


def test_a_file_that_was_only_touched_is_still_accepted(install, tmp_path: Path):
    path = install("mine.safetensors")
    first = find_model("mine", tmp_path)
    os.utime(path)
    assert find_model("mine", tmp_path) == first


def test_verify_reads_every_file_and_finds_the_damaged_one(install, tmp_path: Path):
    install("good.safetensors")
    install("cut.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{}")
    problems = verify_models(tmp_path)
    assert problems["good"] is None
    assert "cut.safetensors" in problems["cut"]


def test_verify_notices_a_change_that_keeps_size_and_time(install, tmp_path: Path):
    path = install("mine.safetensors")
    find_model("mine", tmp_path)
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert "no longer" in verify_models(tmp_path)["mine"]


def test_a_read_only_models_folder_works(install, tmp_path: Path, monkeypatch):
    install("mine.safetensors")

    def refuse(*arguments):
        raise PermissionError("read-only")

    monkeypatch.setattr(os, "replace", refuse)
    assert find_model("mine", tmp_path).size == 32
    assert {path.name for path in tmp_path.iterdir()} == {"mine.safetensors"}


def test_every_model_of_others_says_its_licence_or_that_none_is_stated_and_who_made_it():
    for entry in CATALOG:
        if entry.name != EMBEDDED:
            expected = NO_LICENCE
            if "xinntao/Real-ESRGAN" in str(entry.sources):
                expected = REAL_ESRGAN_LICENCE
            elif entry.name == PARSENET:
                expected = PARSENET_LICENCE
            assert entry.licence == expected
            assert expected == REAL_ESRGAN_LICENCE or "https://github.com/" in expected
            assert all(source.startswith("https://") for source in entry.sources)
            assert entry.sources


ODD_RECORDS = [
    "",
    "{",
    "[]",
    "null",
    "3",
    '{"mine.safetensors": 7}',
    '{"mine.safetensors": {"sha256": "x"}}',
    '{"mine.safetensors": {"sha256": 1, "bytes": "2", "mtime": null, "crop": []}}',
    '{"mine.safetensors": {"sha256": "x", "bytes": 1, "mtime": 1, "crop": 32}}',
    "{}",
    "[" * 100_000,
]


def replace_weights(path: Path, tmp_path: Path) -> None:
    """Other weights, which would be accepted of a new file."""
    other = make_tiny_model(tmp_path.parent, size=32, seed=9).path
    shutil.move(other, path)


@pytest.mark.parametrize("content", ODD_RECORDS)
def test_a_damaged_record_changes_nothing_for_weights_that_its_copy_knows(
    install, tmp_path: Path, content: str
):
    install("mine.safetensors")
    accepted = find_model("mine", tmp_path)
    (tmp_path / RECORD).write_text(content)
    assert find_model("mine", tmp_path) == accepted
    assert states(tmp_path)["mine"].problem is None
    assert find_model("mine", tmp_path) == accepted


@pytest.mark.parametrize("content", ODD_RECORDS)
def test_a_damaged_record_does_not_make_replaced_weights_acceptable(
    install, tmp_path: Path, content: str
):
    path = install("mine.safetensors")
    find_model("mine", tmp_path)
    before = path.stat()
    replace_weights(path, tmp_path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    (tmp_path / RECORD).write_text(content)
    for _ in range(2):
        with pytest.raises(ModelError, match=r"mine\.safetensors is no longer the file"):
            find_model("mine", tmp_path)
    assert "no longer" in states(tmp_path)["mine"].problem
    assert "no longer" in verify_models(tmp_path)["mine"]


@pytest.mark.parametrize("harm", [Path.unlink, lambda copy: copy.write_text("{")])
def test_without_record_and_copy_nothing_is_accepted_but_what_the_user_vouches_for(
    install, tmp_path: Path, harm
):
    path = install("mine.safetensors")
    find_model("mine", tmp_path)
    (tmp_path / RECORD).write_text("damaged")
    harm(tmp_path / COPY)
    for _ in range(2):
        with pytest.raises(ModelError, match=r"mine\.safetensors cannot be told .* models import"):
            find_model("mine", tmp_path)
    assert "cannot be told" in states(tmp_path)["mine"].problem
    assert "cannot be told" in verify_models(tmp_path)["mine"]

    install("new.safetensors")  # another file's acceptance does not make up for it
    import_model(path, tmp_path)
    assert find_model("mine", tmp_path).size == 32
    assert states(tmp_path)["mine"].problem is None


def test_after_a_damage_files_that_were_there_stay_refused_when_others_are_accepted(
    install, tmp_path: Path
):
    first, second = install("first.safetensors"), install("second.safetensors")
    find_model("first", tmp_path)
    find_model("second", tmp_path)
    (tmp_path / RECORD).write_text("damaged")
    (tmp_path / COPY).write_text("damaged")
    import_model(first, tmp_path)
    with pytest.raises(ModelError, match=f"{second.name} cannot be told"):
        find_model("second", tmp_path)
    install("third.safetensors")
    assert find_model("third", tmp_path).size == 32


def test_published_weights_prove_themselves_when_the_record_is_lost(project: Path, tmp_path: Path):
    shutil.copy(project / "models" / f"{EMBEDDED}.safetensors", tmp_path)
    (tmp_path / RECORD).write_text("damaged")
    assert find_model(EMBEDDED, tmp_path).size == 256


def test_a_missing_record_is_made_good_by_its_copy(install, tmp_path: Path):
    path = install("mine.safetensors")
    find_model("mine", tmp_path)
    (tmp_path / RECORD).unlink()
    replace_weights(path, tmp_path)
    with pytest.raises(ModelError, match="no longer the file"):
        find_model("mine", tmp_path)


def test_many_processes_put_their_models_on_record_without_losing_one(
    install, tmp_path: Path, project: Path
):
    names = [f"model-{number}" for number in range(4)]
    for name in names:
        install(f"{name}.safetensors")
    code = (
        "import sys; from pathlib import Path; from threading import Thread\n"
        "from gpen_webui.models.installed import find_model\n"
        "work = [Thread(target=find_model, args=(n, Path(sys.argv[1]))) for n in sys.argv[2:]]\n"
        "[thread.start() for thread in work]; [thread.join() for thread in work]\n"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), *part], cwd=project)
        for part in (names[:2], names[2:])
    ]
    assert [process.wait() for process in processes] == [0, 0]
    on_record = json.loads((tmp_path / RECORD).read_text())
    assert set(on_record) == {f"{name}.safetensors" for name in names}


def test_refused_weights_are_hashed_once_not_at_every_look(install, tmp_path: Path, monkeypatch):
    path = install("mine.safetensors")
    find_model("mine", tmp_path)
    replace_weights(path, tmp_path)
    hashed = []
    real = records.hash_file
    monkeypatch.setattr(records, "hash_file", lambda path: hashed.append(path) or real(path))
    for _ in range(5):
        assert "no longer" in states(tmp_path)["mine"].problem
    assert hashed == [path]
    path.write_bytes(path.read_bytes() + b"?")
    assert "no longer" in states(tmp_path)["mine"].problem
    assert len(hashed) == 2


@pytest.mark.parametrize("name", BOMBS)
def test_whatever_is_dropped_into_the_folder_the_list_stands(tmp_path: Path, name: str):
    BOMBS[name](tmp_path / name)
    state = states(tmp_path)[Path(name).stem]
    assert state.problem is None or (name in state.problem and state.problem.endswith("."))
    assert EMBEDDED in states(tmp_path)


def test_the_size_of_a_new_file_is_told_before_it_is_used(tiny: Path, tmp_path: Path):
    torch.save(load_file(tiny), tmp_path / "mine.pth")
    assert states(tmp_path)["mine"].size == 32


def test_the_model_for_small_faces_goes_with_the_default_one_where_it_is_good(
    install, tmp_path: Path, tmp_path_factory
):
    large = make_tiny_model(tmp_path_factory.mktemp("large"), size=64).path
    shutil.copy(large, tmp_path / "gpen-bfr-512.safetensors")
    default = find_model(None, tmp_path)
    assert small_face_model(default, tmp_path) is None
    small = install("gpen-bfr-256.safetensors")
    assert small_face_model(default, tmp_path) == find_model("gpen-bfr-256", tmp_path)
    assert small_face_model(find_model("gpen-bfr-256", tmp_path), tmp_path) is None
    small.write_bytes(b"damaged")
    assert small_face_model(default, tmp_path) is None
