"""Points with names, lines with legends, panels of series as SVG, without any plotting library; as PNG by matplotlib."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

__all__ = ["lines", "panel", "save", "scatter", "stack"]

COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b", "#17becf", "#7f7f7f")
WIDTH, HEIGHT, EDGE, PANEL = 900, 600, 60, 220
Points = Sequence[tuple[float, float]]


def scatter(points: Points, names: Sequence[str], groups: Sequence[int], title: str) -> dict[str, Any]:
    """A figure: each point with its name beside it, coloured by its group."""
    if not len(points) == len(names) == len(groups):
        raise ValueError(f"{len(points)} points, {len(names)} names and {len(groups)} groups do not fit")
    rows = list(zip([tuple(map(float, point)) for point in points], names, groups, strict=True))
    return {"kind": "scatter", "title": title, "rows": rows}


def lines(
    series: Mapping[str, Points],
    title: str,
    x: str,
    y: str,
    *,
    reach: Mapping[str, Sequence[tuple[float, float, float]]] | None = None,
) -> dict[str, Any]:
    """A figure: a line for each name, x in a logarithmic scale; `reach` are upright bars of (x, low, high) on it."""
    drawn, bars = ({name: list(own) for name, own in given.items()} for given in (series, reach or {}))
    return {"kind": "lines", "title": title, "x": x, "y": y, "series": drawn, "reach": bars}


def panel(
    y: str,
    lines: Sequence[tuple[str, Sequence[float], Sequence[float]]],
    *,
    band: tuple[str, Sequence[float], Sequence[float], Sequence[float]] | None = None,
    shaded: Sequence[tuple[float, float]] = (),
    level: float | None = None,
) -> dict[str, Any]:
    """Part of a figure: lines of (name, x, y), a band of (name, x, low, high), shaded spans of x, a dashed line at `level`.

    A value that is not finite breaks its line.
    """
    return {"y": y, "lines": list(lines), "band": band, "shaded": list(shaded), "level": level}


def stack(
    title: str, panels: Sequence[Mapping[str, Any]], *, ticks: Sequence[tuple[float, str]] | None = None
) -> dict[str, Any]:
    """A figure: panels under each other over one x; `ticks` are places on it and what stands there, numbers without."""
    return {"kind": "stack", "title": title, "panels": list(panels), "ticks": None if ticks is None else list(ticks)}


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


def _pieces(xs: Sequence[float], ys: Sequence[float]) -> Iterator[list[tuple[float, float]]]:
    """Runs of points that are finite."""
    for finite, run in groupby(zip(xs, ys, strict=True), key=lambda point: math.isfinite(point[1])):
        if finite:
            yield list(run)


def _reach(values: Iterable[float]) -> tuple[float, float]:
    """Least and greatest of what is finite, apart from each other."""
    known = [value for value in values if math.isfinite(value)]
    if not known:
        raise ValueError("there is nothing to plot")
    low, high = min(known), max(known)
    return low, high + (high == low)


def _round_steps(low: float, high: float) -> list[float]:
    """Four to eleven numbers of few digits, evenly apart, the first at most `low`, the last at least `high`."""
    rough = (high - low) / 8
    ten = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * ten for factor in (1, 2, 5, 10) if factor * ten >= rough)
    return [step * number for number in range(math.floor(low / step), math.ceil(high / step) + 1)]


def _stack_svg(figure: Mapping[str, Any]) -> str:
    left, right = _reach(x for one in figure["panels"] for _, xs, _ in one["lines"] for x in xs)
    ticks = figure["ticks"] or [(x, f"{x:g}") for x in (left + (right - left) * step / 5 for step in range(6))]
    each = PANEL if len(figure["panels"]) > 1 else HEIGHT - 2 * EDGE
    height = 2 * EDGE + len(figure["panels"]) * each
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{EDGE}" y="30" font-size="16">{escape(figure["title"])}</text>',
    ]
    for number, one in enumerate(figure["panels"]):
        top, bottom = EDGE + number * each + 15, EDGE + (number + 1) * each - 15
        band = one["band"] or ("", [], [], [])
        level = [] if one["level"] is None else [one["level"]]
        low, high = _reach([y for _, _, ys in one["lines"] for y in ys] + [*band[2], *band[3], *level])

        def across(x: float) -> float:
            return EDGE + (x - left) / (right - left) * (WIDTH - 4 * EDGE)

        def place(x: float, y: float, top: int = top, bottom: int = bottom, low: float = low, high: float = high) -> str:
            return f"{across(x):.1f},{bottom - (y - low) / (high - low) * (bottom - top):.1f}"

        for start, end in one["shaded"]:
            width = max(across(end) - across(start), 1.0)
            parts.append(
                f'<rect x="{across(start):.1f}" y="{top}" width="{width:.1f}" height="{bottom - top}" '
                'fill="#d62728" fill-opacity="0.2"/>'
            )
        for step in range(4):
            y = low + (high - low) * step / 3
            parts.append(f'<polyline points="{place(left, y)} {place(right, y)}" stroke="#ddd" fill="none"/>')
            parts.append(f'<text x="{EDGE - 8}" y="{place(left, y).split(",")[1]}" text-anchor="end">{y:.3g}</text>')
        parts.append(f'<text x="10" y="{top - 5}">{escape(one["y"])}</text>')
        names = [name for name, _, _ in one["lines"]]
        if one["band"]:
            edge = [*zip(band[1], band[2], strict=True), *reversed(list(zip(band[1], band[3], strict=True)))]
            points = " ".join(place(x, y) for x, y in edge)
            parts.append(f'<polygon points="{points}" fill="{COLOURS[1]}" fill-opacity="0.2"/>')
        for rank, (_, xs, ys) in enumerate(one["lines"]):
            for piece in _pieces(xs, ys):
                points = " ".join(place(x, y) for x, y in piece)
                parts.append(f'<polyline points="{points}" fill="none" stroke="{COLOURS[rank]}" stroke-width="1.5"/>')
                if len(piece) == 1:
                    spot = points.split(",")
                    parts.append(f'<circle cx="{spot[0]}" cy="{spot[1]}" r="3" fill="{COLOURS[rank]}"/>')
        if level:
            ends = f"{place(left, level[0])} {place(right, level[0])}"
            parts.append(f'<polyline points="{ends}" stroke="#7f7f7f" stroke-dasharray="5 4" fill="none"/>')
        legend = [*zip(names, COLOURS, strict=False), *([(band[0], COLOURS[1])] if one["band"] else [])]
        for rank, (name, colour) in enumerate(legend):
            parts.append(
                f'<text x="{WIDTH - 2.7 * EDGE:.0f}" y="{top + 12 + 16 * rank}" fill="{colour}">{escape(name)}</text>'
            )
    for x, name in ticks:
        parts.append(f'<text x="{across(x):.1f}" y="{height - EDGE + 20}" text-anchor="middle">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>\n"])


def _svg(figure: Mapping[str, Any]) -> str:
    if figure["kind"] == "stack":
        return _stack_svg(figure)
    points = (
        [point for point, *_ in figure["rows"]]
        if figure["kind"] == "scatter"
        else [(math.log10(x), y) for own in figure["series"].values() for x, y in own]
    )
    if not points:
        raise ValueError("there is nothing to plot")
    (left, right), (low, high) = ((min(axis), max(axis)) for axis in zip(*points, strict=True))
    right, high = right + (right == left), high + (high == low)
    if figure["kind"] == "lines":
        ends = [end for own in figure["reach"].values() for _, *pair in own for end in pair]
        heights = _round_steps(min([low, *ends]), max([high, *ends]))
        low, high = heights[0], heights[-1]

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
    for y in heights:
        start, end = place(left, y), place(right, y)
        parts.append(f'<polyline points="{start} {end}" stroke="#ddd" fill="none"/>')
        parts.append(f'<text x="{EDGE - 20}" y="{start.split(",")[1]}" text-anchor="end">{y:.6g}</text>')
    parts.append(f'<text x="{WIDTH / 2 - EDGE}" y="{HEIGHT - 15}" text-anchor="middle">{escape(figure["x"])}</text>')
    parts.append(f'<text x="10" y="{EDGE - 15}">{escape(figure["y"])}</text>')
    for number, (name, own) in enumerate(figure["series"].items()):
        colour, path = COLOURS[number % len(COLOURS)], " ".join(place(math.log10(x), y) for x, y in own)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for spot in path.split():
            across, down = spot.split(",")
            parts.append(f'<circle cx="{across}" cy="{down}" r="3" fill="{colour}"/>')
        for x, *bar in figure["reach"].get(name, []):
            aside = 4 * (number - (len(figure["series"]) - 1) / 2)  # pixels, so that bars of one x stand side by side
            (across, start), (_, end) = (place(math.log10(x), end).split(",") for end in bar)
            points = f"{float(across) + aside:.1f},{start} {float(across) + aside:.1f},{end}"
            parts.append(f'<polyline points="{points}" stroke="{colour}" stroke-width="4" stroke-opacity="0.4"/>')
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

    if figure["kind"] == "stack":
        count = len(figure["panels"])
        drawn, every = pyplot.subplots(count, sharex=True, squeeze=False, figsize=(10, 5 if count == 1 else 2.6 * count))
        drawn.suptitle(figure["title"])
        for axes, one in zip(every[:, 0], figure["panels"], strict=True):
            axes.set_ylabel(one["y"])
            for rank, (name, xs, ys) in enumerate(one["lines"]):
                axes.plot(xs, ys, "." if len(xs) == 1 else "-", color=COLOURS[rank], label=name, linewidth=1.2)
            if one["band"]:
                name, xs, low, high = one["band"]
                axes.fill_between(xs, low, high, color=COLOURS[1], alpha=0.2, label=name)
            for start, end in one["shaded"]:
                axes.axvspan(start, end, color=COLOURS[1], alpha=0.2)
            if one["level"] is not None:
                axes.axhline(one["level"], color="#7f7f7f", linestyle="--")
            axes.legend(loc="upper left")
        if figure["ticks"]:
            every[-1, 0].set_xticks(*zip(*figure["ticks"], strict=True))
        return _saved(drawn, path)
    drawn, axes = pyplot.subplots(figsize=(9, 6))
    axes.set_title(figure["title"])
    if figure["kind"] == "scatter":
        for point, name, group in figure["rows"]:
            axes.plot(*point, ".", color=COLOURS[group % len(COLOURS)])
            axes.annotate(name, point, color=COLOURS[group % len(COLOURS)])
    else:
        axes.set(xscale="log", xlabel=figure["x"], ylabel=figure["y"])
        for name, own in figure["series"].items():
            (line,) = axes.plot(*zip(*own, strict=True), ".-", label=name)
            for x, *bar in figure["reach"].get(name, []):
                axes.plot([x, x], bar, color=line.get_color(), linewidth=5, alpha=0.3)
        axes.legend()
    return _saved(drawn, path)


def _saved(drawn: Any, path: Path) -> Path:
    from matplotlib import pyplot

    from seqzoo.hub import replace_file

    with replace_file(path) as file:
        drawn.savefig(file, dpi=120, format="png")
    pyplot.close(drawn)
    return path
