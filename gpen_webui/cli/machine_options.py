"""The options that say what the network runs on."""

from __future__ import annotations

import argparse


def add_machine_options(parser: argparse.ArgumentParser) -> None:
    """Add --device, --precision and --workers."""
    parser.add_argument("--device", choices=["auto", "cpu", "cuda", "mps"], help="default: auto")
    parser.add_argument(
        "--precision",
        choices=["exact", "fast", "auto"],
        help="exact: float32 (default); fast: 16 bits, or 8 on the CPU, where that passes a "
        "quality check; auto: fast where the processor gains by it",
    )
    parser.add_argument("--workers", type=_worker_count, metavar="N", help="photos at a time")


def _worker_count(text: str) -> int:
    """A number of workers, or 0 for `auto`."""
    if text != "auto" and not (text.isdecimal() and 1 <= int(text) <= 64):
        raise argparse.ArgumentTypeError(f"{text} is not “auto” or a number from 1 to 64")
    return 0 if text == "auto" else int(text)
