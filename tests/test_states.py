"""The page's states, static/js/states.js, are the program's, gpen_webui/states.py."""

import re
from enum import StrEnum
from pathlib import Path

import pytest

from gpen_webui import states

SETS = ("ACTIVE_JOBS", "ENDED_JOBS", "UNFINISHED_ITEMS", "ENDED_ITEMS", "RESTORED_ITEMS")


@pytest.fixture(scope="module")
def script(project: Path) -> str:
    return (project / "static" / "js" / "states.js").read_text(encoding="utf-8")


def members_in(script: str, name: str) -> dict[str, str]:
    """The members of `export const NAME = Object.freeze({MEMBER: "value", ...})`, in order."""
    body = re.search(rf"export const {name} = Object\.freeze\(\{{(.*?)\}}\)", script, re.DOTALL)
    return dict(re.findall(r'(\w+): "(\w+)"', body.group(1)))


def set_in(script: str, name: str) -> list[str]:
    """The values of `export const NAME = [Enum.MEMBER, ...]`, in order."""
    body = re.search(rf"export const {name} = \[(.*?)\]", script, re.DOTALL).group(1)
    return [members_in(script, enum)[member] for enum, member in re.findall(r"(\w+)\.(\w+)", body)]


@pytest.mark.parametrize("enum", [states.JobState, states.ItemState, states.Stage])
def test_the_page_has_the_programs_names_and_values_in_the_programs_order(
    script: str, enum: type[StrEnum]
):
    expected = [(member.name, member.value) for member in enum]
    assert list(members_in(script, enum.__name__).items()) == expected


@pytest.mark.parametrize("name", SETS)
def test_the_page_groups_states_as_the_program_does(script: str, name: str):
    assert set_in(script, name) == list(getattr(states, name))


def test_the_page_exports_nothing_that_the_program_does_not_have(script: str):
    exported = re.findall(r"export const (\w+)", script)
    assert sorted(exported) == sorted(["JobState", "ItemState", "Stage", *SETS])


def test_every_item_has_either_ended_or_not():
    assert {*states.UNFINISHED_ITEMS, *states.ENDED_ITEMS} == set(states.ItemState)
    assert not {*states.UNFINISHED_ITEMS} & {*states.ENDED_ITEMS}
