"""Points with names, lines with legends and series in panels as SVG, without any plotting library; as PNG by matplotlib."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any

__all__ = ["anomalies", "check", "forecast", "lines", "save", "scatter"]

COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b", "#17becf", "#7f7f7f")
WIDTH, HEIGHT, EDGE = 900, 600, 60
PANEL = 220  # height of one of several panels
TICKS = 5  # labels under a panel
Points = Sequence[tuple[float, float]]
Interval = Sequence[tuple[float, float, float]]


def scatter(points: Points, names: Sequence[str], groups: Sequence[int], title: str) -> dict[str, Any]:
    """A figure: each point with its name beside it, coloured by its group."""
    if not len(points) == len(names) == len(groups):
        raise ValueError(f"{len(points)} points, {len(names)} names and {len(groups)} groups do not fit")
    rows = list(zip([tuple(map(float, point)) for point in points], names, groups, strict=True))
    return {"kind": "scatter", "title": title, "rows": rows}


def lines(series: Mapping[str, Points], title: str, x: str, y: str) -> dict[str, Any]:
    """A figure: a line for each name, x in a logarithmic scale."""
    return {"kind": "lines", "title": title, "x": x, "y": y, "series": {name: list(own) for name, own in series.items()}}


def forecast(
    history: Mapping[str, Points],
    ahead: Mapping[str, Points],
    intervals: Mapping[str, Interval],
    times: Mapping[float, str],
    *,
    title: str,
    x: str,
    covered: str = "",
) -> dict[str, Any]:
    """A figure: a panel for each name, its history, its forecast and, where `intervals` gives one, a band (x, low, high).

    `times` says what stands under which x; missing values are NaN. `covered` names the band.
    """
    panels = [
        {
            "y": name,
            "lines": {"history": list(own), "forecast": list(ahead[name])},
            "bands": {covered: list(intervals[name])} if name in intervals else {},
            "spans": [],
        }
        for name, own in history.items()
    ]
    return {"kind": "panels", "title": title, "x": x, "times": dict(times), "panels": panels}


def anomalies(
    values: Mapping[str, Points],
    scores: Points,
    spans: Sequence[tuple[float, float]],
    threshold: float | None,
    times: Mapping[float, str],
    *,
    title: str,
    x: str,
    under: str = "score",
) -> dict[str, Any]:
    """A figure: a panel for each name, the score and its threshold under them, `spans` (first x, last x) shaded in all."""
    drawn = {under: list(scores)}
    if threshold is not None:
        drawn[f"threshold {threshold:.3g}"] = [(place, threshold) for place, _ in (scores[0], scores[-1])]
    panels = [{"y": name, "lines": {name: list(own)}, "bands": {}, "spans": list(spans)} for name, own in values.items()]
    panels.append({"y": under, "lines": drawn, "bands": {}, "spans": list(spans)})
    return {"kind": "panels", "title": title, "x": x, "times": dict(times), "panels": panels}


def check(path: Path) -> None:
    """ValueError where `save` could not write there: another suffix, no such folder, a .png without matplotlib."""
    if path.suffix not in (".svg", ".html", ".png"):
        raise ValueError(f"a plot must end in .svg, .html or .png, got {str(path)!r}")
    if not path.absolute().parent.is_dir():
        raise ValueError(f"{path}: there is no folder {path.absolute().parent}")
    if path.suffix == ".png" and find_spec("matplotlib") is None:
        raise ValueError(f"{path}: PNG needs matplotlib (pip install seqzoo[plot]); .svg and .html need nothing")


def save(figure: Mapping[str, Any], path: Path) -> Path:
    """Write .svg, .html or .png (by matplotlib: `pip install seqzoo[plot]`); ValueError for another suffix or without it."""
    from seqzoo.hub import replace_file

    check(path)
    if path.suffix == ".png":
        return _png(figure, path)
    svg = _svg_panels(figure) if figure["kind"] == "panels" else _svg(figure)
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


def _places(panel: Mapping[str, Any]) -> tuple[list[float], list[float]]:
    """All x and all finite y of a panel; ValueError where there are none."""
    points = [point for own in panel["lines"].values() for point in own]
    points += [(x, y) for own in panel["bands"].values() for x, *ends in own for y in ends]
    across, values = [x for x, _ in points], [y for _, y in points if math.isfinite(y)]
    if not values:
        raise ValueError(f"there is nothing to plot of {panel['y']!r}")
    return across, values


def _ticks(times: Mapping[float, str], left: float, right: float) -> list[tuple[float, str]]:
    """At most TICKS of the times, evenly spread."""
    known = sorted(x for x in times if left <= x <= right)
    chosen = {min(known, key=lambda x: abs(x - left - (right - left) * step / (TICKS - 1))) for step in range(TICKS)}
    return [(x, times[x]) for x in sorted(chosen)]


def _unbroken(points: Points) -> list[Points]:
    """The parts of a line between its missing values."""
    parts: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if math.isfinite(y):
            parts[-1].append((x, y))
        elif parts[-1]:
            parts.append([])
    return [part for part in parts if part]


def _svg_panels(figure: Mapping[str, Any]) -> str:
    found = [_places(panel) for panel in figure["panels"]]
    left, right = min(min(across) for across, _ in found), max(max(across) for across, _ in found)
    right += right == left
    height = EDGE + PANEL * len(found) + EDGE
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{EDGE}" y="25" font-size="16">{escape(figure["title"])}</text>',
    ]
    for number, (panel, (_, values)) in enumerate(zip(figure["panels"], found, strict=True)):
        parts += _svg_panel(panel, EDGE + PANEL * number, (left, right), (min(values), max(values)))
    for x, told in _ticks(figure["times"], left, right):
        across = EDGE + (x - left) / (right - left) * (WIDTH - 4 * EDGE)
        parts.append(f'<text x="{across:.1f}" y="{height - EDGE + 5}" text-anchor="middle">{escape(told)}</text>')
    parts.append(f'<text x="{WIDTH / 2 - EDGE}" y="{height - 20}" text-anchor="middle">{escape(figure["x"])}</text>')
    return "\n".join([*parts, "</svg>\n"])


def _svg_panel(panel: Mapping[str, Any], top: float, xs: tuple[float, float], ys: tuple[float, float]) -> list[str]:
    """One panel from `top` down, x from and to the first pair, y the second."""
    (left, right), (low, high) = xs, ys
    high += (high == low) * max(1.0, abs(low))
    bottom = top + PANEL - 40

    def place(x: float, y: float) -> str:
        across = EDGE + (x - left) / (right - left) * (WIDTH - 4 * EDGE)
        return f"{across:.1f},{bottom - (y - low) / (high - low) * (bottom - top):.1f}"

    parts = [f'<text x="{EDGE}" y="{top - 8}">{escape(panel["y"])}</text>']
    for first, last in panel["spans"]:
        corners = " ".join(place(x, y) for x, y in ((first, low), (first, high), (last, high), (last, low)))
        parts.append(f'<polygon points="{corners}" fill="{COLOURS[1]}" stroke="{COLOURS[1]}" fill-opacity="0.2"/>')
    for step in range(4):
        y = low + (high - low) * step / 3
        start, end = place(left, y), place(right, y)
        parts.append(f'<polyline points="{start} {end}" stroke="#ddd" fill="none"/>')
        parts.append(f'<text x="{EDGE - 8}" y="{start.split(",")[1]}" text-anchor="end">{y:.4g}</text>')
    names: list[tuple[str, str]] = []
    for name, own in panel["bands"].items():
        ends = [(x, a) for x, a, _ in own] + [(x, b) for x, _, b in reversed(own)]
        corners = " ".join(place(*end) for end in ends)
        parts.append(f'<polygon points="{corners}" fill="{COLOURS[1]}" stroke="{COLOURS[1]}" fill-opacity="0.2"/>')
        names.append((name, COLOURS[1]))
    for number, (name, own) in enumerate(panel["lines"].items()):
        colour = COLOURS[number % len(COLOURS)]
        for part in _unbroken(own):
            if len(part) == 1:
                across, down = place(*part[0]).split(",")
                parts.append(f'<circle cx="{across}" cy="{down}" r="3" fill="{colour}"/>')
                continue
            path = " ".join(place(*point) for point in part)
            parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        names.insert(number, (name, colour))
    for number, (name, colour) in enumerate(names):
        down = top + 12 + 18 * number
        parts.append(f'<text x="{WIDTH - 2.8 * EDGE:.0f}" y="{down}" fill="{colour}">{escape(name)}</text>')
    return parts


def _png(figure: Mapping[str, Any], path: Path) -> Path:
    import matplotlib

    from seqzoo.hub import replace_file

    matplotlib.use("Agg")
    from matplotlib import pyplot

    drawn = _png_panels(figure, pyplot) if figure["kind"] == "panels" else _png_one(figure, pyplot)
    with replace_file(path) as file:
        drawn.savefig(file, dpi=120, format="png")
    pyplot.close(drawn)
    return path


def _png_one(figure: Mapping[str, Any], pyplot: Any) -> Any:
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
    return drawn


def _png_panels(figure: Mapping[str, Any], pyplot: Any) -> Any:
    found = [_places(panel) for panel in figure["panels"]]
    left, right = min(min(across) for across, _ in found), max(max(across) for across, _ in found)
    drawn, all_axes = pyplot.subplots(
        len(found), 1, sharex=True, squeeze=False, figsize=(9, 1 + 2.5 * len(found)), layout="constrained"
    )
    drawn.suptitle(figure["title"])
    for panel, axes in zip(figure["panels"], all_axes[:, 0], strict=True):
        axes.set_ylabel(panel["y"])
        for first, last in panel["spans"]:
            axes.axvspan(first, last, color=COLOURS[1], alpha=0.2)
        for name, own in panel["bands"].items():
            x, low, high = zip(*own, strict=True)
            axes.fill_between(x, low, high, color=COLOURS[1], alpha=0.2, label=name)
            if len(own) == 1:
                axes.vlines(x, low, high, color=COLOURS[1], alpha=0.4)
        for number, (name, own) in enumerate(panel["lines"].items()):
            axes.plot(
                *zip(*own, strict=True), "." if len(own) == 1 else "-", color=COLOURS[number % len(COLOURS)], label=name
            )
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    ticks = _ticks(figure["times"], left, right)
    all_axes[-1, 0].set_xticks([x for x, _ in ticks], [told for _, told in ticks])
    all_axes[-1, 0].set_xlabel(figure["x"])
    return drawn
