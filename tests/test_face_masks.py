"""ParseNet: recognised, read, run, and what it makes of the faces that are blended in."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from gpen_webui.engines.open import open_face_parser
from gpen_webui.faces.parts import soft_mask
from gpen_webui.gpen.weight_files import CheckpointError, read_contents
from gpen_webui.jobs.runner.kept_intermediates import KeptIntermediates
from gpen_webui.models import published
from gpen_webui.models.enlarging import enlarging_model
from gpen_webui.models.folder import InstalledModel, ModelError
from gpen_webui.models.installed import find_model, list_models, usable_models
from gpen_webui.models.parsing import check_parsing_model, parsing_model
from gpen_webui.options import RestoreOptions
from gpen_webui.parsing.network import ParseNet
from gpen_webui.parsing.read import load_parser
from gpen_webui.parsing.recognise import CLASSES, SIDE, ParseConfig, recognise
from gpen_webui.photo.photo import Photo, open_photo
from gpen_webui.repairing.scratches import ScratchDetector
from gpen_webui.stages.known_photo import KnownPhoto
from gpen_webui.stages.preview_part import PreviewRequest
from gpen_webui.stages.restorer import Restorer
from tests.checkpoint_bombs import DAMAGES, damage
from tests.downloads import check_only_the_right_one_lands
from tests.shared_detector import face_detector
from tests.test_restore import SIZE, OneLineEngine
from tests.tiny_gpen import make_tiny_model
from tests.tiny_parsing import TINY, bright_is_skin, drawn_parser, save_parser

PUBLISHED = ParseConfig((64, 128, 256, 256, 256), 10)
STRONG = RestoreOptions(strength=100, mode="strong", protect_skin=False)
PARSED = RestoreOptions(strength=100, mode="strong", protect_skin=False, face_mask="parse")
# Of a picture (3,64,96), sin(0.37 i): what facexlib 0.3.0 makes of pixel (30, 50) in the first four
# channels, and of the last pixel in the last four, with the same weights.
EXPECTED = (0.19888, 0.46481, -0.48884, -0.15894, 0.45518, 0.19465, -0.46213, -0.09559)


@pytest.fixture(scope="module")
def astronaut(project: Path) -> Photo:
    return open_photo(project / "tests" / "data" / "astronaut.jpg")


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A models folder with a ParseNet that takes for face what is bright."""
    (tmp_path / "models").mkdir()
    save_parser(bright_is_skin(), tmp_path / "models" / "ParseNet-latest.pth")
    return tmp_path / "models"


def restorer(function, models: Path, open_parser=open_face_parser) -> Restorer:
    model = InstalledModel("test", Path("test"), "0" * 64, SIZE)
    engine = OneLineEngine(function)
    return Restorer(engine, face_detector(), model, models=models, open_face_parser=open_parser)


def left_half_bright(crops: np.ndarray) -> np.ndarray:
    made = np.full_like(crops, -0.9)
    made[..., : SIZE // 2] = 0.9
    return made


def test_the_network_has_the_published_files_parameters():
    """202 without the counters, 85.3 MB: the published file has 85,331,193 bytes with its frame."""
    with torch.device("meta"):
        state = ParseNet(PUBLISHED).state_dict()
    assert recognise(state) == PUBLISHED
    assert (len(state), sum(4 * each.numel() for each in state.values())) == (202, 85_279_576)
    shapes = {name: tuple(each.shape) for name, each in state.items()}
    assert shapes["encoder.0.conv2d.bias"] == (64,)
    assert shapes["encoder.1.shortcut_func.conv2d.weight"] == (128, 64, 3, 3)
    assert shapes["body.9.conv2.norm.norm.running_var"] == (256,)
    assert shapes["decoder.3.conv1.conv2d.weight"] == (64, 128, 3, 3)
    assert shapes["out_mask_conv.conv2d.weight"] == (19, 64, 3, 3)
    assert shapes["out_img_conv.conv2d.bias"] == (3,)
    assert "body.0.shortcut_func.conv2d.weight" not in shapes
    assert "body.0.conv1.conv2d.bias" not in shapes


def test_the_network_gives_the_published_numbers():
    pixels = torch.sin(torch.arange(3 * 64 * 96, dtype=torch.float64) * 0.37)
    made = drawn_parser()(pixels.reshape(1, 3, 64, 96).float())[0]
    assert made.shape == (len(CLASSES), 64, 96)
    assert np.allclose([*made[:4, 30, 50], *made[15:, -1, -1]], EXPECTED, atol=2e-5)


def test_a_file_is_recognised_whatever_it_is_called_and_never_takes_faces(tmp_path: Path):
    path = save_parser(drawn_parser(), tmp_path / "parsing_parsenet.pth")
    assert recognise(read_contents(path)) == TINY
    assert recognise(read_contents(make_tiny_model(tmp_path, size=32).path)) is None
    states = {state.name: state for state in list_models(tmp_path)}
    found = states["parsing_parsenet"]
    assert (found.task, found.size, found.scale, found.problem) == ("parse", None, None, None)
    assert usable_models("parse", tmp_path) == ["parsing_parsenet"]
    assert parsing_model(tmp_path).path == path
    with pytest.raises(ModelError, match="tells the parts of faces and restores none"):
        find_model("parsing_parsenet", tmp_path)
    with pytest.raises(ModelError, match="parsing_parsenet enlarges no photos"):
        enlarging_model("parsing_parsenet", tmp_path)
    published_one = shutil.copy(path, tmp_path / "ParseNet-latest.pth")
    assert parsing_model(tmp_path).path == Path(published_one)  # which the catalog knows


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_or_dangerous_file_is_refused_by_name(tmp_path: Path, kind: str):
    path = tmp_path / "parsenet-latest.pth"
    state, made = dict(drawn_parser().state_dict()), tmp_path / "made-by-a-pickle"
    lost, changed = "body.1.conv2.norm.norm.running_var", "out_img_conv.conv2d.bias"
    damage(state, kind, lost, "body.0.extra", changed, made)
    torch.save(state, path)
    with pytest.raises(CheckpointError, match=r"parsenet-latest\.pth"):
        load_parser(path)
    with pytest.raises(CheckpointError, match=r"parsenet-latest\.pth"):
        check_parsing_model("parse", tmp_path)
    assert not made.exists()


def test_a_download_lands_only_if_it_is_parsenet(tmp_path: Path, monkeypatch):
    entry = published.PublishedModel("parse-test", None, "A test", 1, ("x",), task="parse")
    monkeypatch.setattr(published, "CATALOG", (*published.CATALOG, entry))
    right = save_parser(drawn_parser(), tmp_path / "right.pth")
    models = check_only_the_right_one_lands(entry.name, right)
    assert usable_models("parse", models) == ["parse-test"]


def test_a_mask_is_soft_and_keeps_hair_and_glasses():
    classes = np.zeros((SIDE, SIDE), np.uint8)
    classes[:, 100:300] = CLASSES.index("hair")
    classes[:, 300:400] = CLASSES.index("glasses")
    mask = soft_mask(classes)
    assert (mask.shape, mask.dtype) == ((SIDE, SIDE), np.float32)
    assert 0 <= mask.min() < 0.001 < 0.999 < mask[:, 150:350].min() <= mask.max() <= 1
    assert 0.4 < mask[256, 100] < 0.6
    assert np.abs(np.diff(mask[256])).max() < 0.03  # no edge
    for name in ("background", "cloth", "hat"):
        assert soft_mask(np.full((SIDE, SIDE), CLASSES.index(name), np.uint8)) is None


def test_only_what_is_face_is_blended_in_and_the_report_says_so(astronaut: Photo, models: Path):
    ours = restorer(left_half_bright, models)
    feathered, parsed = ours.restore(astronaut, STRONG), ours.restore(astronaut, PARSED)
    left, top, right, bottom = feathered.faces[0].box
    middle, width = (left + right) / 2, right - left
    rows = slice(int(top), int(bottom))
    beside = slice(int(middle + 0.3 * width), int(right))
    inside = slice(int(left), int(middle - 0.3 * width))
    assert (feathered.pixels[rows, beside] != astronaut.pixels[rows, beside]).mean() > 0.5
    assert np.array_equal(parsed.pixels[rows, beside], astronaut.pixels[rows, beside])
    difference = np.abs(parsed.pixels[rows, inside].astype(int) - feathered.pixels[rows, inside])
    assert difference.mean() < 5
    assert parsed.options.face_mask == "parse"
    assert "Faces were blended in only where ParseNet sees them." in parsed.notes
    assert not any("ParseNet" in note for note in feathered.notes)


def test_a_face_that_is_not_recognised_is_blended_in_as_ever_and_said(astronaut, models: Path):
    ours = restorer(lambda crops: np.minimum(crops, 0) - 0.05, models)
    feathered, parsed = ours.restore(astronaut, STRONG), ours.restore(astronaut, PARSED)
    assert np.array_equal(parsed.pixels, feathered.pixels)
    assert parsed.warnings == [
        "ParseNet sees no face in face 1; that one is blended in with a soft edge around it."
    ]


def test_masks_are_kept_for_other_settings_and_shown_ahead(astronaut: Photo, models: Path):
    opened = []

    def open_parser(model: InstalledModel):
        parser = open_face_parser(model)
        run = parser.run
        parser.run = lambda faces: (opened.append(model.name), run(faces))[1]
        return parser

    ours, kept = restorer(left_half_bright, models, open_parser), KeptIntermediates().of("one")
    ours.restore(astronaut, STRONG, reuse=kept)
    assert opened == []
    width, height = astronaut.pixels.shape[1::-1]
    known = KnownPhoto(astronaut, ScratchDetector())
    box = (0, 0, width, height)
    request = PreviewRequest(known, box, width, PARSED, STRONG)
    assert ours.preview.show(request, kept) is None  # ParseNet takes seconds
    exact = ours.restore(astronaut, PARSED, reuse=kept).pixels
    again = ours.restore(astronaut, PARSED, reuse=kept).pixels
    assert opened == ["parsenet-latest"]
    assert np.array_equal(exact, again)
    ahead = ours.preview.show(request, kept)
    assert np.abs(ahead.astype(int) - exact).mean() < 1
    ours.close()


def test_a_photo_is_refused_with_a_remedy_where_parsenet_is_missing(astronaut, tmp_path: Path):
    ours = restorer(lambda crops: crops, tmp_path)
    remedy = r"parsenet-latest is not installed; fetch it with `.* models download parsenet-latest`"
    with pytest.raises(ModelError, match=remedy):
        ours.restore(astronaut, PARSED)
    with pytest.raises(ModelError, match=remedy):
        check_parsing_model("parse", tmp_path)
    check_parsing_model("feather", tmp_path)
    make_tiny_model(tmp_path, size=32).path.rename(tmp_path / "parsenet-latest.safetensors")
    with pytest.raises(ModelError, match="is not ParseNet"):
        check_parsing_model("parse", tmp_path)
