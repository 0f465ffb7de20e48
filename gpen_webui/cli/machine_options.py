"""The options that say what the network runs on."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from gpen_webui.logs import FORMATS, LEVELS
from gpen_webui.settings import DEVICES, PRECISIONS, or_missing


def add_machine_options(parser: argparse._ActionsContainer) -> None:
    """Add --device, --precision and --workers."""
    parser.add_argument(
        "--device",
        type=or_missing(_one_of(DEVICES)),
        metavar=f"{{{','.join(DEVICES)}}}",
        help="default: auto",
    )
    parser.add_argument(
        "--precision",
        type=or_missing(_one_of(PRECISIONS)),
        metavar=f"{{{','.join(PRECISIONS)}}}",
        help="exact: float32 (default); fast: 16 bits where that passes a quality "
        "check; auto: fast where the processor gains by it",
    )
    parser.add_argument(
        "--workers", type=or_missing(_worker_count), metavar="N", help="photos at a time"
    )


def add_time_limit(parser: argparse._ActionsContainer) -> None:
    """Add --max-photo-seconds."""
    parser.add_argument(
        "--max-photo-seconds",
        type=or_missing(int),
        metavar="N",
        help="give a photo up after N seconds",
    )


def add_log_options(parser: argparse._ActionsContainer) -> None:
    """Add --log-level and --log-format."""
    for name, choices, what in (
        ("--log-level", LEVELS, "what the log tells (default: info)"),
        ("--log-format", FORMATS, "lines to read, or one JSON object per line (default: text)"),
    ):
        parser.add_argument(
            name,
            type=or_missing(_one_of(choices)),
            metavar=f"{{{','.join(choices)}}}",
            help=what,
        )


def _one_of(choices: tuple[str, ...]) -> Callable[[str], str]:
    def choose(text: str) -> str:
        if text not in choices:
            raise argparse.ArgumentTypeError(f"{text} is none of {', '.join(choices)}")
        return text

    return choose


def _worker_count(text: str) -> int:
    """A number of workers, or 0 for `auto`."""
    if text != "auto" and not (text.isdecimal() and 1 <= int(text) <= 64):
        raise argparse.ArgumentTypeError(f"{text} is not “auto” or a number from 1 to 64")
    return 0 if text == "auto" else int(text)
