"""The child processes that decode: what becomes of a photo, and of us, when one of them dies."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from gpen_webui.photo import decoder_pool
from gpen_webui.photo.errors import PhotoError
from gpen_webui.photo.photo import open_photo
from gpen_webui.shortage import ShortageError
from tests.hostile.card import CARD, encode
from tests.waiting import PATIENCE, wait_for

# A JPEG that is searched for its next marker until time is up.
SLOW = b"\xff\xd8" + b"\xff" * 30_000_000


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    path = tmp_path / "slow.jpg"
    path.write_bytes(SLOW)
    return path


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.png"
    path.write_bytes(encode(CARD, "PNG"))
    return path


def children() -> set[psutil.Process]:
    """Our processes that decode."""
    found = set()
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):  # it has just ended
            if "gpen_webui.photo.decoder_process" in " ".join(child.cmdline()):
                found.add(child)
    return found


def kill_the_busy_ones(number: int, times: int) -> None:
    """As soon as a child has been at work for half a second, so many times."""
    before = {child: sum(child.cpu_times()[:2]) for child in children()}
    killed: list[psutil.Process] = []

    def are_killed() -> bool:
        for child in children():
            with suppress(psutil.NoSuchProcess):
                if sum(child.cpu_times()[:2]) - before.get(child, 0.5) > 0.5:
                    before[child] = float("inf")
                    child.send_signal(number)
                    killed.append(child)
                before.setdefault(child, sum(child.cpu_times()[:2]))
        return len(killed) >= times

    wait_for(are_killed)


@pytest.mark.parametrize(
    ("number", "times", "sentence"),
    [
        (signal.SIGSEGV, 1, "slow.jpg is damaged, and decoding it crashed"),
        (signal.SIGABRT, 1, "slow.jpg is damaged, and decoding it crashed"),
        (signal.SIGKILL, 2, "slow.jpg needs more memory than is free"),
    ],
)
def test_a_crash_costs_one_photo_and_the_next_one_opens(slow, good, number, times, sentence):
    killer = threading.Thread(target=kill_the_busy_ones, args=(number, times))
    killer.start()
    with pytest.raises(PhotoError, match=sentence):
        open_photo(slow)
    killer.join()
    assert (open_photo(good).pixels == CARD).all()


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        signal.SIGKILL,
        pytest.param(signal.SIGHUP, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
    ],
)
def test_a_signal_from_outside_is_not_the_photos_fault(slow: Path, number: int):
    """The photo is decoded all the same, and here fails for what it is."""
    killer = threading.Thread(target=kill_the_busy_ones, args=(number, 1))
    killer.start()
    with pytest.raises(PhotoError, match=r"slow.jpg takes far too long to decode"):
        open_photo(slow)
    killer.join()


def test_a_child_that_cannot_be_started_is_the_machines_fault(good: Path, project: Path):
    code = (
        "import os, resource, sys; from pathlib import Path; "
        "from gpen_webui.photo.photo import open_photo; "
        "free = os.open('/dev/null', os.O_RDONLY); os.close(free); "
        "resource.setrlimit(resource.RLIMIT_NOFILE, (free + 1, free + 1))\n"
        "try: open_photo(Path(sys.argv[1]))\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    command = [sys.executable, "-c", code, good]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True)
    assert done.stdout.startswith("ShortageError This program may not open more files"), done


def test_a_python_that_has_gone_meanwhile_is_the_machines_fault(good: Path, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone" / "python"))
    pool = decoder_pool.DecoderPool(children=1)
    with pytest.raises(ShortageError, match=r"cannot be started .*gone/python: No such file"):
        pool.ask(good, good.name, 100)


def test_what_takes_too_long_is_given_up_when_its_processor_time_is_spent(slow, good, monkeypatch):
    monkeypatch.setattr(decoder_pool, "PATIENCE", 1e5)  # the clock alone would let it go on
    with pytest.raises(PhotoError, match=r"slow.jpg takes far too long to decode; .*\.$"):
        open_photo(slow)
    assert (open_photo(good).pixels == CARD).all()


def test_a_share_that_does_not_answer_is_given_up_by_the_clock(slow, good, monkeypatch):
    monkeypatch.setattr(decoder_pool, "PATIENCE", 0.3)
    with pytest.raises(PhotoError, match="takes far too long"):
        open_photo(slow)
    monkeypatch.undo()
    assert (open_photo(good).pixels == CARD).all()


def test_pipes_folders_and_missing_files_are_refused_at_once(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    os.symlink(tmp_path / "nowhere", tmp_path / "link.jpg")
    for name in ("pipe.jpg", "folder.jpg", "link.jpg", "gone.jpg", "a\0b.jpg"):
        with pytest.raises(PhotoError, match=r"check the path\.$"):
            open_photo(tmp_path / name)
    with pytest.raises(PhotoError, match="is no file"):
        open_photo(Path("/dev/zero"))


def test_many_threads_get_their_own_photos_from_few_children(tmp_path: Path):
    def check(number: int) -> bool:
        path = tmp_path / f"{number}.png"
        pixels = (CARD // 2 + number).astype("uint8")
        path.write_bytes(encode(pixels, "PNG"))
        return bool((open_photo(path).pixels == pixels).all())

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(check, range(100)))
    assert len(children()) <= max(2, os.cpu_count() or 2)


@pytest.mark.parametrize(("waiting", "expected"), [(1e3, 1), (0.0, 2)])
def test_another_child_is_started_only_where_waiting_takes_long(
    good: Path, monkeypatch, waiting: float, expected: int
):
    monkeypatch.setattr(decoder_pool, "MOST_WAITING", waiting)
    before = children()
    few = decoder_pool.DecoderPool(children=2)
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: few.ask(good, "good.png", 100), range(20)))
    assert all(answer.fields["format"] == "png" for answer in answers)
    assert len(children() - before) == expected
    few.close()


def test_children_end_with_their_parent_whatever_ends_it(good: Path, project: Path):
    code = (
        "import sys, time; from pathlib import Path; "
        "from gpen_webui.photo.photo import open_photo; "
        "open_photo(Path(sys.argv[1])); print('open', flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, good], cwd=project, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout.readline() == "open\n"
    (child,) = psutil.Process(parent.pid).children()
    parent.kill()
    parent.wait()
    child.wait(timeout=PATIENCE)


def test_a_child_ends_with_its_parent_also_in_the_middle_of_a_photo(slow: Path, project: Path):
    code = (
        "import sys; from pathlib import Path; from gpen_webui.photo.photo import open_photo; "
        "open_photo(Path(sys.argv[1]))"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, slow], cwd=project)

    def at_work() -> list[psutil.Process]:
        decoders = psutil.Process(parent.pid).children()
        return [child for child in decoders if sum(child.cpu_times()[:2]) > 0.5]

    (decoder,) = wait_for(at_work)
    parent.kill()
    parent.wait()
    decoder.wait(timeout=PATIENCE)


def test_a_folder_of_photos_cannot_bring_its_own_modules(good: Path, project: Path):
    """The child is started where the user stands, maybe among files from anywhere."""
    for name in ("json.py", "numpy.py", "PIL.py", "signal.py"):
        (good.parent / name).write_text("open('owned', 'w').close()\n", encoding="utf-8")
    code = (
        f"import sys; sys.path[:] = [{str(project)!r}, *[p for p in sys.path if p]]; "
        "from pathlib import Path; from gpen_webui.photo.photo import open_photo; "
        "print(open_photo(Path('good.png')).pixels.shape)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=good.parent, capture_output=True, text=True
    )
    assert done.stdout == "(48, 64, 3)\n", done.stderr
    assert not (good.parent / "owned").exists()


def test_a_child_that_died_at_rest_is_nobodys_fault(good: Path):
    one = decoder_pool.DecoderPool(children=1)
    before = children()
    one.ask(good, "good.png", 100)
    (child,) = children() - before
    child.kill()
    psutil.wait_procs([child], timeout=PATIENCE)
    assert one.ask(good, "good.png", 100).fields["format"] == "png"
    one.close()


def test_a_closed_guard_leaves_no_process(good: Path):
    before = children()
    two = decoder_pool.DecoderPool(children=2)
    two.ask(good, "good.png", 100)
    assert len(children()) == len(before) + 1
    two.close()
    assert children() == before
