"""Weight files: what is accepted, what is refused, and that nothing in them is ever run."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gpen_webui.gpen.checkpoint import (
    CheckpointError,
    load_checkpoint,
    load_network,
    save_checkpoint,
)
from gpen_webui.gpen.network import GPEN, NetworkConfig
from tests.checkpoint_bombs import BOMBS, RunsCode, write_bombs
from tests.reference_case import ReferenceCase

TINY = Path(__file__).parent / "data" / "tiny-64.npz"


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    return ReferenceCase(TINY).state()


@pytest.mark.parametrize("nested_under", [None, "g_ema", "params_ema"])
def test_official_files_load_bare_or_nested(tmp_path: Path, state, nested_under):
    path = tmp_path / "official.pth"
    torch.save({nested_under: state} if nested_under else state, path)
    config, loaded = load_checkpoint(path)
    assert config == NetworkConfig(64, 1, 0.125)
    assert all(torch.equal(loaded[name], state[name]) for name in state)


@pytest.mark.parametrize(
    "config",
    [NetworkConfig(256, 1, 0.25), NetworkConfig(128, 2, 0.125), NetworkConfig(32, 1, 0.0625)],
)
def test_the_shape_of_any_gpen_network_is_inferred(tmp_path: Path, config: NetworkConfig):
    path = tmp_path / "some.safetensors"
    save_checkpoint(path, GPEN(config).state_dict())
    found = load_network(path).config
    assert [found.channels(2**n) for n in range(2, 9)] == [
        config.channels(2**n) for n in range(2, 9)
    ]
    assert found.size == config.size


def test_half_precision_halves_the_file_and_loads_as_float32(tmp_path: Path, state):
    save_checkpoint(tmp_path / "full.safetensors", state)
    save_checkpoint(tmp_path / "half.safetensors", state, dtype=torch.float16)
    full, half = (tmp_path / f"{name}.safetensors" for name in ("full", "half"))
    assert half.stat().st_size < 0.51 * full.stat().st_size
    assert {tensor.dtype for tensor in load_checkpoint(half)[1].values()} == {torch.float32}


@pytest.mark.parametrize(
    "wrap", [torch.save, lambda what, path: path.write_bytes(pickle.dumps(what))]
)
def test_a_malicious_pickle_is_refused_and_never_run(tmp_path: Path, wrap):
    victim, path = tmp_path / "owned", tmp_path / "evil.pth"
    wrap({"g_ema": RunsCode(victim)}, path)
    with pytest.raises(CheckpointError, match=r"evil\.pth"):
        load_checkpoint(path)
    assert not victim.exists()


def damaged_files(folder: Path, state: dict) -> dict[str, Path]:
    torch.save(state, folder / "whole.pth")
    save_checkpoint(folder / "whole.safetensors", state)
    for suffix in ("pth", "safetensors"):
        data = (folder / f"whole.{suffix}").read_bytes()
        (folder / f"cut.{suffix}").write_bytes(data[: len(data) // 2])
        (folder / f"page.{suffix}").write_bytes(b"<!DOCTYPE html><html>Not found</html>")
        (folder / f"empty.{suffix}").write_bytes(b"")
    torch.save({"conv.weight": torch.zeros(3)}, folder / "other.pth")
    torch.save({**state, "extra.weight": torch.zeros(3)}, folder / "extra.pth")
    missing = dict(state)
    missing.pop("generator.convs.3.conv.weight")
    torch.save(missing, folder / "missing.pth")
    infinite = {**state, "ecd0.0.1.bias": torch.full_like(state["ecd0.0.1.bias"], torch.nan)}
    torch.save(infinite, folder / "infinite.pth")
    return {path.name: path for path in folder.iterdir() if not path.name.startswith("whole")}


def test_every_damaged_or_foreign_file_gets_a_sentence_that_names_it(tmp_path: Path, state):
    for name, path in damaged_files(tmp_path, state).items():
        with pytest.raises(CheckpointError) as caught:
            load_checkpoint(path)
        sentence = str(caught.value)
        assert name in sentence
        assert sentence.endswith(".")
        assert "\n" not in sentence


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_a_web_page_saved_as_weights_is_called_one(tmp_path: Path, state, suffix: str):
    with pytest.raises(CheckpointError, match="is a web page"):
        load_checkpoint(damaged_files(tmp_path, state)[f"page.{suffix}"])


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_text_and_random_bytes_are_called_damaged(tmp_path: Path, suffix: str):
    path = tmp_path / f"noise.{suffix}"
    for content in (b"hello, this is text", bytes(range(256)) * 40):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"noise\..* is damaged or cut short"):
            load_checkpoint(path)


def test_files_as_old_versions_of_pytorch_wrote_them_load(tmp_path: Path, state):
    path = tmp_path / "old.pth"
    torch.save({"g_ema": state}, path, _use_new_zipfile_serialization=False)
    _, loaded = load_checkpoint(path)
    assert all(torch.equal(loaded[name], state[name]) for name in state)


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_training_checkpoint_gives_its_averaged_generator(tmp_path: Path, state, protocol: int):
    other = {name: torch.nn.Parameter(tensor + 1) for name, tensor in state.items()}
    optimizer = torch.optim.Adam(other.values()).state_dict()
    saved = {"iter": 7, "g": other, "g_ema": state, "g_optim": optimizer}
    torch.save(saved, tmp_path / "run.pt", pickle_protocol=protocol)
    _, loaded = load_checkpoint(tmp_path / "run.pt")
    assert all(torch.equal(loaded[name], state[name]) for name in state)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_other_floating_point_numbers_become_float32(tmp_path: Path, state, dtype, suffix: str):
    path = tmp_path / f"other.{suffix}"
    if suffix == "pth":
        torch.save({name: tensor.to(dtype) for name, tensor in state.items()}, path)
    else:
        save_checkpoint(path, state, dtype=dtype)
    _, loaded = load_checkpoint(path)
    assert all(torch.equal(loaded[name], state[name].to(dtype).float()) for name in state)


def test_tensors_that_are_views_of_others_load_as_pytorch_loads_them(tmp_path: Path, state):
    name = "generator.style.1.weight"
    views = {**state, name: torch.cat([state[name].t(), torch.zeros(3, 512)])[:512].t()}
    torch.save(views, tmp_path / "views.pth")
    _, loaded = load_checkpoint(tmp_path / "views.pth")
    assert torch.equal(loaded[name], views[name])


@pytest.fixture(scope="module")
def bombs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bombs")
    write_bombs(folder)
    return folder


@pytest.mark.parametrize("name", BOMBS)
def test_what_claims_more_than_it_holds_gets_a_sentence_that_names_it(bombs: Path, name: str):
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(bombs / name)
    sentence = str(caught.value)
    assert name in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence


MEASURE_MEMORY = """
import resource, sys
from pathlib import Path
from gpen_webui.gpen.checkpoint import CheckpointError, load_checkpoint
most = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before = most()
for path in Path(sys.argv[1]).iterdir():
    try:
        load_checkpoint(path)
    except CheckpointError:
        pass
print(most() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted in other units elsewhere")
def test_what_claims_more_than_it_holds_takes_no_memory(bombs: Path, project: Path):
    command = [sys.executable, "-c", MEASURE_MEMORY, str(bombs)]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 150_000_000


def test_a_flipped_bit_in_an_archive_is_found(tmp_path: Path, state):
    path = tmp_path / "flipped.pth"
    torch.save(state, path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"flipped\.pth is damaged"):
        load_checkpoint(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes here")
def test_what_is_no_file_is_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.pth")
    with pytest.raises(CheckpointError, match=r"pipe\.pth is no file"):
        load_checkpoint(tmp_path / "pipe.pth")


def test_a_missing_file_says_so(tmp_path: Path):
    with pytest.raises(CheckpointError, match="cannot be opened"):
        load_checkpoint(tmp_path / "nowhere.pth")
