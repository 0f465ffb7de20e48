"""Options as they come from a form, from JSON and from the command line."""

import argparse

import pytest

from gpen_webui.cli.option_arguments import add_option_arguments, chosen_options
from gpen_webui.options import OPTIONS, OptionError, RestoreOptions, WholeNumber
from gpen_webui.states import Stage
from tests.option_tables import ROOT, TABLES

RANGES = {
    name: (option.low, option.high)
    for name, option in OPTIONS.items()
    if isinstance(option, WholeNumber)
}


def test_defaults_are_the_ones_that_the_readme_promises():
    options = RestoreOptions()
    assert (options.strength, options.mode, options.protect_skin) == (70, "natural", True)
    neutral = (options.denoise, options.sharpen, options.contrast, options.brightness)
    assert neutral == (0, 0, 0, 0)
    assert not options.enhance_detail
    assert (options.format, options.max_megapixels, options.aligned) == ("same", 100, False)


def test_what_is_not_given_keeps_its_default():
    assert RestoreOptions.parse({}) == RestoreOptions()
    assert RestoreOptions.parse({"strength": 40}) == RestoreOptions(strength=40)


def test_text_of_forms_and_numbers_of_json_mean_the_same():
    form = {"strength": "40", "mode": "detail", "protect_skin": "false", "enhance_detail": "on"}
    json = {"strength": 40, "mode": "detail", "protect_skin": False, "enhance_detail": True}
    assert RestoreOptions.parse(form) == RestoreOptions.parse(json)


def test_faces_are_named_alike_in_text_and_in_json():
    text = {"faces": " 3, 1", "face_strength": "5=100,2=40", "face_boxes": "1=0,0,9.5,9"}
    json = {"faces": [1, 3, 3], "face_strength": {"2": 40, "5": 100}}
    json["face_boxes"] = {"1": [0, 0, 9.5, 9]}
    text["add_face"] = "10,20,30.4,40; -5,1,9,9;10,20,30,40"
    json["add_face"] = [[10, 20, 30, 40], "-5,1,9,9"]
    assert RestoreOptions.parse(text) == RestoreOptions.parse(json)
    assert RestoreOptions.parse(text).face_strength == "2=40,5=100"
    assert RestoreOptions.parse({"faces": []}) == RestoreOptions()


def test_options_survive_the_way_out_and_back_in():
    options = RestoreOptions(strength=5, mode="strong", contrast=-50, format="webp", min_face=99)
    assert RestoreOptions.parse(options.as_dict()) == options


@pytest.mark.parametrize("name", RANGES)
def test_both_ends_of_a_range_are_allowed_and_one_beyond_is_not(name: str):
    low, high = RANGES[name]
    assert getattr(RestoreOptions.parse({name: low}), name) == low
    assert getattr(RestoreOptions.parse({name: str(high)}), name) == high
    for beyond in (low - 1, high + 1):
        with pytest.raises(OptionError, match=f"{name}.*{low} to {high}"):
            RestoreOptions.parse({name: beyond})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("strength", "much"),
        ("strength", 1.5),
        ("strength", True),
        ("strength", None),
        ("strength", float("nan")),
        ("strength", "1e999"),
        ("strength", [70]),
        ("mode", "wild"),
        ("mode", None),
        ("mode", ["natural"]),
        ("format", "gif"),
        ("protect_skin", "perhaps"),
        ("aligned", 2),
        ("surprise", 1),
        ("faces", "one"),
        ("faces", [0]),
        ("faces", [True]),
        ("not_faces", "1,2=3"),
        ("face_strength", "2"),
        ("face_strength", "2=101"),
        ("face_mode", {"1": "wild"}),
        ("face_boxes", "1=1,2,3"),
        ("face_boxes", {"1": [10, 10, 5, 20]}),
        ("face_boxes", "1=nan,0,1,1"),
        ("face_boxes", {"1": [None, 0, 1, 1]}),
        ("face_boxes", {"1": [[0], 0, 1, 1]}),
        ("face_strength", "1=40,1=30"),
        ("add_face", "10,20,30"),
        ("add_face", "10,20,30,0"),
        ("add_face", [10, 20, 30, 40]),
        ("add_face", "nan,0,9,9"),
        ("add_face", "inf,0,9,9"),
        ("add_face", [[0, 0, None, 9]]),
    ],
)
def test_a_wrong_value_is_one_sentence_that_names_the_option(name: str, value):
    with pytest.raises(OptionError) as caught:
        RestoreOptions.parse({name: value})
    sentence = str(caught.value)
    assert name in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_only_options_before_the_network_ask_for_a_new_run_of_it():
    base = RestoreOptions().key_for(Stage.NETWORK)
    after = {"strength": 1, "mode": "strong", "denoise": 9, "contrast": 9, "quality": 50}
    assert RestoreOptions.parse(after).key_for(Stage.NETWORK) == base
    assert RestoreOptions(min_face=50).key_for(Stage.NETWORK) != base
    assert RestoreOptions(aligned=True).key_for(Stage.NETWORK) != base


@pytest.mark.parametrize("document", TABLES)
def test_the_documents_tell_every_option_with_its_range_and_default(document: str):
    text = (ROOT / document).read_text(encoding="utf-8")
    assert TABLES[document]() in text, "run python -m tests.option_tables"


def test_every_option_can_be_given_on_the_command_line():
    parser = argparse.ArgumentParser()
    add_option_arguments(parser)
    given = ["--strength", "5", "--mode", "detail", "--no-protect-skin", "--aligned"]
    options = chosen_options(parser.parse_args(given))
    assert options == RestoreOptions(strength=5, mode="detail", protect_skin=False, aligned=True)
    assert chosen_options(parser.parse_args([])) == RestoreOptions()
    twice = ["--add-face", "1,2,30,40", "--add-face", "50,2,30,40"]
    assert chosen_options(parser.parse_args(twice)).add_face == "1,2,30,40;50,2,30,40"


def test_a_choice_that_is_a_number_may_be_given_as_one():
    assert RestoreOptions.parse({"enlarge": 2}).enlarge == "2"
    with pytest.raises(OptionError, match="enlarge"):
        RestoreOptions.parse({"enlarge": 3})
    with pytest.raises(OptionError, match="enlarge"):
        RestoreOptions.parse({"enlarge": True})
