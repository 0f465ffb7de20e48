"""How many photos are in work at once is measured. Times are fed; no clock runs."""

from collections import deque
from contextlib import ExitStack
from pathlib import Path

import pytest

from gpen_webui.engines.photos_at_once import (
    ROUNDS,
    KeptTurns,
    PhotosAtOnce,
    Turns,
    are_enough,
    fastest,
    numbers_to_try,
)


class PlayedAlbum:
    """Photos that take `seconds` per photo of each number of them at once, as they come."""

    def __init__(self, seconds: dict[int, float], turns: Turns | None = None, others: float = 0):
        """others: of the machine's cores, how many are busy with something else."""
        self.now = 0.0
        self.seconds = seconds
        self.measured: Turns = {number: [] for number in seconds}
        self.gate = PhotosAtOnce(
            turns or self.measured,
            lambda number, each: self.measured[number].append(each),
            clock=lambda: self.now,
            others=lambda: others * self.now,
        )
        self.at_work: deque[ExitStack] = deque()
        self.numbers: list[int] = []

    def restore(self, photos: int, *, gap: float = 0, size: float = 1) -> None:
        """Restore so many; gap: seconds until the next one comes; size: of each."""
        for _ in range(photos):
            while len(self.at_work) < self.gate.number:
                self.at_work.append(ExitStack())
                self.at_work[-1].enter_context(self.gate.photo())
            self.numbers.append(self.gate.number)
            self.now += size * self.seconds[self.gate.number]
            self.at_work.popleft().close()
            self.now += gap


@pytest.mark.parametrize(
    ("seconds", "best"),
    [
        ({1: 0.112, 2: 0.104}, 2),
        ({1: 0.631, 2: 0.686}, 1),
        ({1: 1.0, 2: 0.99}, 1),  # hardly worth the memory
        ({1: 1.0, 4: 0.4, 8: 0.5}, 4),
    ],
)
def test_the_number_that_took_least_stays_after_every_number_had_its_turns(
    seconds: dict[int, float], best: int
):
    album = PlayedAlbum(seconds)
    album.restore(200)
    assert are_enough(album.measured)
    assert set(album.numbers) == set(seconds)
    assert album.numbers[-20:] == [best] * 20
    for number, turns in album.measured.items():
        assert turns == pytest.approx([seconds[number]] * ROUNDS)


def test_photos_that_come_one_after_the_other_or_fail_tell_nothing():
    album = PlayedAlbum({1: 1.0, 2: 0.5})
    album.restore(60, gap=1)
    assert album.measured == {1: [], 2: []}

    def fail() -> None:
        with album.gate.photo():
            raise OSError("damaged")

    while album.at_work:
        album.at_work.popleft().close()
    for _ in range(60):
        with pytest.raises(OSError, match="damaged"):
            fail()
    assert album.measured == {1: [], 2: []}


def test_a_busy_machine_tells_nothing(monkeypatch):
    monkeypatch.setattr("gpen_webui.engines.photos_at_once.cpu_cores", lambda: 2)
    busy, quiet = (PlayedAlbum({1: 1.0, 2: 0.5}, others=others) for others in (1.0, 0.2))
    busy.restore(60)
    quiet.restore(60)
    assert not are_enough(busy.measured)
    assert set(busy.numbers) == {2}
    assert are_enough(quiet.measured)


def test_photos_that_grow_from_round_to_round_mislead_nobody():
    assert fastest({1: [1.0, 5.0, 20.0], 2: [0.9, 4.5, 18.0]}) == 2
    assert fastest({1: [1.0, 5.0, 20.0], 2: [1.1, 4.0, 22.0]}) == 1


def test_what_was_measured_is_kept_for_each_model_and_the_next_album_goes_on(
    tmp_path: Path, monkeypatch
):
    monkeypatch.setattr("gpen_webui.engines.photos_at_once.cpu_cores", lambda: 2)
    kept = KeptTurns(tmp_path, "a" * 64, "auto", "exact")
    kept.add(2, 0.5)
    kept.add(1, 0.4)
    kept.add(1, 0.6)
    again = KeptTurns(tmp_path, "a" * 64, "auto", "exact").read()
    assert again == {1: [0.4, 0.6], 2: [0.5]}
    other = KeptTurns(tmp_path, "b" * 64, "auto", "exact").read()
    assert other == {number: [] for number in numbers_to_try()}
    album = PlayedAlbum({1: 1.0, 2: 0.5}, again)
    album.restore(40)
    assert {number: len(turns) for number, turns in album.measured.items()} == {1: 1, 2: 2}
