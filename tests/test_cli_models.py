"""`./run.sh models`, with a models folder of the test's own and a server on this machine."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from gpen_webui.cli import main
from gpen_webui.models import published
from tests.file_server import FileServer
from tests.tiny_gpen import make_tiny_model


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("tiny"), size=32).path


@pytest.fixture
def models(tmp_path: Path, monkeypatch) -> Path:
    folder = tmp_path / "models"
    monkeypatch.setenv("GPEN_WEBUI_MODELS", str(folder))
    return folder


def test_list_names_every_model_its_state_and_its_licence(models: Path, capsys):
    assert main(["models", "list"]) == 0
    said = capsys.readouterr().out
    for entry in published.CATALOG:
        assert entry.name in said
    assert "installed, the default" in said
    assert "not supported" not in said
    assert said.count(published.NO_LICENCE) == 1
    assert str(models) in said


def test_import_then_list_then_verify(models: Path, tiny: Path, capsys):
    assert main(["models", "import", str(tiny)]) == 0
    main(["models", "list"])
    assert f"{tiny.stem:24} 32 px" in capsys.readouterr().out
    assert main(["models", "verify"]) == 0
    assert f"{tiny.stem}: whole and unchanged" in capsys.readouterr().out

    shutil.copyfile(__file__, models / tiny.name)
    assert main(["models", "verify"]) == 1
    assert f"{tiny.name} is no longer the file" in capsys.readouterr().out


def test_importing_a_replaced_file_where_it_lies_accepts_it(models: Path, tiny: Path, capsys):
    main(["models", "import", str(tiny)])
    other = make_tiny_model(models, size=32, seed=7).path
    other.replace(models / tiny.name)
    assert main(["models", "verify"]) == 1
    assert main(["models", "import", str(models / tiny.name)]) == 0
    assert main(["models", "verify"]) == 0


@pytest.mark.parametrize("arguments", [["download", "no-such-model"], ["import", "no-file.pth"]])
def test_what_cannot_be_had_is_code_2_and_one_sentence(models: Path, capsys, arguments):
    assert main(["models", *arguments]) == 2
    said = capsys.readouterr().err
    assert arguments[1] in said
    assert said.count("\n") == 1


def test_download_fetches_from_the_catalogs_sources_in_order(
    models: Path, tiny: Path, tmp_path: Path, capsys, monkeypatch
):
    torch.save({"g_ema": load_file(tiny)}, tmp_path / "official.pth")
    with FileServer((tmp_path / "official.pth").read_bytes()).running() as server:
        sources = (server.url("missing"), server.url("whole"))
        entry = published.PublishedModel("gpen-test", 32, "A test", 1, sources)
        monkeypatch.setattr(published, "CATALOG", (*published.CATALOG, entry))
        assert main(["models", "download", "gpen-test"]) == 0
    said = capsys.readouterr()
    assert str(models / "gpen-test.pth") in said.out
    assert "state no licence" in said.err
    assert [path for path, _ in server.requests] == ["/missing", "/whole"]
