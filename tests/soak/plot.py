"""The samples of a soak as an SVG: four small plots over the photos restored."""

from __future__ import annotations

from tests.soak.meter import Sample

WIDTH, HEIGHT, GAP = 360, 150, 56
PANELS = (
    ("memory", "resident memory, MB"),
    ("threads", "threads"),
    ("files", "open files"),
    ("database", "database, MB"),
)


def draw(samples: list[Sample]) -> str:
    """The whole picture; its axes begin at zero."""
    panels = []
    for i, (quantity, title) in enumerate(PANELS):
        x, y = GAP + (i % 2) * (WIDTH + GAP), GAP + (i // 2) * (HEIGHT + GAP)
        panels.append(f'<g transform="translate({x},{y})">{_panel(samples, quantity, title)}</g>')
    width, height = 2 * (WIDTH + GAP) + GAP // 2, 2 * (HEIGHT + GAP) + GAP // 2
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12" fill="#333">\n'
        f'<rect width="{width}" height="{height}" fill="#fff"/>\n'
        + "\n".join(panels)
        + "\n</svg>\n"
    )


def _panel(samples: list[Sample], quantity: str, title: str) -> str:
    values = [getattr(sample, quantity) for sample in samples]
    most, photos = _round_up(max(values)), samples[-1].photos
    points = " ".join(
        f"{sample.photos / photos * WIDTH:.1f},{HEIGHT * (1 - value / most):.1f}"
        for sample, value in zip(samples, values, strict=True)
    )
    return (
        f'<text y="-10" font-weight="bold">{title}</text>'
        f'<path d="M0 0V{HEIGHT}H{WIDTH}" fill="none" stroke="#999"/>'
        f'<polyline points="{points}" fill="none" stroke="#b3541e" stroke-width="1.5"/>'
        f'<text x="-6" y="4" text-anchor="end">{most:g}</text>'
        f'<text x="-6" y="{HEIGHT + 4}" text-anchor="end">0</text>'
        f'<text x="{WIDTH}" y="{HEIGHT + 16}" text-anchor="end">{photos} photos</text>'
    )


def _round_up(value: float) -> float:
    """The next of 1, 2, 5, 10, 20, 50 ... above the value."""
    step = 1.0
    while True:
        for factor in (1, 2, 5):
            if step * factor >= 1.05 * value:
                return step * factor
        step *= 10
