"""`./run.sh restore` as its users meet it: a real process, the embedded model, real files."""

import fcntl
import io
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter, ImageOps

from tests.waiting import wait_for

PROJECT = Path(__file__).resolve().parent.parent
ASTRONAUT = PROJECT / "tests" / "data" / "astronaut.jpg"


def command(*arguments: object) -> list[str]:
    return [sys.executable, str(PROJECT / "app.py"), "restore", *map(str, arguments)]


def restore(*arguments: object, cwd: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        command(*arguments),
        cwd=cwd,
        env=environment(cwd),
        capture_output=True,
        text=True,
        timeout=240,
    )


def environment(cwd: Path) -> dict[str, str]:
    return {**os.environ, "GPEN_WEBUI_OUTPUTS": str(cwd / "outputs")}


def saved(image: Image.Image, quality: int) -> io.BytesIO:
    """A JPEG file without loss of colour resolution, as results are saved."""
    file = io.BytesIO()
    image.save(file, "jpeg", quality=quality, subsampling=0)
    return file


def report_of(folder: Path) -> dict[str, dict]:
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return {photo["name"]: photo for photo in report["photos"]}


def files_in(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name not in ("report.json", "report.html")
    }


@pytest.fixture(scope="module")
def degraded() -> Image.Image:
    small = Image.open(ASTRONAUT).crop((100, 0, 400, 300)).resize((150, 150))
    return small.resize((240, 240), Image.Resampling.BICUBIC)


def make_album(folder: Path, degraded: Image.Image) -> Path:
    (folder / "1950").mkdir(parents=True)
    degraded.save(folder / "anna.jpg", quality=80)
    degraded.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "1950" / "anna.png")
    degraded.convert("L").save(folder / "1950" / "bert.jpg")
    Image.new("RGB", (200, 160), (90, 120, 160)).save(folder / "sky.png")
    return folder


@pytest.fixture
def album(tmp_path: Path, degraded: Image.Image) -> Path:
    return make_album(tmp_path / "album", degraded)


@dataclass(frozen=True)
class Restored:
    """An album, its results, and what the command said when it made them with --json."""

    album: Path
    out: Path
    done: subprocess.CompletedProcess


@pytest.fixture(scope="module")
def restored(tmp_path_factory, degraded: Image.Image) -> Restored:
    """One run with one worker, of which many tests look at the results; none changes anything."""
    folder = tmp_path_factory.mktemp("restored")
    album = make_album(folder / "album", degraded)
    before = files_in(album)
    done = restore(album, "-o", folder / "out", "--json", "--workers", 1, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert files_in(album) == before
    return Restored(album, folder / "out", done)


def huge_png() -> bytes:
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + header
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", zlib.crc32(b"IHDR" + header))


def test_a_folder_comes_out_restored_with_its_names_and_tree(restored: Restored):
    found = files_in(restored.out)
    assert set(found) == {"anna.jpg", "1950/anna.png", "1950/bert.jpg", "sky.png"}
    report = report_of(restored.out)
    assert report["anna.jpg"]["state"] == "done"
    assert report["anna.jpg"]["faces"][0]["restored"]
    assert report["anna.jpg"]["model"] == "gpen-mini-256"
    assert report["sky.png"]["state"] == "no_face"
    assert "gpen-mini-256" in restored.done.stderr


def degrade(path: Path, number: int) -> Image.Image:
    """As old prints are: shrunk to a quarter, soft, noisy, grey or sepia or in colour."""
    photo = Image.open(path).convert("RGB")
    small = photo.resize((max(60, photo.width // 4), max(75, photo.height // 4)))
    small = small.filter(ImageFilter.GaussianBlur(0.8))
    noise = np.random.default_rng(number).normal(0, 6, (small.height, small.width, 3))
    if number % 4 == 1:
        small = small.convert("L").convert("RGB")
    elif number % 4 == 3:
        small = ImageOps.colorize(small.convert("L"), "#100800", "#fff0d0")
    return Image.fromarray(np.clip(np.asarray(small) + noise, 0, 255).astype(np.uint8))


@pytest.mark.parametrize("count", [4, pytest.param(12, marks=pytest.mark.slow)])
def test_degraded_portraits_come_out_restored(shared: Path, tmp_path: Path, count: int):
    folder = tmp_path / "portraits"
    folder.mkdir()
    for number, path in enumerate(sorted((shared / "photos").glob("portrait-*.jpg"))[:count]):
        degrade(path, number).save(folder / path.name, quality=30)
    done = restore(folder, "-o", tmp_path / "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = report_of(tmp_path / "out")
    assert len(report) == count
    for name, photo in report.items():
        assert (photo["state"], len(photo["faces"])) == ("done", 1)
        with Image.open(folder / name) as before, Image.open(tmp_path / "out" / name) as after:
            assert before.size == after.size
            box = [int(edge) for edge in photo["faces"][0]["box"]]
            saved_again = Image.open(saved(before, quality=92))
            degraded, restored, copied = (
                np.asarray(image.crop(box), float) for image in (before, after, saved_again)
            )
            changed, compressed = (np.abs(x - degraded).mean() for x in (restored, copied))
            assert changed > 2 * compressed  # something was done to the face
            assert np.corrcoef(degraded.ravel(), restored.ravel())[0, 1] > 0.9  # of this person


def test_a_photo_without_a_face_is_passed_on_byte_for_byte(restored: Restored):
    passed_on, original = restored.out / "sky.png", restored.album / "sky.png"
    assert passed_on.read_bytes() == original.read_bytes()


def test_grey_stays_grey_and_sizes_stay(restored: Restored):
    with Image.open(restored.out / "1950" / "bert.jpg") as bert:
        assert (bert.mode, bert.size) == ("L", (240, 240))


def test_same_bytes_with_one_worker_and_four_alone_and_in_a_folder(
    restored: Restored, tmp_path: Path
):
    outs = [tmp_path / f"out{number}" for number in range(2)]
    restore(restored.album, "-o", outs[0], "--workers", 4, cwd=tmp_path)
    restore(restored.album / "anna.jpg", "-o", outs[1], cwd=tmp_path)
    assert files_in(outs[0]) == files_in(restored.out)
    assert files_in(outs[1])["anna.jpg"] == files_in(outs[0])["anna.jpg"]


def test_bad_files_each_get_a_sentence_and_the_good_one_is_restored(
    tmp_path: Path, degraded: Image.Image
):
    folder = tmp_path / "mixed"
    folder.mkdir()
    degraded.save(folder / "good.jpg")
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.jpg").write_text("this is not a photo")
    (folder / "cut.jpg").write_bytes(ASTRONAUT.read_bytes()[:20_000])
    (folder / "huge.png").write_bytes(huge_png())
    frames = [degraded, degraded.transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
    frames[0].save(folder / "moving.webp", save_all=True, append_images=frames[1:])
    (folder / "dangling.jpg").symlink_to(folder / "nowhere.jpg")

    done = restore(folder, "-o", tmp_path / "out", cwd=tmp_path)

    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    report = report_of(tmp_path / "out")
    failed = {name for name, photo in report.items() if photo["state"] == "failed"}
    assert failed == {"empty.jpg", "text.jpg", "cut.jpg", "huge.png", "dangling.jpg"}
    for name in failed:
        message = report[name]["error"]["message"]
        assert name in message
        assert message in done.stderr
    assert report["good.jpg"]["state"] == "done"
    assert report["moving.webp"]["warnings"]  # the first picture is restored, and that is said


def test_nothing_is_overwritten_without_skip_existing(album: Path, tmp_path: Path):
    photo = album / "anna.jpg"
    for _ in range(2):
        restore(photo, "-o", tmp_path / "out", cwd=tmp_path)
    found = files_in(tmp_path / "out")
    assert found["anna.jpg"] == found["anna (2).jpg"]


@pytest.fixture
def five(tmp_path: Path, degraded: Image.Image) -> Path:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(5):
        photo = degraded.rotate(number, fillcolor=(90, 90, 90)).resize((360, 360))
        photo.save(folder / f"{number:02}.png")
    return folder


# What the program does after each photo that it has put on record.
AFTER_EACH = """
import os, sys, time
from pathlib import Path
from gpen_webui.cli import main
from gpen_webui.jobs.store.claims import ClaimQueue
real, finished = ClaimQueue.finish, []
def finish(*arguments):
    try:
        return real(*arguments)
    finally:
        finished.append(1)
        {then}
ClaimQueue.finish = finish
sys.exit(main(sys.argv[1:]))
"""


def start_run(then: str, *arguments: object, cwd: Path) -> subprocess.Popen:
    """The command with one worker, in whose process this is done after each photo."""
    code = AFTER_EACH.format(then=then)
    return subprocess.Popen(
        [sys.executable, "-c", code, "restore", *map(str, arguments), "--workers", "1"],
        cwd=cwd,
        env={**environment(cwd), "PYTHONPATH": str(PROJECT)},
        stderr=subprocess.PIPE,
        text=True,
    )


def stop_after_two(out: Path, how: signal.Signals, *arguments: object) -> tuple[int, str]:
    """A run that gets the signal once two results are there: exit code and what was said."""
    then = f"len(finished) == 2 and os.kill(os.getpid(), {int(how)})"
    process = start_run(then, *arguments, "-o", out, cwd=out.parent)
    _, said = process.communicate(timeout=240)
    return process.returncode, said


@pytest.mark.parametrize(
    "how", [signal.SIGINT, pytest.param(signal.SIGHUP, marks=pytest.mark.slow), signal.SIGKILL]
)
def test_a_run_that_was_stopped_goes_on_where_it_stopped(
    five: Path, tmp_path: Path, how: signal.Signals
):
    out = tmp_path / "out"
    code, said = stop_after_two(out, how, five, "--strength", 60)
    first = {name: data for name, data in files_in(out).items() if name[0] != "."}
    assert 2 <= len(first) < 5
    for data in first.values():
        Image.open(io.BytesIO(data)).load()  # whole
    if how != signal.SIGKILL:
        assert code == 130
        command_line = f"./run.sh restore {five} --strength 60 -o {out} --workers 1"
        assert f"{command_line} --skip-existing" in said

    done = restore(five, "-o", out, "--strength", 60, "--skip-existing", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    found = files_in(out)
    assert {name for name in found if name[0] != "."} == {f"{n:02}.png" for n in range(5)}
    assert {name: found[name] for name in first} == first
    assert {photo["state"] for photo in report_of(out).values()} <= {"done", "no_face"}


def test_two_runs_do_not_share_a_results_folder(album: Path, tmp_path: Path):
    out = tmp_path / "out"
    wait = f"while not Path({str(tmp_path / 'go')!r}).exists(): time.sleep(0.02)"
    first = start_run(wait, album, "-o", out, cwd=tmp_path)
    wait_for(lambda: first.poll() is not None or list(out.rglob("*.jpg")))
    second = restore(album, "-o", out, cwd=tmp_path)
    (tmp_path / "go").touch()
    first.communicate(timeout=240)
    assert first.returncode == 0
    assert second.returncode == 2
    assert "Another run is writing" in second.stderr
    assert len(report_of(out)) == 4


def test_a_report_of_another_program_is_never_overwritten(album: Path, tmp_path: Path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "report.json").write_text("{}")
    done = restore(album, "-o", tmp_path / "out", cwd=tmp_path)
    assert done.returncode == 2
    assert "is not a report of ours" in done.stderr
    assert (tmp_path / "out" / "report.json").read_text() == "{}"


def test_without_o_each_run_gets_its_own_dated_folder(album: Path, tmp_path: Path):
    outputs = tmp_path / "outputs"
    for _ in range(2):
        restore(album / "anna.jpg", cwd=tmp_path)
    folders = [folder.name for folder in outputs.iterdir() if folder.name[0] != "."]
    assert len(folders) == 2
    assert all(re.fullmatch(r"\d{8}_\d{6}(-\d+)?", name) for name in folders)
    for name in folders:
        assert set(files_in(outputs / name)) == {"anna.jpg"}


def test_results_inside_the_album_are_not_restored_again_and_originals_never_touched(
    album: Path, tmp_path: Path
):
    before = files_in(album)
    out, more = album / "restored", ("--save-faces", "--compare", "--skip-existing")
    restore(album, "-o", out, *more, cwd=tmp_path)
    results = set(files_in(out))
    restore(album, "-o", out, *more, cwd=tmp_path)
    assert set(files_in(out)) == results
    assert len([name for name in results if not name.startswith(("faces/", "compare/"))]) == 4
    after = {name: data for name, data in files_in(album).items() if name[:9] != "restored/"}
    assert after == before


def test_the_report_says_what_was_done_to_every_photo(album: Path, tmp_path: Path):
    options = ("--strength", 33, "--min-face", 500)
    done = restore(album / "anna.jpg", "-o", tmp_path / "out", *options, cwd=tmp_path)
    assert "anna.jpg: no face restored, saved unchanged\n  1 face is narrower than" in done.stderr
    assert "0 restored, 1 without a restored face, saved unchanged" in done.stderr
    photo = report_of(tmp_path / "out")["anna.jpg"]
    assert photo["state"] == "no_face"
    face = photo["faces"][0]
    assert not face["restored"]
    assert "less than the smallest of 500 px" in face["reason"]
    assert "(min_face) and left alone" in photo["warnings"][0]
    assert photo["options"]["strength"] == 33
    assert len(photo["model_sha256"]) == 64
    assert {"open", "detect", "save"} <= set(photo["seconds"])


def test_the_report_says_where_the_face_is_and_how_long_each_stage_took(restored: Restored):
    photo = report_of(restored.out)["anna.jpg"]
    left, top, right, bottom = photo["faces"][0]["box"]
    assert 0 <= left < right <= 240
    assert 0 <= top < bottom <= 240
    assert 0.5 < photo["faces"][0]["score"] <= 1
    assert set(photo["seconds"]) == {
        "open",
        "detect",
        "align",
        "network",
        "blend",
        "adjust",
        "save",
    }


def test_a_reader_who_has_had_enough_of_the_json_lines_sees_no_traceback(
    album: Path, tmp_path: Path
):
    process = subprocess.Popen(
        command(album, "-o", tmp_path / "out", "--json"),
        cwd=tmp_path,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdout.readline()
    process.stdout.close()
    said = process.stderr.read()
    assert process.wait(240) == 1
    assert "Traceback" not in said
    assert "Exception ignored" not in said


def test_a_terminal_shows_a_bar_with_count_and_time_left(album: Path, tmp_path: Path):
    (album / "bad.jpg").write_bytes(b"")
    ours, theirs = pty.openpty()
    rows_and_columns = struct.pack("HHHH", 30, 90, 0, 0)
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, rows_and_columns)
    process = subprocess.Popen(
        command(album, "-o", tmp_path / "out"),
        cwd=tmp_path,
        env=environment(tmp_path),
        stderr=theirs,
    )
    os.close(theirs)
    said = b""
    while True:
        try:
            said += os.read(ours, 10_000)
        except OSError:  # the other side has closed it
            break
    os.close(ours)
    assert process.wait(240) == 1
    assert re.search(rb"5/5 \[\d\d:\d\d<\d\d:\d\d", said)
    assert b"bad.jpg is empty" in said
    assert b"3 restored, 1 without a restored face, saved unchanged, 1 failed" in said


def test_json_prints_one_object_per_photo_and_nothing_else(restored: Restored):
    lines = [json.loads(line) for line in restored.done.stdout.splitlines()]
    assert {line["name"] for line in lines[:-1]} == set(report_of(restored.out))
    assert lines[-1]["counts"]["done"] == 3


def test_another_format_keeps_the_name_and_changes_the_suffix(album: Path, tmp_path: Path):
    (album / "anna.jpg").unlink()
    restore(album, "-o", tmp_path / "out", "--format", "webp", cwd=tmp_path)
    assert set(files_in(tmp_path / "out")) == {"sky.webp", "1950/anna.webp", "1950/bert.webp"}


def test_faces_and_comparisons_are_saved_on_request(album: Path, tmp_path: Path):
    photo = album / "anna.jpg"
    restore(photo, "-o", tmp_path / "out", "--save-faces", "--compare", cwd=tmp_path)
    found = set(files_in(tmp_path / "out"))
    assert {"faces/anna_face1_before.png", "faces/anna_face1_after.png"} <= found
    with Image.open(tmp_path / "out" / "compare" / "anna.jpg") as both:
        assert both.size == (480, 240)


def test_a_mask_of_the_command_line_marks_one_photo_alone(tmp_path: Path):
    photo = Image.open(ASTRONAUT).resize((256, 256))
    mask = Image.new("L", photo.size)
    mask.paste(255, (20, 10, 24, 90))
    scratched = photo.copy()
    scratched.paste((255, 255, 255), (20, 10, 24, 90))
    scratched.save(tmp_path / "print.png")
    mask.save(tmp_path / "mask.jpg", quality=95)
    out = tmp_path / "out"
    done = restore(tmp_path / "print.png", "--mask", tmp_path / "mask.jpg", "-o", out, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = report_of(out)["print.png"]
    (told,) = [note for note in report["notes"] if "Damage was filled in" in note]
    assert f"\n  {told}\n" in done.stderr
    assert report["options"]["mask"] == ""
    pixels = np.asarray(Image.open(out / "print.png")).astype(int)
    assert np.abs(pixels[20:80, 21:23] - np.asarray(photo)[20:80, 21:23]).mean() < 20

    both = [tmp_path / "print.png", ASTRONAUT]
    refused = restore(*both, "--mask", tmp_path / "mask.jpg", cwd=tmp_path)
    assert "--mask belongs to one photo, but 2 are named" in refused.stderr
