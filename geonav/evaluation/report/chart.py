"""Line charts as SVG, without a library: axes, grid, lines, a legend."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
_LEFT, _TOP, _WIDTH, _HEIGHT = 46, 12, 344, 190
_RIGHT, _BOTTOM = 26, 40


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    Attributes:
        name: in the legend.
        points: (P, 2), in shares of the axes, 0 to 1.
        remark: a figure in the legend.
    """

    name: str
    points: Points
    remark: str = ""


@dataclass(frozen=True)
class Chart:
    """What a chart shows.

    Attributes:
        title: above it.
        x_title: what the horizontal axis measures.
        x_scale: its ends and how it runs between them, for what is read off: ``log 0.01 100 m``.
        ticks: words at shares of the horizontal axis.
        lines: drawn over each other, the first on top.
        marks: words at shares of the horizontal axis that are marked across the chart.
        band: outline (P, 2) of the area where lines ought to be.
        is_diagonal_right: whether the diagonal is what lines ought to follow.
        note: below it.
    """

    title: str
    x_title: str
    x_scale: str
    ticks: Sequence[tuple[float, str]]
    lines: Sequence[Line]
    marks: Sequence[tuple[float, str]] = ()
    band: Points | None = None
    is_diagonal_right: bool = False
    note: str = ""


def draw(chart: Chart) -> str:
    """The chart as a figure of HTML."""
    title = html.escape(chart.title)
    box = f"0 0 {_LEFT + _WIDTH + _RIGHT} {_TOP + _HEIGHT + _BOTTOM}"
    legend = "".join(
        f"<li class=l{i}>{html.escape(line.name)}{f' <b>{html.escape(line.remark)}</b>' if line.remark else ''}"
        for i, line in enumerate(chart.lines)
    )
    note = f"<p class=soft>{html.escape(chart.note)}" if chart.note else ""
    scale = html.escape(chart.x_scale)
    return (
        f"<figure class=chart data-scale='{scale}' data-axis='{_LEFT} {_WIDTH} {_TOP} {_HEIGHT}'>"
        f"<figcaption>{title}</figcaption><svg viewBox='{box}' role=img aria-label='{title}'>"
        f"{_axes(chart)}{_ideal(chart)}{_lines(chart)}</svg><ul class=legend>{legend}</ul>{note}</figure>"
    )


def _at(points: Points) -> Points:
    """Shares of the axes as coordinates of the drawing."""
    held = np.clip(points, 0, 1)
    return np.column_stack([_LEFT + held[:, 0] * _WIDTH, _TOP + (1 - held[:, 1]) * _HEIGHT])


def _text(points: Points) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in _at(points))


def _axes(chart: Chart) -> str:
    bottom, right = _TOP + _HEIGHT, _LEFT + _WIDTH
    parts = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = bottom - share * _HEIGHT
        parts.append(f"<path class=net d='M{_LEFT} {y:.1f}H{right}'/>")
        parts.append(f"<text x={_LEFT - 6} y={y + 4:.1f} text-anchor=end>{100 * share:.0f} %</text>")
    for share, word in chart.ticks:
        x = _LEFT + share * _WIDTH
        parts.append(f"<path class=net d='M{x:.1f} {_TOP}V{bottom}'/>")
        parts.append(f"<text x={x:.1f} y={bottom + 16} text-anchor=middle>{html.escape(word)}</text>")
    for share, word in chart.marks:
        x = _LEFT + share * _WIDTH
        parts.append(f"<path class=mark d='M{x:.1f} {_TOP}V{bottom}'><title>{html.escape(word)}</title></path>")
    middle = _LEFT + _WIDTH / 2
    parts.append(
        f"<text class=title x={middle:.0f} y={bottom + 34} text-anchor=middle>{html.escape(chart.x_title)}</text>"
    )
    return "".join(parts)


def _ideal(chart: Chart) -> str:
    band = "" if chart.band is None else f"<polygon class=band points='{_text(chart.band)}'/>"
    diagonal = f"<path class=ideal d='M{_LEFT} {_TOP + _HEIGHT}L{_LEFT + _WIDTH} {_TOP}'/>"
    return band + (diagonal if chart.is_diagonal_right else "")


def _lines(chart: Chart) -> str:
    drawn = [f"<polyline class='curve l{i}' points='{_text(line.points)}'/>" for i, line in enumerate(chart.lines)]
    return "".join(reversed(drawn))
