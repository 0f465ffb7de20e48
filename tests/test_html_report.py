"""report.html: for people, self-contained, in two languages, beside the results of albums."""

import base64
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from gpen_webui.jobs.html_report import write_reports
from gpen_webui.jobs.store.files import StoreFiles
from gpen_webui.options import RestoreOptions
from gpen_webui.pipeline import ItemReport
from tests.server import small_photo

PICTURE = re.compile(r'<img alt="" src="data:image/(?:webp|jpeg);base64,([A-Za-z0-9+/=]+)">')


def report_with(*photos: ItemReport, **more: object) -> dict:
    counts = dict.fromkeys(("done", "no_face", "failed", "cancelled"), 0)
    for photo in photos:
        counts[photo.state] += 1
    return {
        "name": "Summer <1974>",
        "model": "played",
        "options": RestoreOptions().as_dict(),
        "counts": {"total": len(photos), **counts},
        "finished": "2026-11-29T00:30:00+0000",
        "photos": [photo.as_dict() for photo in photos],
        **more,
    }


def photo(name: str, state: str = "done", **more: object) -> ItemReport:
    result = None if state == "failed" else name
    return ItemReport(name, state, RestoreOptions().as_dict(), result=result, **more)


@pytest.fixture
def files(tmp_path: Path) -> StoreFiles:
    (tmp_path / "album").mkdir()
    return StoreFiles(tmp_path)


def written(files: StoreFiles, report: dict) -> str:
    write_reports(files.outputs / "album", report, files)
    return (files.outputs / "album" / "report.html").read_text(encoding="utf-8")


class Tags(HTMLParser):
    def __init__(self, text: str):
        super().__init__()
        self.found: list[tuple[str, dict]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list) -> None:
        self.found.append((tag, dict(attributes)))


def test_names_and_sentences_stand_there_as_text_and_nothing_is_fetched(files: StoreFiles):
    evil = '<img src="http://example.org/x">&"\'.jpg'
    error = {"stage": "open", "message": f"{evil} is not a photo."}
    text = written(files, report_with(photo(evil), photo(f"b{evil}", "failed", error=error)))
    tags = Tags(text).found
    assert not [tag for tag, attributes in tags if tag == "img"]
    assert {tag for tag, attributes in tags if "href" in attributes} == {"a"}
    assert len([tag for tag, _ in tags if tag == "script"]) == 1
    assert "http://example.org" not in re.sub(r"&lt;.*?&gt;", "", text)


def test_failures_warnings_and_what_was_left_out_are_said_in_both_languages(files: StoreFiles):
    error = {"stage": "open", "message": "c.jpg is damaged or cut short; try another copy of it."}
    lost = "a.bmp: BMP cannot hold EXIF data."
    left_out = [{"path": "list.txt", "why": "not a photo", "detail": ""}]
    reason = "The largest face is soft: more of it can be restored."
    chosen = {"options": {"strength": 95}, "reason": reason, "is_automatic": True}
    good = photo("a.jpg", warnings=[lost], suggestions=[chosen])
    photos = good, photo("c.jpg", "failed", error=error)
    text = written(files, report_with(*photos, left_out=left_out))
    for words in (
        error["message"],
        "c.jpg 已损坏或不完整",
        lost,
        reason,
        "最大的人脸不够清晰",
        "list.txt",
        "不是照片",
        "已修复 1 / 2",
    ):
        assert words in text


def test_a_photo_keeps_its_pictures_through_reports_that_are_written_later(files: StoreFiles):
    files.thumbnails.keep("album", "a b.jpg", b"before", b"after")
    report = report_with(photo("a b.jpg"), photo("c.jpg"))
    first = written(files, report)
    assert [base64.b64decode(data) for data in PICTURE.findall(first)] == [b"before", b"after"]
    assert not any(files.thumbnails.root.iterdir())
    assert written(files, report) == first
    files.thumbnails.keep("album", "a b.jpg", b"before", b"again")
    assert [base64.b64decode(data) for data in PICTURE.findall(written(files, report))] == [
        b"before",
        b"again",
    ]


def test_a_report_that_was_tampered_with_brings_nothing_into_the_next(files: StoreFiles):
    files.thumbnails.keep("album", "a.jpg", b"before", b"after")
    report = report_with(photo("a.jpg"))
    text = written(files, report)
    path = files.outputs / "album" / "report.html"
    path.write_text(PICTURE.sub('<img alt="" src="x" onerror="alert(1)">', text))
    assert "onerror" not in written(files, report)


def test_the_command_line_keeps_the_pictures_of_earlier_runs(tmp_path: Path, project: Path):
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    command = [sys.executable, "app.py", "restore", str(photos), "-o", str(out), "--skip-existing"]
    (photos / "a.jpg").write_bytes(small_photo(1, side=400))
    subprocess.run(command, cwd=project, check=True, capture_output=True)
    first = PICTURE.findall((out / "report.html").read_text(encoding="utf-8"))
    (photos / "b.jpg").write_bytes(small_photo(2))
    (photos / "notes.txt").write_text("no photo")
    subprocess.run(command, cwd=project, check=True, capture_output=True)
    text = (out / "report.html").read_text(encoding="utf-8")
    pictures = PICTURE.findall(text)
    assert pictures[:2] == first
    assert len(pictures) == 4
    assert "notes.txt" in text
    sizes = [Image.open(BytesIO(base64.b64decode(data))).size for data in pictures]
    assert sizes == [(128, 128)] * 4
    assert {photo["name"] for photo in json.loads((out / "report.json").read_text())["photos"]} == {
        "a.jpg",
        "b.jpg",
    }
