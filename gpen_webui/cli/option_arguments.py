"""The options of restoring, as arguments of a command line."""

from __future__ import annotations

import argparse
from pathlib import Path

from gpen_webui.option_kinds import (
    Choice,
    CropBox,
    DrawnBoxes,
    FaceBoxes,
    FaceList,
    FaceValues,
    Group,
    Mask,
    ModelName,
    Switch,
    WholeNumber,
)
from gpen_webui.options import DEFAULTS, OPTIONS, RestoreOptions


def add_option_arguments(parser: argparse.ArgumentParser) -> None:
    """Add every option under the heading of its group; one that is not given is None."""
    groups = {group: parser.add_argument_group(group) for group in Group}
    for name, option in OPTIONS.items():
        flag = f"--{name.replace('_', '-')}"
        said = option.help.replace("%", "%%")
        match option:
            case WholeNumber():
                said = f"{said}; {option.values()} (default: {DEFAULTS[name]})"
                groups[option.group].add_argument(flag, type=int, metavar="N", help=said)
            case Choice():
                said = f"{said} (default: {DEFAULTS[name]})"
                groups[option.group].add_argument(flag, choices=option.choices, help=said)
            case FaceList() | FaceValues() | FaceBoxes():
                groups[option.group].add_argument(
                    flag, metavar="FACES", help=f"{said}; {option.values()}"
                )
            case CropBox():
                said = f"{said}; {option.values()}"
                groups[option.group].add_argument(flag, metavar="X,Y,W,H", help=said)
            case DrawnBoxes():
                said = f"{said}; {option.values()}"
                groups[option.group].add_argument(
                    flag, action="append", metavar="X,Y,W,H", help=said
                )
            case ModelName():
                groups[option.group].add_argument(flag, metavar="NAME", help=said)
            case Mask():
                said = f"{said}; {option.values()}"
                groups[option.group].add_argument(flag, type=Path, metavar="FILE", help=said)
            case Switch():
                said = f"{said} (default: {'on' if DEFAULTS[name] else 'off'})"
                kind = argparse.BooleanOptionalAction
                groups[option.group].add_argument(flag, action=kind, default=None, help=said)


def chosen_options(arguments: argparse.Namespace) -> RestoreOptions:
    """The options given on the command line, checked; the rest keep their defaults.

    Raises OptionError, and PhotoError for a mask that is no picture.
    """
    given = {name: _value(getattr(arguments, name)) for name in OPTIONS}
    return RestoreOptions.parse({name: value for name, value in given.items() if value is not None})


def _value(given: object) -> object:
    """What an option's value is; of a mask's file, its text."""
    if not isinstance(given, Path):
        return given
    from gpen_webui.repairing.mask import mask_of_file

    return mask_of_file(given)
