"""Old prints: what stays in the truth, what is damage, and each damage does what it is named."""

import numpy as np
import pytest

from gpen_webui.training import old_print as p
from tests.training_kit import detail, rng


def flat(level: float = 128) -> np.ndarray:
    return np.full((96, 96, 3), level, np.float32)


def test_the_same_seed_ages_a_face_alike_and_the_face_given_stays_as_it_was(face):
    before = face.copy()
    for once, again in zip(p.age(face, rng(3)), p.age(face, rng(3)), strict=True):
        assert np.array_equal(once, again)
        assert (once.shape, once.dtype) == (face.shape, np.float32)
        assert once.min() >= 0
        assert once.max() <= 255
    assert np.array_equal(face, before)


def test_the_truth_is_one_ink_on_one_paper_whatever_the_colours_of_the_face(face, monkeypatch):
    monkeypatch.setattr(p, "KEPT_GRAIN", 0)
    monkeypatch.setattr(p, "STROKES_SHARE", 0)
    tints = []
    for seed in range(20):
        red, _, blue = p.age(face, rng(seed))[0].reshape(-1, 3).T
        light = np.stack((blue, np.ones_like(blue)), axis=1)
        line = np.linalg.lstsq(light, red, rcond=None)[0]
        assert np.abs(light @ line - red).max() < 6
        tints.append(red.mean() - blue.mean())
    assert min(np.abs(tints)) < 0.1
    assert max(tints) > 10


def test_some_prints_are_worn_and_some_are_kept_well(face):
    pairs = [p.age(face, rng(seed)) for seed in range(40)]
    errors = [np.abs(truth - damaged).mean() for truth, damaged in pairs]
    assert sum(error < 1 for error in errors) >= 3
    assert sum(error > 6 for error in errors) >= 6


def test_kept_grain_is_in_both_and_only_the_rest_is_to_be_removed(face, monkeypatch):
    monkeypatch.setattr(p, "EFFECTS", [])
    monkeypatch.setattr(p, "STROKES_SHARE", 0)
    pairs = [p.age(face, rng(seed)) for seed in range(20)]
    assert all(np.array_equal(truth, damaged) for truth, damaged in pairs)
    monkeypatch.setattr(p, "KEPT_GRAIN", 0)
    plain = [p.age(face, rng(seed))[0] for seed in range(20)]
    grain = [(a - b).mean(axis=2).std() for (a, _), b in zip(pairs, plain, strict=True)]
    assert max(grain) > 1


def test_grain_has_the_strength_asked_for_and_comes_in_clumps_and_threads():
    neighbours = set()
    for seed in range(24):
        grain = (p.add_grain(flat(), rng(seed), 8) - flat())[..., 0]
        assert grain.std() == pytest.approx(8, rel=0.1)
        across, down = (np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in _shifted(grain))
        neighbours.add((across > 0.1, down > 0.1))
    assert neighbours == {(False, False), (True, True)}
    assert detail(p.add_grain(flat(252), rng(), 8)) < 0.6 * detail(p.add_grain(flat(), rng(), 8))


def _shifted(picture: np.ndarray):
    return (picture[:, 1:], picture[:, :-1]), (picture[1:], picture[:-1])


@pytest.mark.parametrize("level", [70, 128, 190])
def test_halftone_dots_carry_the_tone_of_what_was_printed(level):
    ramp = np.tile(np.linspace(10, 245, 96, dtype=np.float32)[:, None, None], (1, 96, 3))
    for seed in range(5):
        printed = p.halftone(ramp, rng(seed))
        assert detail(printed) > 5
        row = int(np.argmin(np.abs(ramp[:, 0, 0] - level)))
        band = slice(row - 8, row + 9)
        assert printed[band].mean() == pytest.approx(ramp[band].mean(), abs=16)


def test_silver_lies_on_shadows_near_the_edges_and_not_on_paper():
    shadow, paper = flat(20), flat(250)
    silvered = np.mean([p.silvering(shadow, rng(s)) - shadow for s in range(20)], axis=0)
    edge, middle = silvered[:8].mean(), silvered[40:56, 40:56].mean()
    assert edge > 1.5 * middle > 0
    assert silvered[..., 2].mean() > silvered[..., 0].mean()
    assert np.abs(p.silvering(paper, rng()) - paper).mean() < 2


def test_foxing_is_rusty_and_darkens_few_pixels():
    changes = [flat(220) - p.foxing(flat(220), rng(seed)) for seed in range(20)]
    change = np.mean(changes, axis=0)
    assert change[..., 2].mean() > change[..., 0].mean() > 0
    assert all((c.max(axis=2) > 10).mean() < 0.5 for c in changes)


def test_strokes_of_retouching_take_grain_away_and_leave_the_tones():
    grainy = p.add_grain(flat(), rng(1), 10)
    painted = p.retouch(grainy, rng(2), 40)
    changed = np.abs(painted - grainy).max(axis=2) > 1
    assert 0.02 < changed.mean() < 0.9
    assert painted[changed].std() < 0.9 * grainy[changed].std()
    assert painted.mean() == pytest.approx(grainy.mean(), abs=4)


def test_stains_and_creases_leave_most_of_the_picture_as_smooth_as_it_was(face):
    for seed in range(8):
        assert detail(p.stains(face, rng(seed))) < 1.3 * detail(face)
        creased = p.creases(flat(), rng(seed))
        assert (np.abs(creased - flat()).max(axis=2) > 8).mean() < 0.4


def test_a_scanner_draws_stripes_along_one_side():
    stripes = np.zeros(2)
    for seed in range(30):
        noise = (p.scanner(flat(), rng(seed)) - flat()).mean(axis=2)
        stripes += (noise.mean(axis=1).std() > 0.3, noise.mean(axis=0).std() > 0.3)
    assert (stripes > 4).all()
