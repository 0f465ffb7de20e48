"""ONNX graphs of others: as weights of our own network, or else as they are."""

import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytest.importorskip("openvino")

from gpen_webui.cli import main
from gpen_webui.engines.base import EngineError
from gpen_webui.engines.import_weights import import_weights
from gpen_webui.engines.open import open_engine
from gpen_webui.engines.openvino.onnx_model import run_onnx
from gpen_webui.engines.quality import real_crops
from gpen_webui.gpen.checkpoint import CheckpointError, load_checkpoint
from gpen_webui.gpen.network import NetworkConfig
from gpen_webui.models.folder import ModelError
from gpen_webui.models.installed import find_model, list_models
from tests.onnx_export import EXPORTERS, FORMS, export, random_network

CONFIGS = [NetworkConfig(64, 2, 0.125), NetworkConfig(128, 1, 0.125)]


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


ALL_EXPORTS = list(itertools.product(CONFIGS, FORMS, EXPORTERS))
# Each form and each exporter once: all of them take half a minute.
QUICK_EXPORTS = [(CONFIGS[0], *pair) for pair in zip(FORMS, EXPORTERS, strict=True)]


@pytest.mark.parametrize(
    ("config", "form", "exporter"),
    [
        pytest.param(
            *one,
            id=f"{one[0].size}-{one[1]}-{one[2]}",
            marks=() if one in QUICK_EXPORTS else pytest.mark.slow,
        )
        for one in ALL_EXPORTS
    ],
)
def test_the_weights_of_an_exported_gpen_give_what_the_checkpoint_gives(
    tmp_path: Path, models: Path, config: NetworkConfig, form: str, exporter: str
):
    network = random_network(config)
    weights = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    crops = real_crops(config.size)
    expected = network(torch.from_numpy(crops)).numpy()
    export(network, tmp_path / "mine.onnx", exporter=exporter, form=form)

    model = import_weights(tmp_path / "mine.onnx", models).model
    assert (model.name, model.path.name, model.size) == ("mine", "mine.safetensors", config.size)
    found, read = load_checkpoint(model.path)
    assert found == config
    for name, tensor in weights.items():
        assert torch.allclose(read[name], tensor, rtol=1e-6, atol=0), name
    with open_engine(model, device="cpu") as engine:
        restored = engine.run(crops)
    assert np.abs(restored - expected).max() < 1e-4 * expected.std()
    as_onnx = run_onnx(tmp_path / "mine.onnx", crops, "mine.onnx")
    assert np.abs(restored - as_onnx).max() < 1e-4 * expected.std()


class Softener(nn.Module):
    """A network of another make that returns the face, slightly blurred."""

    def __init__(self, size: int, gain: float = 1.0):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1, bias=False)
        self.size = size
        kernel = torch.zeros(3, 3, 3, 3)
        for channel in range(3):
            kernel[channel, channel] = 0.05
            kernel[channel, channel, 1, 1] = 0.6
        self.conv.weight.data = kernel * gain

    def forward(self, x):
        return self.conv(x)


def export_softener(path: Path, size: int = 64, **options) -> Path:
    network, crops = Softener(size, **options), torch.zeros(1, 3, size, size)
    torch.onnx.export(network, (crops,), path, dynamo=False, input_names=["input"])
    return path


def test_a_network_of_another_make_runs_as_it_is(tmp_path: Path, models: Path):
    imported = import_weights(export_softener(tmp_path / "soft.onnx"), models)
    assert imported.model.path.name == "soft.onnx"
    assert "runs as it is" in imported.remark
    model = find_model("soft", models)
    assert model == imported.model
    crops = real_crops(64)
    expected = Softener(64)(torch.from_numpy(crops)).detach().numpy()
    for precision in ("exact", "fast"):
        with open_engine(model, precision=precision, cache=models / ".cache") as engine:
            assert np.allclose(engine.run(crops), expected, atol=1e-5)
            assert "as it came" in engine.description


def test_it_cannot_run_on_a_gpu_and_says_so(tmp_path: Path, models: Path):
    model = import_weights(export_softener(tmp_path / "soft.onnx"), models).model
    with pytest.raises(EngineError, match="runs on the CPU alone"):
        open_engine(model, device="cuda")


def test_a_network_that_takes_other_numbers_is_refused(tmp_path: Path, models: Path):
    wrong = export_softener(tmp_path / "wrong.onnx", gain=-1.0)
    with pytest.raises(CheckpointError, match=r"wrong\.onnx does not give back the face"):
        import_weights(wrong, models)
    assert not (models / "wrong.onnx").exists()


def test_one_that_was_dropped_into_the_folder_is_listed_and_checked_when_it_is_used(
    tmp_path: Path, models: Path
):
    models.mkdir()
    export_softener(models / "soft.onnx")
    export_softener(models / "wrong.onnx", gain=-1.0)
    (models / "centerface.onnx").write_bytes(b"the face detector")
    states = {state.name: state for state in list_models(models)}
    assert (states["soft"].size, states["soft"].problem) == (64, None)
    assert "centerface" not in states
    with open_engine(find_model("soft", models)) as engine:
        assert engine.size == 64
    with pytest.raises(CheckpointError, match="does not give back the face"):
        open_engine(find_model("wrong", models))


class TwoPictures(Softener):
    def forward(self, x):
        return self.conv(x), self.conv(x) * 2


class Shrinker(Softener):
    def forward(self, x):
        return self.conv(x)[:, :, ::2, ::2]


class Waster(Softener):
    def forward(self, x):
        return self.conv(x) + x.repeat(1, 4000, 1, 1).mean() * 0


class Sorter(Softener):
    def forward(self, x):
        return torch.sort(self.conv(x), dim=3)[0]


def damaged(path: Path) -> None:
    export_softener(path)
    path.write_bytes(path.read_bytes()[:-200])


def with_external_data(path: Path) -> None:
    import onnx

    export_softener(path)
    graph = onnx.load(path)
    onnx.save(graph, path, save_as_external_data=True, location="elsewhere.bin", size_threshold=0)


def other(network: type[nn.Module], size: int = 64):
    def write(path: Path) -> None:
        crops = torch.zeros(1, 3, size, size)
        torch.onnx.export(network(size), (crops,), path, dynamo=False, input_names=["input"])

    return write


BAD = {
    "two-pictures.onnx": (other(TwoPictures), "no network that takes one square RGB crop"),
    "shrinks.onnx": (other(Shrinker), "does not give crops of 64 px"),
    "wasteful.onnx": (other(Waster, 256), "far more memory"),
    "sorts.onnx": (other(Sorter), "no restorer of faces needs"),
    "odd-size.onnx": (other(Softener, 4), "choose one that takes 1 of 8 to 2048 px"),
    "cut.onnx": (damaged, "damaged"),
    "external.onnx": (with_external_data, "keeps its weights in another file"),
    "text.onnx": (lambda path: path.write_bytes(b"hello, this is text" * 50), "damaged or no ONNX"),
    "empty.onnx": (lambda path: path.write_bytes(b""), "damaged or no ONNX"),
    "zeros.onnx": (lambda path: path.write_bytes(bytes(1000)), "damaged or no ONNX"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_model_of_faces_gets_a_sentence_that_names_it(
    tmp_path: Path, models: Path, name: str
):
    write, reason = BAD[name]
    write(tmp_path / name)
    with pytest.raises((CheckpointError, ModelError), match=reason) as caught:
        import_weights(tmp_path / name, models)
    sentence = str(caught.value)
    assert name in sentence
    assert sentence.endswith(".")
    models.mkdir(exist_ok=True)
    shutil.copy(tmp_path / name, models)
    assert name.removesuffix(".onnx") in {state.name for state in list_models(models)}


def test_the_command_line_names_the_catalogs_model_and_tells_an_unknown_file(
    tmp_path: Path, models: Path, capsys, monkeypatch
):
    monkeypatch.setenv("GPEN_WEBUI_MODELS", str(models))
    file = tmp_path / "GPEN_BFR_256.onnx"
    export(random_network(CONFIGS[0]), file, exporter="torchscript", form="published")
    assert main(["models", "import", str(file)]) == 0
    said = capsys.readouterr().out
    assert "gpen-bfr-256 is installed: 64 px" in said
    assert "not the known ONNX form of gpen-bfr-256" in said
    assert "taken over into gpen-bfr-256.safetensors" in said
    assert find_model("gpen-bfr-256", models).size == 64
