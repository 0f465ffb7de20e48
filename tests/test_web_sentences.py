# Chinese has signs of its own, which look like ours.
# ruff: noqa: RUF001
"""The server's own sentences in Chinese: all of them, and where a reader sees them."""

import re
from pathlib import Path

import pytest
from babel.messages.mofile import read_mo

from gpen_webui.sentences import TRANSLATIONS, answer_in_language, in_language
from tests.browser import portrait
from tests.sentences import sentences
from tests.server import Server

CHINESE = {"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.5"}
HAN = re.compile(r"[\u4e00-\u9fff]")
BLANKS = re.compile(r"(?<!\{)\{\w+\}")


def test_every_sentence_of_the_code_is_translated_with_its_blanks():
    with (TRANSLATIONS / "zh_Hans" / "LC_MESSAGES" / "sentences.mo").open("rb") as file:
        known = {message.id: message.string for message in read_mo(file) if message.id}
    found = sentences()
    assert len(found) > 200
    assert [text for text in found if not known.get(text)] == [], "run python -m tests.sentences"
    for text in found:
        assert set(BLANKS.findall(known[text])) == set(BLANKS.findall(text)), text


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        (
            "a.jpg is empty (0 bytes); try another copy of it.",
            "a.jpg 是空文件（0 字节）；请换一份副本。",
        ),
        (
            "a.jpg took longer than 5 seconds while opening the photo; make it smaller, or allow "
            "more with --max-photo-seconds.",
            "a.jpg 在“打开照片”时超过了 5 秒；请缩小它，或用 --max-photo-seconds 放宽时限。",
        ),
        (
            "m runs on the CPU with OpenVINO in bfloat16 (2 cores, 2 faces at a time). It is 42 dB "
            "close to float32.",
            "m 用 OpenVINO 在 CPU 上以 bfloat16 运行（2 个核心，每次 2 张人脸）。"
            "与 float32 的差距为 42 dB。",
        ),
        (
            "a.gif is a GIF; the result is a PNG. There is nothing at this address.",
            "a.gif 是 GIF；结果为 PNG。这个地址什么也没有。",
        ),
        ("No sentence of ours.", "No sentence of ours."),
        ("{0} {name} is odd", "{0} {name} is odd"),
    ],
)
def test_a_sentence_is_recognised_with_what_is_in_it(english: str, chinese: str):
    assert in_language(english, "zh_Hans") == chinese
    assert in_language(english, "en") == english


def test_only_what_is_a_sentence_is_translated_in_an_answer():
    answer = {"name": "is paused", "error": {"stage": "open", "message": "No such thing."}}
    answer |= {"warnings": ["a.gif is a GIF; the result is a PNG."], "faces": [{"reason": None}]}
    told = answer_in_language(answer, "zh_Hans")
    assert told["name"] == "is paused"
    assert told["error"] == answer["error"]
    assert told["faces"] == [{"reason": None}]
    assert HAN.search(told["warnings"][0])


def test_a_reader_of_chinese_reads_chinese_and_a_program_english(tmp_path: Path):
    with Server(tmp_path) as server:
        wrong = {"options": {"strength": 900}}
        for headers, is_chinese in (
            (CHINESE, True),
            ({}, False),
            ({"Accept-Language": "en"}, False),
        ):
            answer = server.post("/api/jobs", json=wrong, headers=headers).json()
            assert bool(HAN.search(answer["error"]["message"])) == is_chinese
        album = server.new_album([("torn.jpg", portrait(1)[:700])])
        server.wait_for(album)
        item = server.get(f"/api/jobs/{album}/items/0", headers=CHINESE).json()
        assert item["error"]["message"].startswith("torn.jpg 已损坏或不完整")
        assert "torn.jpg is damaged" in server.get(f"/api/jobs/{album}").text
        assert HAN.search(server.get("/jobs/nothing", headers=CHINESE).text.split("<main")[1])
