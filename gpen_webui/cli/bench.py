"""`./run.sh bench`: measure this machine; a table, a JSON file and a chart."""

from __future__ import annotations

import argparse
import json
from importlib.util import find_spec
from pathlib import Path

from gpen_webui.cli.exit_codes import EXIT_OK
from gpen_webui.cli.results_folder import make_results_folder
from gpen_webui.errors import UserError
from gpen_webui.folders import to_get_extra
from gpen_webui.settings import Settings

MAX_PHOTOS = 100
LIBRARIES = ("matplotlib", "psutil")  # that only the benchmark needs


class BenchExtrasError(UserError):
    """What only the benchmark needs is not installed."""


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add `bench` to the command line."""
    parser = commands.add_parser(
        "bench",
        help="measure this machine",
        description="Measure the network and whole albums on this machine, against the published "
        "way of computing it, and with the last run. Makes its own photos; writes "
        "benchmark.json and benchmark.png.",
    )
    parser.add_argument(
        "--shape",
        choices=("default", "512", "256"),
        default="default",
        help="the installed default model, or random weights in the shape of GPEN-BFR-512 or -256",
    )
    parser.add_argument("--photos", type=_photo_count, metavar="N", help="in the album (20)")
    parser.add_argument(
        "--quick", action="store_true", help="a small album and few rounds: a first impression"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="folder to write to (new, in outputs/)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure, print and write everything; return the process's exit code."""
    for library in LIBRARIES:
        if find_spec(library) is None:
            raise BenchExtrasError(f"The library {library} is missing; {to_get_extra('bench')}.")
    from gpen_webui.bench.chart import draw_chart
    from gpen_webui.bench.comparison import BENCHMARK, describe_changes, last_run
    from gpen_webui.bench.report import Plan, run_benchmark
    from gpen_webui.bench.table import describe

    settings = Settings.from_environment()
    make_plan = Plan.quick if arguments.quick else Plan.full
    plan = make_plan(arguments.photos) if arguments.photos else make_plan()
    folder = make_results_folder(arguments.output, settings.outputs, "bench")
    result = run_benchmark(settings, arguments.shape, plan)
    print(describe(result))
    figures = result.as_dict()
    print(f"\n{describe_changes(last_run(settings.outputs, figures), figures)}")
    report = json.dumps(figures, indent=2, ensure_ascii=False)
    (folder / BENCHMARK).write_text(report + "\n", encoding="utf-8")
    draw_chart(result, folder / "benchmark.png")
    print(f"\nWritten to {folder}: benchmark.json, benchmark.png")
    return EXIT_OK


def _photo_count(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= MAX_PHOTOS):
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 to {MAX_PHOTOS}")
    return int(text)
