"""`./run.sh train`: prepare faces, train a network, evaluate it."""

from __future__ import annotations

import argparse
import json
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tqdm import tqdm

from gpen_webui.cli.exit_codes import EXIT_OK, EXIT_SOME_FAILED
from gpen_webui.files.find_photos import find_photos
from gpen_webui.photo.formats import PHOTO_SUFFIXES
from gpen_webui.settings import Settings
from gpen_webui.training.stages import STAGES
from gpen_webui.training.tasks import KINDS, Task

if TYPE_CHECKING:
    from gpen_webui.training.run import RunOptions

Options = TypeVar("Options", bound="RunOptions")


def add_parser(commands: argparse._SubParsersAction) -> None:
    """Add `train` to the command line."""
    parser = commands.add_parser("train", help="make your own model from photos")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    _add_prepare(actions)
    _add_run(actions)
    _add_gate(actions)
    _add_evaluate(actions)


def _add_prepare(actions: argparse._SubParsersAction) -> None:
    prepare = actions.add_parser("prepare", help="find and align the faces worth training on")
    prepare.add_argument("photos", type=Path, nargs="+", metavar="PHOTO_OR_FOLDER")
    prepare.add_argument("-o", "--output", type=Path, required=True, help="a new folder")
    prepare.add_argument("--size", type=int, default=256, help="that training will use")
    prepare.set_defaults(run=_prepare)


def _prepare(arguments: argparse.Namespace) -> int:
    from gpen_webui.training.prepare import Preparer

    photos, _ = find_photos(arguments.photos, PHOTO_SUFFIXES, exclude=arguments.output)
    preparer = Preparer(arguments.output, arguments.size)
    shown = tqdm((photo.source for photo in photos), total=len(photos), unit="photo", disable=None)
    result = preparer.add(shown)
    dropped = ", ".join(f"{count} {reason}" for reason, count in result.dropped.items())
    print(
        f"{result.kept} faces of {result.people} people from {result.photos} photos: "
        f"{arguments.output}. Dropped: {dropped or 'none'}. "
        f"Photos without a face: {result.without_face}, unreadable: {result.unreadable}."
    )
    return EXIT_OK if result.kept else EXIT_SOME_FAILED


def _add_run(actions: argparse._SubParsersAction) -> None:
    run = actions.add_parser(
        "run",
        help="train on pictures; the same command goes on where it was stopped",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    run.add_argument(
        "folders",
        type=Path,
        nargs="+",
        metavar="FOLDER",
        help="of prepared faces; for the other tasks, of photos",
    )
    run.add_argument("-o", "--output", type=Path, required=True, help="folder for this training")
    _add_task(run)
    run.add_argument("--steps", type=int, default=20_000, help="steps in all")
    run.add_argument("--batch", type=int, default=8, help="pictures per step")
    run.add_argument("--learning-rate", type=float, default=1e-3, help="at its highest")
    run.add_argument("--init", type=Path, help="weights to start from")
    run.add_argument("--device", default="auto", help="cpu, cuda, mps")
    run.add_argument("--threads", type=int, help="of the CPU; all where not given")
    run.add_argument("--seed", type=int, default=0, help="of all that is random")
    run.add_argument(
        "--compile", action="store_true", help="a third faster; on a CPU this needs a C++ compiler"
    )
    run.add_argument(
        "--size", type=int, help="side of the pictures in pixels: 256, enlarge 96, scratches 192"
    )
    faces = run.add_argument_group("faces")
    faces.add_argument("--narrow", type=float, default=0.25, help="width of the network")
    faces.add_argument("--channel-multiplier", type=int, default=1, help="width from 64 px on")
    faces.add_argument(
        "--stage",
        choices=tuple(STAGES),
        help="keep to one stage of the recipe; all in turn where not given",
    )
    run.set_defaults(run=_run)


def _add_task(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """`--task`, and the group of the options that only enlarging has."""
    parser.add_argument(
        "--task",
        type=Task,
        choices=tuple(Task),
        default=Task.FACES,
        help="restore faces, enlarge and clean whole photos, or find scratches",
    )
    enlarge = parser.add_argument_group("enlarge")
    enlarge.add_argument(
        "--kinds", nargs="+", choices=KINDS, default=KINDS, help="of photos, evenly mixed"
    )
    return enlarge


def _run(arguments: argparse.Namespace) -> int:
    wanted = vars(arguments) | {
        "folders": tuple(arguments.folders),
        "kinds": tuple(arguments.kinds),
    }
    given = {name: value for name, value in wanted.items() if value is not None}
    if arguments.task is Task.ENLARGE:
        from gpen_webui.training.enlarging.train import EnlargingOptions, EnlargingTraining

        EnlargingTraining(_options(EnlargingOptions, given)).run()
    elif arguments.task is Task.SCRATCHES:
        from gpen_webui.training.scratches.train import ScratchOptions, ScratchTraining

        ScratchTraining(_options(ScratchOptions, given)).run()
    else:
        from gpen_webui.training.train import Training, TrainingOptions

        Training(_options(TrainingOptions, given)).run()
    return EXIT_OK


def _options(kind: type[Options], given: dict[str, Any]) -> Options:
    return kind(**{field.name: given[field.name] for field in fields(kind) if field.name in given})


def _add_gate(actions: argparse._SubParsersAction) -> None:
    gate = actions.add_parser(
        "gate", help="teach a model of faces where to leave well alone; its network stays as it is"
    )
    gate.add_argument("model", metavar="MODEL", help="a model's name or a weight file")
    gate.add_argument(
        "folders", type=Path, nargs="+", metavar="FOLDER", help="as they were given to `train run`"
    )
    gate.add_argument("-o", "--output", type=Path, required=True, help="the new weight file")
    gate.add_argument("--count", type=int, default=1000, help="of damaged faces (default 1000)")
    gate.add_argument("--seed", type=int, default=0, help="of all that is random")
    gate.set_defaults(run=_train_gate)


def _train_gate(arguments: argparse.Namespace) -> int:
    from gpen_webui.models.installed import find_model
    from gpen_webui.training.evaluate import network_of
    from gpen_webui.training.faces import open_sets
    from gpen_webui.training.fidelity_gate import GateExamples, fit_gate, mean_gain, write_with_gate

    model = find_model(arguments.model, Settings.from_environment().models)
    sets = open_sets(arguments.folders)
    examples = GateExamples(sets, model.size, network_of(model), arguments.seed)
    shown = tqdm(range(arguments.count), unit="face", disable=None)
    seen = [examples.example(number) for number in shown]
    gate = fit_gate(seen, arguments.seed)
    write_with_gate(model.path, gate, arguments.output)
    without = sum(example.gains[-1] for example in seen) / len(seen)
    print(
        f"{arguments.output}: results are worth {mean_gain(gate, seen):+.2f} dB over what was "
        f"damaged, without the gate {without:+.2f} dB ({len(seen)} faces)."
    )
    return EXIT_OK


def _add_evaluate(actions: argparse._SubParsersAction) -> None:
    evaluate = actions.add_parser("evaluate", help="measure a model on what it was not trained on")
    evaluate.add_argument(
        "model", metavar="MODEL", help="a model's name or a weight file; other tasks: a file"
    )
    evaluate.add_argument(
        "folders", type=Path, nargs="+", metavar="FOLDER", help="as they were given to `train run`"
    )
    evaluate.add_argument("-o", "--output", type=Path, help="folder for the table and a sheet")
    evaluate.add_argument(
        "--count", type=int, default=40, help="of pictures per folder (default 40)"
    )
    evaluate.add_argument("--device", default="cpu", help="auto, cpu, cuda, mps (default cpu)")
    evaluate.add_argument(
        "--baselines",
        action="store_true",
        help="faces: also bicubic, unsharp mask and non-local means, each tuned",
    )
    enlarge = _add_task(evaluate)
    enlarge.add_argument(
        "--against", type=Path, nargs="*", default=(), help="other weights, in the same table"
    )
    evaluate.set_defaults(run=_evaluate)


def _evaluate(arguments: argparse.Namespace) -> int:
    if arguments.output:
        arguments.output.mkdir(parents=True, exist_ok=True)
    if arguments.task is Task.ENLARGE:
        return _evaluate_enlarging(arguments)
    if arguments.task is Task.SCRATCHES:
        return _evaluate_scratches(arguments)
    from gpen_webui.models.installed import find_model
    from gpen_webui.training.evaluate import Evaluator, restore_with
    from gpen_webui.training.faces import open_sets

    model = find_model(arguments.model, Settings.from_environment().models)
    restore = restore_with(model, arguments.device)
    evaluations = []
    for faces in open_sets(arguments.folders):
        evaluator = Evaluator(faces, model.size, arguments.count)
        sheet = arguments.output and arguments.output / f"{model.name}-{faces.name}.png"
        evaluations.append(evaluator.evaluate(model.name, restore, sheet))
        if arguments.baselines:
            evaluations += evaluator.classical()
    print("\n\n".join(evaluation.table() for evaluation in evaluations))
    if arguments.output:
        report = json.dumps([evaluation.as_dict() for evaluation in evaluations], indent=2)
        (arguments.output / f"{model.name}.json").write_text(report, encoding="utf-8")
    return EXIT_OK


def _evaluate_enlarging(arguments: argparse.Namespace) -> int:
    from gpen_webui.training.enlarging.evaluate import EnlargingEvaluator, table
    from gpen_webui.training.enlarging.train import read_network
    from gpen_webui.training.faces import open_sets
    from gpen_webui.training.run import choose_device

    files = [Path(arguments.model), *arguments.against]
    networks = {file.stem: read_network(file) for file in files}
    rows = EnlargingEvaluator(
        open_sets(arguments.folders),
        arguments.kinds,
        arguments.count,
        choose_device(arguments.device),
    ).evaluate(networks, arguments.output)
    print(table(rows))
    if arguments.output:
        report = json.dumps([row._asdict() for row in rows], indent=2)
        (arguments.output / f"{files[0].stem}.json").write_text(report, encoding="utf-8")
    return EXIT_OK


def _evaluate_scratches(arguments: argparse.Namespace) -> int:
    from gpen_webui.training.faces import open_sets
    from gpen_webui.training.scratches.evaluate import evaluate, table

    rows = evaluate(Path(arguments.model), open_sets(arguments.folders), arguments.count)
    print(table(rows))
    if arguments.output:
        report = json.dumps([row._asdict() for row in rows], indent=2)
        (arguments.output / f"{Path(arguments.model).stem}.json").write_text(report, "utf-8")
    return EXIT_OK
