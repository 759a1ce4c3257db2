"""Points with names and lines with legends as SVG, without any plotting library; as PNG by matplotlib."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

__all__ = ["lines", "save", "scatter"]

COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b", "#17becf", "#7f7f7f")
WIDTH, HEIGHT, EDGE = 900, 600, 60
Points = Sequence[tuple[float, float]]


def scatter(points: Points, names: Sequence[str], groups: Sequence[int], title: str) -> dict[str, Any]:
    """A figure: each point with its name beside it, coloured by its group."""
    if not len(points) == len(names) == len(groups):
        raise ValueError(f"{len(points)} points, {len(names)} names and {len(groups)} groups do not fit")
    rows = list(zip([tuple(map(float, point)) for point in points], names, groups, strict=True))
    return {"kind": "scatter", "title": title, "rows": rows}


def lines(series: Mapping[str, Points], title: str, x: str, y: str) -> dict[str, Any]:
    """A figure: a line for each name, x in a logarithmic scale."""
    return {"kind": "lines", "title": title, "x": x, "y": y, "series": {name: list(own) for name, own in series.items()}}


def save(figure: Mapping[str, Any], path: Path) -> Path:
    """Write .svg, .html or .png (by matplotlib: `pip install seqzoo[plot]`); ValueError for another suffix or without it."""
    from seqzoo.hub import replace_file

    if path.suffix == ".png":
        return _png(figure, path)
    if path.suffix not in (".svg", ".html"):
        raise ValueError(f"a plot must end in .svg, .html or .png, got {str(path)!r}")
    svg = _svg(figure)
    head = f'<!doctype html><meta charset="utf-8"><title>{escape(figure["title"])}</title>'
    with replace_file(path) as file:
        file.write((svg if path.suffix == ".svg" else f"{head}\n{svg}").encode())
    return path


def _svg(figure: Mapping[str, Any]) -> str:
    points = (
        [point for point, *_ in figure["rows"]]
        if figure["kind"] == "scatter"
        else [(math.log10(x), y) for own in figure["series"].values() for x, y in own]
    )
    if not points:
        raise ValueError("there is nothing to plot")
    (left, right), (low, high) = ((min(axis), max(axis)) for axis in zip(*points, strict=True))
    right, high = right + (right == left), high + (high == low)

    def place(x: float, y: float) -> str:
        across = EDGE + (x - left) / (right - left) * (WIDTH - 4 * EDGE)
        return f"{across:.1f},{HEIGHT - EDGE - (y - low) / (high - low) * (HEIGHT - 2 * EDGE):.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{EDGE}" y="30" font-size="16">{escape(figure["title"])}</text>',
    ]
    if figure["kind"] == "scatter":
        for point, name, group in figure["rows"]:
            across, down = place(*point).split(",")
            colour = COLOURS[group % len(COLOURS)]
            parts.append(f'<circle cx="{across}" cy="{down}" r="3" fill="{colour}"/>')
            parts.append(f'<text x="{float(across) + 5:.1f}" y="{down}" fill="{colour}">{escape(name)}</text>')
        return "\n".join([*parts, "</svg>\n"])
    for x in sorted({x for own in figure["series"].values() for x, _ in own}):
        across = place(math.log10(x), low).split(",")[0]
        parts.append(f'<text x="{across}" y="{HEIGHT - EDGE + 20}" text-anchor="middle">{x:,.0f}</text>')
    for step in range(6):
        y = low + (high - low) * step / 5
        start, end = place(left, y), place(right, y)
        parts.append(f'<polyline points="{start} {end}" stroke="#ddd" fill="none"/>')
        parts.append(f'<text x="{EDGE - 8}" y="{start.split(",")[1]}" text-anchor="end">{y:.3g}</text>')
    parts.append(f'<text x="{WIDTH / 2 - EDGE}" y="{HEIGHT - 15}" text-anchor="middle">{escape(figure["x"])}</text>')
    parts.append(f'<text x="10" y="{EDGE - 15}">{escape(figure["y"])}</text>')
    for number, (name, own) in enumerate(figure["series"].items()):
        colour, path = COLOURS[number % len(COLOURS)], " ".join(place(math.log10(x), y) for x, y in own)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        down = EDGE + 20 * number
        parts.append(f'<text x="{WIDTH - 2.7 * EDGE:.0f}" y="{down}" fill="{colour}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>\n"])


def _png(figure: Mapping[str, Any], path: Path) -> Path:
    try:
        import matplotlib
    except ImportError:
        raise ValueError(f"{path}: PNG needs matplotlib (pip install seqzoo[plot]); .svg and .html need nothing") from None
    matplotlib.use("Agg")
    from matplotlib import pyplot

    drawn, axes = pyplot.subplots(figsize=(9, 6))
    axes.set_title(figure["title"])
    if figure["kind"] == "scatter":
        for point, name, group in figure["rows"]:
            axes.plot(*point, ".", color=COLOURS[group % len(COLOURS)])
            axes.annotate(name, point, color=COLOURS[group % len(COLOURS)])
    else:
        axes.set(xscale="log", xlabel=figure["x"], ylabel=figure["y"])
        for name, own in figure["series"].items():
            axes.plot(*zip(*own, strict=True), label=name)
        axes.legend()
    drawn.savefig(path, dpi=120)
    pyplot.close(drawn)
    return path
