"""The benchmark in words and columns, for the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gpen_webui.bench.album import REFERENCE, AlbumSide
from gpen_webui.bench.network import FAST
from gpen_webui.bench.report import Benchmark
from gpen_webui.bench.summary import Summary


def describe(result: Benchmark) -> str:
    """All that was measured, a few tables long."""
    network, album = result.network, result.album
    parts = [
        f"{result.machine['summary']}. {result.model}: {result.size} px, "
        f"{network.flops / 1e9:.1f} GFLOP per face. Medians, (smallest - largest).",
        _table(
            ["network alone", "s per face", "", "speed-up", "of peak", "PSNR"],
            [
                [
                    side.name,
                    *_seconds(side.seconds),
                    f"{side.speed_up:.2f}x",
                    f"{side.share_of_peak:.0%}",
                    _decibels(side.psnr),
                ]
                for side in network.sides
            ],
        ),
        *([] if any(side.name == FAST for side in network.sides) else [f"Fast: {network.fast}"]),
        f"Peak: {network.peak.median / 1e9:.0f} GFLOP/s "
        f"({network.peak.low / 1e9:.0f} - {network.peak.high / 1e9:.0f}), "
        f"float32 matrix product, {network.peak_library}.",
        _table(
            [
                f"album, photos: {album.photos}",
                "s per photo",
                "",
                "total s",
                "speed-up",
                "PSNR",
                "network idle",
            ],
            [
                _album_row(REFERENCE, album.reference),
                *(_album_row(f"workers: {side.workers}", side) for side in album.sides),
            ],
        ),
        "All numbers of workers wrote the same bytes."
        if album.same_bytes
        else "THE NUMBER OF WORKERS CHANGED THE RESULTS.",
        f"Share of the fastest album's time beyond the network alone: {result.overhead():.1%}.",
        "Stages with one worker: "
        + ", ".join(f"{name} {share:.1%}" for name, share in album.sides[0].stages.items())
        + ".",
        "Peak memory of the whole command: "
        + ", ".join(f"photos {use.photos}: {use.peak_mb:.0f} MB" for use in result.memory)
        + ".",
    ]
    return "\n\n".join(parts)


def _album_row(name: str, side: AlbumSide) -> list[str]:
    return [
        name,
        *_seconds(side.seconds),
        f"{side.total.median:.1f}",
        f"{side.speed_up:.2f}x",
        _decibels(side.psnr),
        f"{side.not_in_network:.1%}",
    ]


def _seconds(spread: Summary) -> list[str]:
    return [f"{spread.median:.3f}", f"({spread.low:.3f} - {spread.high:.3f})"]


def _decibels(psnr: float) -> str:
    return "equal" if math.isinf(psnr) else f"{psnr:.1f} dB"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell, the first to the left, the others to the right."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
