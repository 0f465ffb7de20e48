"""Whole photos, enlarged and cleaned: the network, its tiles, the stage, and files."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from gpen_webui.engines.base import TileEngine
from gpen_webui.engines.open import open_tile_engine
from gpen_webui.engines.openvino import tile_engine
from gpen_webui.engines.openvino.fast import MISSED, NO_USE
from gpen_webui.engines.openvino.graph_variants import (
    ENLARGING,
    ENLARGING_BFLOAT16,
    VariantOpener,
)
from gpen_webui.engines.openvino.tile_engine import OpenVinoTileEngine, closeness_of
from gpen_webui.engines.quality import HALF_PRECISION_PSNR
from gpen_webui.engines.torch_tile_engine import TorchTileEngine
from gpen_webui.enlarging.tiles import TileShape, mirrored, through_tiles
from gpen_webui.enlarging.upconv import MARGIN, EnlargingFileError, UpConv, load_upconv
from gpen_webui.jobs.runner.kept_intermediates import KeptIntermediates
from gpen_webui.models.enlarging import enlarging_model
from gpen_webui.models.folder import InstalledModel
from gpen_webui.options import RestoreOptions
from gpen_webui.photo.photo import Photo, open_photo
from gpen_webui.pipeline import restore_file
from gpen_webui.stages.restorer import Restorer, last
from tests.shared_detector import face_detector
from tests.test_restore import SIZE, OneLineEngine

SIDE = 64
SHAPE = TileShape(SIDE, MARGIN, 2)


class NearestEngine(TileEngine):
    """Enlarges by repeating pixels, and counts its tiles."""

    shape = SHAPE
    description = "a test"
    streams = 1

    def __init__(self) -> None:
        self.tiles = 0

    def run(self, tiles: np.ndarray) -> np.ndarray:
        self.tiles += len(tiles)
        inner = tiles[:, :, MARGIN:-MARGIN, MARGIN:-MARGIN]
        return inner.repeat(2, axis=2).repeat(2, axis=3)

    def close(self) -> None:
        pass


def restorer(function=lambda crops: crops, engine: TileEngine | None = None) -> Restorer:
    model = InstalledModel("test", Path("test"), "0" * 64, SIZE)
    tiles = engine or NearestEngine()
    return Restorer(OneLineEngine(function), face_detector(), model, None, lambda _: tiles)


@pytest.fixture(scope="module")
def astronaut(project: Path) -> Photo:
    return open_photo(project / "tests" / "data" / "astronaut.jpg")


@pytest.fixture(scope="module")
def small_portrait(astronaut: Photo) -> Photo:
    """The face in it is about 40 pixels wide."""
    pixels = cv2.resize(astronaut.pixels, (192, 192), interpolation=cv2.INTER_AREA)
    return Photo(pixels, "small.png", "png")


@pytest.fixture(scope="module")
def clean_model() -> InstalledModel:
    model = enlarging_model("enlarge-clean", Path("none"))
    return InstalledModel(model.name, model.path, model.sha256, SIDE)


def test_the_embedded_networks_beat_bicubic_enlarging(astronaut: Photo, clean_model):
    truth = astronaut.pixels[:192, 128:320]
    small = cv2.resize(truth, (96, 96), interpolation=cv2.INTER_AREA)
    engine = open_tile_engine(clean_model)
    network = last(through_tiles(small, engine.run, engine.shape))
    engine.close()
    bicubic = cv2.resize(small, (192, 192), interpolation=cv2.INTER_CUBIC)
    errors = [np.square(made.astype(float) - truth).mean() for made in (network, bicubic)]
    assert 10 * np.log10(errors[1] / errors[0]) > 1.0


def test_tiles_leave_no_seam(astronaut: Photo, clean_model):
    photo = astronaut.pixels[100:250, 150:320]
    engine = open_tile_engine(clean_model)
    tiled = last(through_tiles(photo, engine.run, engine.shape, at_once=3)).astype(int)
    engine.close()
    whole = np.pad(photo, ((MARGIN,) * 2, (MARGIN,) * 2, (0, 0)), mode="reflect")
    pixels = torch.from_numpy(whole.transpose(2, 0, 1)[None].astype(np.float32) / 255)
    expected = load_upconv(clean_model.path)(pixels)[0].numpy().transpose(1, 2, 0) * 255
    assert tiled.shape == expected.shape
    assert np.abs(tiled - np.clip(expected, 0, 255)).max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (3, 150), (97, 50)])
def test_photos_of_any_size_come_out_whole(size: tuple[int, int]):
    photo = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    enlarged = last(through_tiles(photo, NearestEngine().run, SHAPE))
    assert np.array_equal(enlarged, photo.repeat(2, axis=0).repeat(2, axis=1))
    cleaned = last(through_tiles(photo, NearestEngine().run, SHAPE, shrink=2))
    assert np.array_equal(cleaned, photo)


def test_beyond_its_edges_a_photo_is_mirrored():
    places = np.arange(-5, 9)
    expected = np.pad(np.arange(4), (5, 5), mode="reflect")
    assert np.array_equal(mirrored(places, 4), expected)


def test_grey_stays_grey(astronaut: Photo, clean_model):
    grey = cv2.cvtColor(cv2.cvtColor(astronaut.pixels[:80, :80], cv2.COLOR_RGB2GRAY), 8)
    engine = open_tile_engine(clean_model)
    enlarged = last(through_tiles(grey, engine.run, engine.shape))
    engine.close()
    assert (enlarged[:, :, :1] == enlarged[:, :, 1:]).all()


def test_openvino_and_pytorch_give_the_same(astronaut: Photo, clean_model, tmp_path: Path):
    tiles = astronaut.pixels[None, 100 : 100 + SIDE, 200 : 200 + SIDE].transpose(0, 3, 1, 2)
    tiles = tiles.astype(np.float32) / 255
    torch_engine = TorchTileEngine(clean_model, "cpu", precision="exact", cache=None)
    openvino = OpenVinoTileEngine(clean_model, precision="exact", workers=2, cache=tmp_path)
    assert np.abs(torch_engine.run(tiles) - openvino.run(tiles)).max() < 1e-4
    assert openvino.run(np.repeat(tiles, 3, axis=0)).shape[0] == 3
    for engine in (torch_engine, openvino):
        engine.close()
        with pytest.raises(RuntimeError, match="closed"):
            engine.run(tiles)


def test_bfloat16_are_close_to_the_exact_mode(clean_model):
    opener = VariantOpener(clean_model, None, lambda variant: {})
    close = closeness_of(opener.open(ENLARGING_BFLOAT16), opener.open(ENLARGING), SIDE)
    assert close >= HALF_PRECISION_PSNR


def test_the_fast_mode_takes_the_first_that_is_good_enough(clean_model, tmp_path, monkeypatch):
    def description() -> str:
        engine = OpenVinoTileEngine(clean_model, precision="fast", workers=1, cache=tmp_path)
        engine.close()
        return engine.description

    monkeypatch.setattr(tile_engine, "has_flags", lambda flags: "avx512_vnni" in flags)
    assert "in int8. It is 4" in description()
    monkeypatch.setattr(tile_engine, "HALF_PRECISION_PSNR", 60)
    assert description().endswith(f"in float32.{MISSED}")
    monkeypatch.setattr(tile_engine, "has_flags", lambda flags: False)
    assert description().endswith(f"in float32.{NO_USE}")


def test_a_damaged_or_foreign_file_is_refused_by_name(tmp_path: Path):
    file = tmp_path / "other.safetensors"
    file.write_bytes(b"no weights")
    with pytest.raises(EnlargingFileError, match=r"other\.safetensors"):
        load_upconv(file)
    save_file({"layer.weight": torch.zeros(3, 3)}, file)
    with pytest.raises(EnlargingFileError, match=r"other\.safetensors"):
        load_upconv(file)
    weights = UpConv((4, 8)).state_dict()
    weights["enlarge.bias"][0] = torch.nan
    save_file(weights, file)
    with pytest.raises(EnlargingFileError, match=r"other\.safetensors"):
        load_upconv(file)


@pytest.mark.parametrize("background", ["off", "clean", "restore"])
@pytest.mark.parametrize("enlarge", ["2", "4"])
def test_an_enlarged_photo_shows_its_faces_at_the_models_own_resolution(
    small_portrait: Photo, enlarge: str, background: str
):
    stripes = np.where(np.arange(SIZE) % 8 < 4, 0.9, -0.9).astype(np.float32)
    options = RestoreOptions(
        strength=100, mode="strong", enlarge=enlarge, background=background, protect_skin=False
    )
    done = restorer(lambda crops: np.zeros_like(crops) + stripes).restore(small_portrait, options)
    scale = int(enlarge)
    assert done.pixels.shape == (192 * scale, 192 * scale, 3)
    assert done.scale == scale
    left, top, right, bottom = (int(scale * side) for side in done.faces[0].box)
    row = done.pixels[(top + bottom) // 2, left:right].astype(int).mean(axis=1)
    contrast = row.max() - row.min()
    assert contrast > (190 if scale == 4 else 120)  # at its own size they blur to grey


def test_a_face_is_put_where_it_was(astronaut: Photo):
    as_it_was = RestoreOptions(strength=100, mode="strong", protect_skin=False, enlarge="2")
    done = restorer().restore(astronaut, as_it_was)
    plain = cv2.resize(astronaut.pixels, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    left, top, right, bottom = (int(2 * side) for side in done.faces[0].box)
    face = np.s_[top:bottom, left:right]
    difference = np.abs(done.pixels[face].astype(int) - plain[face])
    assert difference.mean() < 3.3  # 2.7 for the crop's softness; half a pixel off makes it 4.0


def test_auto_enlarges_until_the_largest_face_has_the_models_pixels(
    astronaut: Photo, small_portrait: Photo
):
    auto = RestoreOptions(enlarge="auto")
    assert restorer().restore(small_portrait, auto).scale == 2
    large = restorer().restore(astronaut, auto)
    assert (large.scale, large.useful_scale) == (1, 1)
    assert large.notes == [
        "Its largest face has as many pixels as the model makes, so its size stays."
    ]
    assert restorer().restore(small_portrait, RestoreOptions()).useful_scale == 2


def test_a_photo_is_not_enlarged_beyond_the_limit_and_that_is_said(small_portrait: Photo):
    wide = Photo(np.resize(small_portrait.pixels, (400, 1000, 3)), "wide.png", "png")
    done = restorer().restore(wide, RestoreOptions(enlarge="4", max_megapixels=2))
    assert done.pixels.shape == (800, 2000, 3)
    (warning,) = done.warnings
    assert "wide.png" in warning
    assert "only 2 times" in warning
    assert "--max-megapixels" in warning
    long = Photo(np.zeros((2, 9000, 3), np.uint8), "long.webp", "webp")
    done = restorer().restore(long, RestoreOptions(enlarge="2"))
    assert done.scale == 1
    assert "--format png" in done.warnings[0]


def test_a_photo_without_a_face_is_enlarged_and_finished_too():
    sky = Photo(np.full((40, 50, 3), 150, np.uint8), "sky.png", "png")
    done = restorer().restore(sky, RestoreOptions(enlarge="2", background="clean", brightness=25))
    assert (done.state, done.is_new) == ("no_face", True)
    assert np.array_equal(done.pixels, np.full((80, 100, 3), 182, np.uint8))


def test_a_file_is_as_large_as_its_metadata_say_and_keeps_alpha_and_greyness(tmp_path: Path):
    grey = tmp_path / "grey.png"
    Image.merge("LA", [Image.new("L", (60, 40), 90), Image.new("L", (60, 40), 128)]).save(grey)
    done = restore_file(
        restorer(), grey, "grey.png", RestoreOptions(enlarge="4", background="restore")
    )
    assert isinstance(done.data, bytes)
    (result := tmp_path / "result.png").write_bytes(done.data)
    with Image.open(result) as image:
        assert (image.size, image.mode) == ((240, 160), "LA")
        assert set(np.unique(np.asarray(image))) == {90, 128}
    assert (done.report.state, done.report.scale, done.report.unchanged) == ("no_face", 4, False)
    assert done.report.notes == [
        "Enlarged 4 times, to 240 x 160 pixels.",
        "The background was restored.",
    ]


def test_a_photo_that_is_only_cleaned_or_not_enlarged_says_so():
    sky = Photo(np.full((40, 50, 3), 150, np.uint8), "sky.png", "png")
    done = restorer().restore(sky, RestoreOptions(enlarge="auto", background="clean"))
    assert done.notes == [
        "There is no face that says how far to enlarge the photo, so its size stays.",
        "The background was cleaned.",
    ]


def test_other_settings_of_later_stages_enlarge_no_second_time(small_portrait: Photo):
    engine = NearestEngine()
    ours, kept = restorer(engine=engine), KeptIntermediates().of("small")
    options = RestoreOptions(enlarge="2", background="clean")
    first = ours.restore(small_portrait, options, reuse=kept)
    tiles = engine.tiles
    other = RestoreOptions(enlarge="2", background="clean", strength=0)
    again = ours.restore(small_portrait, other, reuse=kept)
    assert engine.tiles == tiles
    assert ours.face_network.engine.batches == [1]
    assert np.array_equal(again.pixels, small_portrait.pixels.repeat(2, axis=0).repeat(2, axis=1))
    assert not np.array_equal(first.pixels, again.pixels)
    ours.restore(small_portrait, RestoreOptions(enlarge="2", background="restore"), reuse=kept)
    assert engine.tiles == 2 * tiles


def test_a_network_is_opened_only_when_a_photo_goes_through_it():
    photo, opened = Photo(np.zeros((9, 9, 3), np.uint8), "small.png", "png"), []

    def open_engine(model: InstalledModel) -> TileEngine:
        opened.append(model.name)
        return NearestEngine()

    model = InstalledModel("test", Path("test"), "0" * 64, SIZE)
    ours = Restorer(OneLineEngine(lambda c: c), face_detector(), model, None, open_engine)
    ours.restore(photo, RestoreOptions(enlarge="2", background="restore"))
    assert opened == ["enlarge-restore"]
    ours.restore(photo, RestoreOptions(enlarge="4", background="restore"))
    assert opened == ["enlarge-restore", "enlarge-clean"]


def test_a_photo_can_be_stopped_between_its_tiles():
    photo = Photo(np.zeros((200, 200, 3), np.uint8), "large.png", "png")
    engine = NearestEngine()
    stages = restorer(engine=engine).restore_stages(photo, RestoreOptions(background="clean"))
    told = [next(stages) for _ in range(5)]
    assert told[-3:] == ["enlarge"] * 3
    stages.close()
    assert 0 < engine.tiles < 16
