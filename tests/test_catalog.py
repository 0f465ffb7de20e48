"""Which models there are, which one is used, and that an installed file stays what it was."""

import os
import shutil
from pathlib import Path

import pytest

from gpen_webui.models.installed import (
    ModelError,
    default_name,
    find_model,
    hash_file,
    list_models,
    verify_models,
)
from gpen_webui.models.published import CATALOG, EMBEDDED, NO_LICENCE, published_model
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


def test_what_cannot_be_used_yet_says_so(tmp_path: Path):
    with pytest.raises(ModelError, match="cannot be used by this program yet"):
        find_model("gpen-colorization-1024", tmp_path)
    assert not states(tmp_path)["gpen-inpainting-1024"].downloadable


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
    verdicts = verify_models(tmp_path)
    assert verdicts["good"] is None
    assert "cut.safetensors" in verdicts["cut"]


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


def test_every_model_of_others_says_that_no_licence_is_stated_and_who_made_it():
    for entry in CATALOG:
        if entry.name != EMBEDDED:
            assert entry.licence == NO_LICENCE
            assert "github.com/yangxy/GPEN" in entry.licence
            assert all(source.startswith("https://") for source in entry.sources)
            assert entry.sources
