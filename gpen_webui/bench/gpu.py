"""What a GPU makes of the network: `python -m gpen_webui.bench.gpu [--shape 512] [-o FILE]`.

For a machine that is lent for minutes: everything in one run, the most important first, and what
was measured is written after each step, so that an early end loses little.

1. exact and fast against the CPU in float32, in decibels, and alone against in batches, in bytes
2. faces per second by size of batch, for PyTorch as it is, in half precision, and compiled
3. the halving of batches when the memory is used up
4. an album from file to file
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from gpen_webui.bench.album import restore_album
from gpen_webui.bench.photos import make_photos
from gpen_webui.bench.random_model import SHAPES, write_random_model
from gpen_webui.engines.open import open_engine
from gpen_webui.engines.quality import many_crops, psnr
from gpen_webui.engines.torch_engine import TorchEngine, device_name, gpu_device
from gpen_webui.gpen.checkpoint import load_network
from gpen_webui.models.installed import InstalledModel, find_model
from gpen_webui.pipeline import open_restorer
from gpen_webui.settings import Settings

BATCHES = (1, 2, 4, 8, 16, 32)
PHOTOS, WORKERS = 40, (1, 2, 4, 8, 16)
WARM_UPS, SECONDS = 2, 3.0
PEOPLE = 4  # that the CPU computes to compare with: a large network takes a second for each


def measure_closeness(model: InstalledModel, device: str) -> dict[str, object]:
    """How close exact and fast are to the CPU, and whether a crop's bytes depend on its batch."""
    crops = np.stack([crop for crop, _ in many_crops(model.size)])
    with open_engine(model, device="cpu") as engine:
        expected = engine.run(crops[:PEOPLE])
    found: dict[str, object] = {}
    for precision in ("exact", "fast"):
        with TorchEngine(model, device, precision=precision, cache=None) as engine:
            together = engine.run(crops)
            alone = np.concatenate([engine.run(crop[None]) for crop in crops])
        pairs = zip(together, expected, strict=False)
        found[precision] = {
            "description": engine.description,
            "worst_psnr": min(psnr(ours, theirs) for ours, theirs in pairs),
            "same_bytes": bool(np.array_equal(together, alone)),
        }
    return found


def measure_rates(model: InstalledModel, device: str) -> dict[str, dict[int, float | str]]:
    """Faces per second of each form, by size of batch; a sentence where it failed."""
    network = load_network(model.path).to(device)
    forms: dict[str, tuple[Callable, torch.dtype | None]] = {
        "float32": (network, None),
        "float16": (network, torch.float16),
        "bfloat16": (network, torch.bfloat16),
        "float16, compiled": (torch.compile(network, mode="max-autotune"), torch.float16),
    }
    rates: dict[str, dict[int, float | str]] = {}
    for name, (form, dtype) in forms.items():
        rates[name] = {}
        for batch in BATCHES:
            shape = (batch, 3, model.size, model.size)
            crops = torch.rand(shape, device=device) * 2 - 1
            crops = crops.to(memory_format=torch.channels_last)
            try:
                rates[name][batch] = batch / _seconds(partial(_forward, form, crops, dtype), device)
            except RuntimeError as error:  # memory, or a compiler that is not there
                rates[name][batch] = str(error).splitlines()[0][:200]
                break
    return rates


def measure_halving(model: InstalledModel, device: str) -> dict[str, object]:
    """What becomes of batches when another program has taken almost all memory."""
    if device != "cuda":
        return {}
    crops = np.stack([crop for crop, _ in many_crops(model.size)])
    with TorchEngine(model, device, precision="exact", cache=None) as engine:
        before = engine.run(crops)
        torch.cuda.empty_cache()
        free, _ = torch.cuda.mem_get_info()
        taken = torch.empty(max(0, free - (1 << 30)), dtype=torch.uint8, device=device)
        after = engine.run(crops)
        del taken
    return {"left_bytes": 1 << 30, "same_bytes": bool(np.array_equal(before, after))}


def measure_album(model: InstalledModel, device: str, photos: int) -> dict[int, dict[str, float]]:
    """Seconds per photo, and how long the network was at work, by photos at once."""
    found = {}
    with tempfile.TemporaryDirectory(prefix="gpen-webui-gpu-") as name:
        folder = Path(name)
        files = make_photos(folder / "photos", photos)
        settings = Settings(
            models=model.path.parent, model=str(model.path), device=device, precision="fast"
        )
        for workers in WORKERS:
            restorer = open_restorer(replace(settings, workers=workers), workers)
            run = restore_album(restorer, files, folder / "results", workers)
            found[workers] = {"seconds": run.seconds / photos, "busy": run.busy}
    return found


def _forward(network: Callable, crops: torch.Tensor, dtype: torch.dtype | None) -> None:
    device = crops.device.type
    with torch.inference_mode(), torch.autocast(device, dtype, enabled=dtype is not None):
        network(crops)


def _seconds(call: Callable[[], None], device: str) -> float:
    """The mean time of a call, when all that it started has been done."""
    wait = torch.cuda.synchronize if device == "cuda" else (lambda: None)
    for _ in range(WARM_UPS):
        call()
    wait()
    calls, started = 0, time.perf_counter()
    while time.perf_counter() - started < SECONDS:
        call()
        wait()
        calls += 1
    return (time.perf_counter() - started) / calls


def main() -> int:
    """Measure, and write what was measured after each step."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=("default", *SHAPES), default="512")
    parser.add_argument("--photos", type=int, default=PHOTOS)
    parser.add_argument("-o", "--output", type=Path, default=Path("benchmark-gpu.json"))
    arguments = parser.parse_args()
    device = gpu_device("auto")
    if device is None:
        print("PyTorch finds no GPU here.", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="gpen-webui-gpu-") as folder:
        if arguments.shape == "default":
            model = find_model(None, Settings().models)
        else:
            model = write_random_model(arguments.shape, Path(folder))
        found: dict[str, object] = {"gpu": device_name(torch.device(device)), "model": model.name}
        steps: dict[str, Callable[[], object]] = {
            "closeness": partial(measure_closeness, model, device),
            "faces_per_second": partial(measure_rates, model, device),
            "halving": partial(measure_halving, model, device),
            "album": partial(measure_album, model, device, arguments.photos),
        }
        for name, step in steps.items():
            try:
                found[name] = step()
            except Exception as error:  # the next step may work all the same
                found[name] = f"failed: {error!r}"
            arguments.output.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
            print(f"{name}: {json.dumps(found[name])}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
