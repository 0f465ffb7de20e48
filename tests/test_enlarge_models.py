"""Networks of others that enlarge photos: recognised, read, run, chosen, downloaded."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from gpen_webui.engines.open import open_tile_engine
from gpen_webui.engines.openvino.tile_engine import OpenVinoTileEngine
from gpen_webui.engines.torch_tile_engine import TorchTileEngine
from gpen_webui.enlarging.read import load_tile_network, load_whole_network, read_config
from gpen_webui.enlarging.recognise import CompactConfig, RRDBConfig
from gpen_webui.enlarging.tiles import TileShape, lay_out, through_tiles
from gpen_webui.enlarging.upconv import EnlargingFileError
from gpen_webui.gpen.weight_files import CheckpointError
from gpen_webui.jobs.runner.kept_intermediates import KeptIntermediates
from gpen_webui.models import published
from gpen_webui.models.enlarging import enlarging_model
from gpen_webui.models.folder import InstalledModel, ModelError
from gpen_webui.models.installed import find_model, list_models, usable_models
from gpen_webui.models.records import hash_file
from gpen_webui.options import OptionError, RestoreOptions
from gpen_webui.photo.photo import Photo
from gpen_webui.stages.restorer import Restorer, last
from tests.checkpoint_bombs import DAMAGES, damage
from tests.downloads import check_only_the_right_one_lands
from tests.shared_detector import face_detector
from tests.test_restore import SIZE, OneLineEngine
from tests.tiny_enlarging import (
    COMPACT,
    RRDB_X1,
    RRDB_X2,
    RRDB_X4,
    drawn_network,
    repeating_network,
    save_published,
)
from tests.tiny_gpen import make_tiny_model

# Of a picture (3,8,12), sin(0.37 i) / 2 + 0.5: what spandrel 0.4.2 makes of pixel (3, 5) and of the
# last one, red, green, blue, with the same weights.
EXPECTED = {
    COMPACT: (2.222482, 1.08116, -1.599899, 0.783809, 0.679757, -0.06918),
    RRDB_X4: (0.444599, 0.41824, -2.558364, 2.816599, -2.123994, 0.116243),
    RRDB_X2: (-0.348197, -1.778409, 1.010207, 1.520684, -3.265213, 2.092791),
    RRDB_X1: (-0.365509, -1.753976, 0.979016, 1.418859, -3.131278, 1.928738),
}
# How ESRGAN's first authors named the layers, and how BasicSR does.
OLD_NAMES = {
    "model.0": "conv_first",
    "model.1.sub.2": "conv_body",
    "model.3": "conv_up1",
    "model.6": "conv_up2",
    "model.8": "conv_hr",
    "model.10": "conv_last",
}


@pytest.fixture
def photo() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (90, 40, 3), np.uint8)


def restorer(models: Path, open_engine=open_tile_engine) -> Restorer:
    model = InstalledModel("test", Path("test"), "0" * 64, SIZE)
    engine = OneLineEngine(lambda crops: crops)
    return Restorer(engine, face_detector(), model, None, open_engine, models)


def repeated(pixels: np.ndarray, times: int) -> np.ndarray:
    return pixels.repeat(times, axis=0).repeat(times, axis=1)


@pytest.mark.parametrize("config", EXPECTED, ids=["compact", "rrdb x4", "rrdb x2", "rrdb x1"])
def test_the_published_networks_give_the_published_numbers(config):
    pixels = torch.sin(torch.arange(3 * 8 * 12, dtype=torch.float64) * 0.37)
    made = drawn_network(config)(pixels.reshape(1, 3, 8, 12).float() * 0.5 + 0.5)[0]
    assert made.shape == (3, 8 * config.scale, 12 * config.scale)
    shown = [*made[:, 3, 5], *made[:, -1, -1]]
    assert np.allclose(shown, EXPECTED[config], atol=1e-5)


def test_files_are_recognised_by_their_shapes_whatever_they_are_called(tmp_path: Path):
    general = CompactConfig(features=64, layers=32, scale=4)
    configs = {"a": COMPACT, "b": RRDB_X4, "c": RRDB_X2, "d": RRDB_X1, "e": general}
    for name, config in configs.items():
        save_published(drawn_network(config), tmp_path / f"{name}.pth", "params")
    save_file(drawn_network(RRDB_X2).state_dict(), tmp_path / "f.safetensors")
    make_tiny_model(tmp_path, size=32)
    assert {name: read_config(tmp_path / f"{name}.pth") for name in configs} == configs
    states = {state.name: state for state in list_models(tmp_path)}
    assert [(states[name].task, states[name].scale) for name in "abcdef"] == [
        ("enlarge", 4),
        ("enlarge", 4),
        ("enlarge", 2),
        ("enlarge", 1),
        ("enlarge", 4),
        ("enlarge", 2),
    ]
    assert usable_models("enlarge", tmp_path) == list("abcdef")


def test_the_first_names_of_esrgans_layers_are_known_too(tmp_path: Path):
    state = drawn_network(RRDB_X4).state_dict()
    first_names, second_names = {}, {}
    for name, tensor in state.items():
        layer, _, kind = name.rpartition(".")
        part = layer.removeprefix("body.").replace("rdb", "RDB")
        old = {new: old for old, new in OLD_NAMES.items()}.get(layer, f"model.1.sub.{part}.0")
        first_names[f"{old}.{kind}"] = tensor
        trunk = f"RRDB_trunk.{part}" if layer.startswith("body") else layer
        for new, old in (("conv_up", "upconv"), ("conv_hr", "HRconv"), ("conv_body", "trunk_conv")):
            trunk = trunk.replace(new, old)
        second_names[f"{trunk}.{kind}"] = tensor
    for names in (first_names, second_names):
        torch.save(names, tmp_path / "old.pth")
        assert read_config(tmp_path / "old.pth") == RRDB_X4
        loaded = load_whole_network(tmp_path / "old.pth", RRDB_X4).state_dict()
        assert all(torch.equal(loaded[name], tensor) for name, tensor in state.items())


@pytest.mark.parametrize("config", [COMPACT, RRDB_X2], ids=["compact", "rrdb"])
def test_tiles_of_a_network_that_pads_leave_no_seam(tmp_path: Path, photo, config):
    """Each with less context than the network sees: a small one sees no further than that."""
    path = save_published(drawn_network(config), tmp_path / "net.pth")
    margin = config.tile.margin
    side = 2 * margin + 48
    model = InstalledModel("net", path, hash_file(path), side)
    openvino = OpenVinoTileEngine(model, precision="exact", workers=1, cache=None)
    assert len(lay_out(*photo.shape[:2], openvino.shape).tiles) == 2
    tiled = last(through_tiles(photo, openvino.run, openvino.shape)).astype(int)
    around = np.pad(photo, ((margin,) * 2, (margin,) * 2, (0, 0)), mode="reflect")
    pixels = torch.from_numpy(around.transpose(2, 0, 1)[None].astype(np.float32) / 255)
    whole = load_whole_network(path, config)(pixels)[0].numpy().transpose(1, 2, 0) * 255
    edge = margin * config.scale
    whole = np.clip(whole[edge:-edge, edge:-edge], 0, 255)
    assert tiled.shape == whole.shape
    assert np.abs(tiled - whole).max() <= 1
    tile = np.random.default_rng(0).random((1, 3, side - 8, side), np.float32)
    torch_engine = TorchTileEngine(model, "cpu", precision="exact", cache=None)
    assert np.abs(torch_engine.run(tile) - openvino.run(tile)).max() < 1e-4
    openvino.close()
    torch_engine.close()


@pytest.mark.parametrize("size", [(20, 30), (100, 61), (7, 300)])
@pytest.mark.parametrize("any_size", [True, False])
def test_every_pixel_lies_in_one_piece_and_pieces_share_tiles(size, any_size: bool):
    shape = TileShape(side=64, margin=8, scale=2, step=2, any_size=any_size)
    layout = lay_out(*size, shape)
    covered = np.zeros(size, int)
    for pieces in layout.tiles:
        tile = np.zeros((layout.height, layout.width), int)
        for piece in pieces:
            covered[piece.top :, piece.left :][: piece.height, : piece.width] += 1
            assert piece.row % shape.step == piece.column % shape.step == 0
            tile[piece.row :, piece.column :][: piece.height + 16, : piece.width + 16] += 1
        assert tile.max() == 1
    assert (covered == 1).all()
    assert max(layout.height, layout.width) <= shape.side
    if size == (100, 61) and not any_size:  # of 2 whole and 4 small pieces, 2 share a tile
        assert len(layout.tiles) == 5


def test_a_dropped_file_enlarges_a_photo_as_far_as_asked(tmp_path: Path):
    save_published(repeating_network(4), tmp_path / "mine.pth")
    save_published(repeating_network(2), tmp_path / "twice.pth")
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    photo = Photo(pixels, "sky.png", "png")
    ours = restorer(tmp_path)
    for name in ("mine", "twice"):
        for times in (2, 4):
            options = RestoreOptions(enlarge=str(times), enlarge_model=name)
            done = ours.restore(photo, options)
            assert np.array_equal(done.pixels, repeated(pixels, times)), (name, times)
            assert f"The whole photo went through {name}." in done.notes
    cleaned = ours.restore(photo, RestoreOptions(background="clean", enlarge_model="mine"))
    assert np.array_equal(cleaned.pixels, pixels)
    left = ours.restore(photo, RestoreOptions(enlarge_model="mine"))
    assert not left.is_new
    ours.close()


def test_a_network_that_only_cleans_is_followed_by_ours(tmp_path: Path):
    save_published(repeating_network(1), tmp_path / "cleaner.pth")
    pixels = np.full((20, 30, 3), 120, np.uint8)
    done = restorer(tmp_path).restore(
        Photo(pixels, "sky.png", "png"), RestoreOptions(enlarge="2", enlarge_model="cleaner")
    )
    assert done.pixels.shape == (40, 60, 3)
    assert np.abs(done.pixels.astype(int) - 120).max() <= 6


def test_another_network_enlarges_anew_and_the_idle_one_is_closed(tmp_path: Path):
    for name in ("one", "two"):
        save_published(repeating_network(2), tmp_path / f"{name}.pth")
    opened, closed = [], []

    def open_engine(model: InstalledModel):
        engine = open_tile_engine(model)
        close = engine.close
        engine.close = lambda: (closed.append(model.name), close())
        opened.append(model.name)
        return engine

    photo = Photo(np.zeros((9, 9, 3), np.uint8), "small.png", "png")
    ours, kept = restorer(tmp_path, open_engine), KeptIntermediates().of("small")
    for name in ("one", "one", "two"):
        ours.restore(photo, RestoreOptions(enlarge="2", enlarge_model=name), reuse=kept)
    assert (opened, closed) == (["one", "two"], ["one"])
    assert len({RestoreOptions(enlarge_model=n).key_for("enlarge") for n in ("one", "two")}) == 2


def test_what_cannot_enlarge_is_refused_by_name_and_with_a_remedy(tmp_path: Path):
    faces = make_tiny_model(tmp_path, size=32)
    save_published(drawn_network(COMPACT), tmp_path / "whole.pth")
    with pytest.raises(ModelError, match=r"x2plus is not.* download realesrgan-x2plus"):
        enlarging_model("realesrgan-x2plus", tmp_path)
    with pytest.raises(ModelError, match=f"{faces.name} restores faces and enlarges no photos"):
        enlarging_model(faces.name, tmp_path)
    with pytest.raises(ModelError, match="whole enlarges whole photos and restores no faces"):
        find_model("whole", tmp_path)
    for path in ("../whole", "/etc/passwd", "a\nb", 7, None):
        with pytest.raises(OptionError, match="enlarge_model"):
            RestoreOptions.parse({"enlarge_model": path})


@pytest.mark.parametrize("kind", [*DAMAGES, "x3"])
def test_a_damaged_or_dangerous_file_is_refused_by_name(tmp_path: Path, kind: str):
    path = tmp_path / "other.pth"
    network = repeating_network(3) if kind == "x3" else drawn_network(RRDB_X4)
    state, made = dict(network.state_dict()), tmp_path / "made-by-a-pickle"
    damage(state, kind, "conv_body.bias", "conv_extra.weight", "conv_hr.bias", made)
    torch.save({"params": state}, path)
    with pytest.raises((CheckpointError, EnlargingFileError), match=r"other\.pth"):
        load_tile_network(path)
    assert not made.exists()


def test_a_download_lands_only_if_it_is_the_network_that_was_promised(tmp_path: Path, monkeypatch):
    entry = published.PublishedModel(
        "enlarge-test", None, "A test", 1, ("x",), task="enlarge", scale=4
    )
    monkeypatch.setattr(published, "CATALOG", (*published.CATALOG, entry))
    right = save_published(drawn_network(COMPACT), tmp_path / "right.pth")
    models = check_only_the_right_one_lands(entry.name, right)
    assert usable_models("enlarge", models) == ["enlarge-test"]


def test_the_catalog_states_licences_and_hashes_of_networks_that_enlarge():
    rows = [entry for entry in published.CATALOG if entry.task == "enlarge"]
    by_others = [entry for entry in rows if entry.name.startswith("realesrgan")]
    assert {entry.scale for entry in rows} == {2, 4}
    assert all(entry.sources and entry.licence for entry in rows)
    assert all("BSD-3" in entry.licence and entry.sha256 for entry in by_others)


def test_a_large_network_sees_no_tile_larger_than_it_may():
    for unshuffle in (1, 2):
        tile = RRDBConfig(64, 32, 23, unshuffle, 2).tile
        layout = lay_out(3000, 4000, tile)
        assert max(layout.height, layout.width) <= tile.side
        assert layout.height % unshuffle == layout.width % unshuffle == 0
