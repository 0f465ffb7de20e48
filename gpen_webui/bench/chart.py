"""The benchmark as a picture: seconds per face, and how an album gains from workers."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from gpen_webui.bench.report import Benchmark
from gpen_webui.bench.summary import Summary

OURS, BASELINE, INK, FAINT = "#2f6f9f", "#b8bec6", "#22262b", "#e3e6ea"


def draw_chart(result: Benchmark, path: Path) -> None:
    """Write the PNG."""
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(
        f"{result.model} on {result.machine['summary']}",
        x=0.01, ha="left", fontsize=12, fontweight="bold", color=INK,
    )  # fmt: skip
    network, album = figure.subplots(1, 2, width_ratios=(3, 2))
    _draw_network(network, result)
    _draw_album(album, result)
    for axes in (network, album):
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(BASELINE)
        axes.tick_params(colors=INK, length=0)
        axes.set_axisbelow(True)
    figure.savefig(path, dpi=150)


def _draw_network(axes: Axes, result: Benchmark) -> None:
    sides = result.network.sides[::-1]
    spreads = [side.seconds for side in sides]
    medians = [spread.median for spread in spreads]
    colours = [BASELINE if side is result.network.sides[0] else OURS for side in sides]
    axes.barh([side.name for side in sides], medians, color=colours, height=0.6)
    axes.errorbar(
        medians, range(len(sides)), xerr=_bars(spreads), fmt="none", ecolor=INK, lw=1, capsize=3
    )
    for row, side in enumerate(sides):
        axes.annotate(
            f"{side.seconds.median:.3g} s   {side.speed_up:.1f}x",
            (side.seconds.high, row), xytext=(8, 0), textcoords="offset points",
            va="center", color=INK, fontsize=9,
        )  # fmt: skip
    axes.set_xlim(0, max(spread.high for spread in spreads) * 1.3)
    axes.set_xlabel("seconds per face (less is better)", color=INK)
    axes.set_title("The network alone", loc="left", fontsize=10, color=INK)
    axes.grid(axis="x", color=FAINT)


def _draw_album(axes: Axes, result: Benchmark) -> None:
    album = result.album
    sides = [album.reference, *album.sides]
    names = ["reference", *(str(side.workers) for side in album.sides)]
    axes.bar(
        names,
        [side.speed_up for side in sides],
        color=[BASELINE, *(OURS for _ in album.sides)],
        width=0.6,
    )
    for column, side in enumerate(sides):
        axes.annotate(
            f"{side.speed_up:.1f}x\n{side.seconds.median:.3g} s",
            (column, side.speed_up), xytext=(0, 4), textcoords="offset points",
            ha="center", color=INK, fontsize=9,
        )  # fmt: skip
    axes.set_ylim(0, max(side.speed_up for side in sides) * 1.2)
    axes.set_xlabel("photos in work at once", color=INK)
    axes.set_ylabel("speed-up (more is better)", color=INK)
    axes.set_title(
        f"An album (photos: {album.photos}), seconds per photo", loc="left", fontsize=10, color=INK
    )
    axes.grid(axis="y", color=FAINT)


def _bars(spreads: list[Summary]) -> list[list[float]]:
    """How far the ends of each spread lie from its middle."""
    return [[s.median - s.low for s in spreads], [s.high - s.median for s in spreads]]
