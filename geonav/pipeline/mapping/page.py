"""A map as one HTML file that works from disk, without a network: its points and references in 3D, and a table.

Names come from files; they are only ever text, in the page's own HTML as in what its program makes.
"""

from __future__ import annotations

import base64
import html
import json
import math
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geonav.data.files import atomic_write_bytes
from geonav.data.map_store import MapPart, MapStore
from geonav.geometry.camera import Camera
from geonav.geometry.pose import camera_center
from geonav.pipeline.mapping.reading import apart_line, sigmas, summary_line
from geonav.pipeline.mapping.report import MapReport, PartReport, ViewReport

# More points than these make phones slow and files large, and show nothing more.
PAGE_POINTS = 150_000
# A fisheye's corners would lie behind it.
_WIDEST = 1.5
_PROGRAMS = ("map_view.js", "map_list.js")


def write_map_page(store: MapStore, report: MapReport, path: Path, title: str) -> None:
    """Write the page.

    Args:
        store: where the parts of the report lie.
        report: what is told of them.
        path: of the HTML file.
        title: of the page.

    Raises:
        DatabaseError: a part is missing or broken.
        StorageError: the file cannot be written.
    """
    parts = [store.read(part.part) for part in report.parts]
    drawn = _sampled([part.points for part in parts])
    num_points, num_drawn = sum(len(part.points) for part in parts), sum(map(len, drawn))
    folder = files("geonav.pipeline.mapping")
    text = Template((folder / "map_view.html").read_text("utf-8")).substitute(
        title=html.escape(title),
        style=(folder / "map_view.css").read_text("utf-8"),
        summary=html.escape(f"{summary_line(report)}. {_points_line(num_drawn, num_points)}"),
        sections="".join(_sections(report)),
        data=_data(report, parts, drawn),
        program="".join((folder / name).read_text("utf-8") for name in _PROGRAMS),
    )
    atomic_write_bytes(path, text.encode("utf-8", "backslashreplace"))


def _points_line(num_drawn: int, num_points: int) -> str:
    if num_drawn == num_points:
        return f"All {num_points:,} points are drawn."
    return f"Of {num_points:,} points an even share of {num_drawn:,} is drawn."


def _sampled(points: Sequence[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """The same share of each part's points (P, 3), evenly taken, so that all together are few enough."""
    total = sum(map(len, points))
    if total <= PAGE_POINTS:
        return list(points)
    counts = [len(each) * PAGE_POINTS // total for each in points]
    return [
        each[np.linspace(0, len(each) - 1, count).round().astype(int)]
        for each, count in zip(points, counts, strict=True)
    ]


def _data(report: MapReport, parts: Sequence[MapPart], drawn: Sequence[NDArray[np.float64]]) -> str:
    """What the page's program reads: one element of parts and references, and one each of a part's points."""
    middles = [np.median(camera_center(part.poses), axis=0) for part in parts]
    middle = np.mean(middles, axis=0) if middles else np.zeros(3)
    told = {
        "parts": [
            {"name": part.part, "at": _numbers(own - middle, 3)}
            for part, own in zip(report.parts, middles, strict=True)
        ],
        "views": [
            _view(view, number, part, own)
            for number, (of, part, own) in enumerate(zip(report.parts, parts, middles, strict=True))
            for view in of.views
        ],
    }
    elements = [_element("data", "application/json", json.dumps(told, separators=(",", ":"), allow_nan=False))]
    for number, (points, own) in enumerate(zip(drawn, middles, strict=True)):
        elements.append(_element(f"points{number}", "text/plain", _base64(points - own)))
    return "\n".join(elements)


def _element(name: str, kind: str, text: str) -> str:
    """An element that is read and never run; its text cannot end it."""
    escaped = text.replace("<", "\\u003c")
    return f"<script type={kind} id={name}>{escaped}</script>"


def _base64(points: NDArray[np.float64]) -> str:
    return base64.b64encode(points.astype("<f4").tobytes()).decode()


def _view(view: ViewReport, number: int, part: MapPart, middle: NDArray[np.float64]) -> dict[str, Any]:
    """A reference as the page draws and lists it; places in metres from the middle of its part."""
    row = part.row_of[view.uid]
    pose = part.poses[row]
    return {
        "uid": view.uid,
        "part": number,
        "at": _numbers(camera_center(pose) - middle, 3),
        "axes": _numbers(pose[:3, :3].ravel(), 4),
        "lens": _lens(part.cameras[row]),
        "moved": _numbers(view.moved_m, 3),
        "turned": _number(view.turned_deg, 3),
        "tilted": _number(view.tilted_deg, 3),
        "worst": _number(sigmas(view), 2),
        "sigmas": _numbers((view.position_sigmas, view.heading_sigmas), 2),
        "std": _numbers(view.position_std_m, 3),
        "heading_std": _number(view.heading_std_deg, 3),
        "place": _numbers((view.lat, view.lng), 7),
        "azimuth": _number(view.azimuth, 2),
        "points": view.num_points,
        "links": view.num_links,
        "residual": _number(view.residual_px, 2),
        "suspect": view.suspect,
    }


def _lens(camera: Camera) -> list[float]:
    """Half of what a camera sees to the right and downwards, in focal lengths."""
    focal_x, focal_y = camera.focal_lengths_px
    return [
        min(_WIDEST, round(side / 2 / focal, 3)) for side, focal in ((camera.width, focal_x), (camera.height, focal_y))
    ]


def _number(value: float | None, digits: int) -> float | None:
    """A number of JSON, which knows no infinity; None for what is not known."""
    return None if value is None or not math.isfinite(value) else round(float(value), digits)


def _numbers(values: Iterable[float | None], digits: int) -> list[float | None]:
    return [_number(value, digits) for value in values]


def _sections(report: MapReport) -> Iterable[str]:
    """What stands below picture and list, as HTML."""
    if report.parts:
        yield _table(
            "Parts",
            ("part", "references", "points", "residual px", "moved m, median", "weak tilt °", "suspect", "map version"),
            [(str(number), *_part(part)) for number, part in enumerate(report.parts, start=1)],
        )
    sequences = [
        (str(number), each.name, str(each.num_views), *map(_offset, each.offset_m, each.offset_std_m))
        for number, part in enumerate(report.parts, start=1)
        for each in part.sequences
    ]
    if sequences:
        yield _table("Sequences", ("part", "sequence", "references", "east m", "north m", "up m"), sequences)
    links = [
        (str(number), each.first, each.second, str(each.num_matches))
        for number, part in enumerate(report.parts, start=1)
        for each in part.weak_links
    ]
    if links:
        yield _table("Weak links", ("part", "reference", "reference", "matches"), links)
    notes = [f"part {number}: {note}" for number, part in enumerate(report.parts, start=1) for note in part.notes]
    apart = apart_line(report)
    remarks = notes if apart is None else [apart, *notes]
    if remarks:
        yield "<h2>Notes</h2>" + "".join(f"<p>{html.escape(remark)}</p>" for remark in remarks)
    if report.alone:
        yield _table("In no part", ("reference", "reason"), report.alone)


def _part(part: PartReport) -> tuple[str, ...]:
    figures = (f"{value:z.2f}" for value in (part.residual_px, part.median_moved_m, part.weak_tilt_deg))
    return f"{part.num_views:,}", f"{part.num_points:,}", *figures, str(len(part.suspects)), part.part


def _offset(metres: float, std_m: float) -> str:
    return f"{metres:z.2f} ± {std_m:.2f}"


def _table(name: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th scope=col>{html.escape(column)}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return (
        f"<h2>{html.escape(name)}</h2><div class=scroll tabindex=0 role=region aria-label='{html.escape(name)}'>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
