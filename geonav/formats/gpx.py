"""A located sequence as GPX 1.1.

Solved positions make one track, cut where no motion leads on. Places between neighbours make a track of their own that
says so in its name and its type: GPX has nothing else that every reader shows. GPX times are UTC: a local time without
its offset is not written. GPX does not say what its heights refer to; the file's description does.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

from geonav.data.files import atomic_write_bytes
from geonav.data.results import Ellipse, LocalizationResult
from geonav.data.track import SOLVED, InterpolatedPlace, TrackPoint

NAMESPACE = "http://www.topografix.com/GPX/1/1"
# What XML 1.0 cannot hold, even escaped.
_UNWRITABLE = dict.fromkeys(
    (*range(9), 11, 12, *range(14, 32), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF), "\N{REPLACEMENT CHARACTER}"
)


def write_gpx(path: Path | str, points: Sequence[TrackPoint], title: str = "geonav") -> None:
    """Write the frames that have a position, located and interpolated ones apart.

    Raises:
        StorageError: the file cannot be written.
    """
    root = ET.Element("gpx", xmlns=NAMESPACE, version="1.1", creator="geonav")
    metadata = ET.SubElement(root, "metadata")
    _text(metadata, "name", title)
    _text(metadata, "desc", f"heights in {_datum(points)}; times only where the offset from UTC is known")
    _track(root, title, "located", solved_segments(points))
    _track(root, f"{title}: interpolated, not located", "interpolated", _interpolated_segments(points))
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode")
    atomic_write_bytes(Path(path), f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode())


def solved_segments(points: Iterable[TrackPoint]) -> list[list[TrackPoint]]:
    """The solved frames, cut where a motion starts anew or a frame between them has no place at all."""
    segments: list[list[TrackPoint]] = [[]]
    for point in points:
        if point.starts_piece or point.status == "refused":
            segments.append([])
        if point.status in SOLVED:
            segments[-1].append(point)
    return [segment for segment in segments if segment]


def _interpolated_segments(points: Iterable[TrackPoint]) -> Iterator[list[TrackPoint]]:
    for is_interpolated, run in itertools.groupby(points, key=lambda point: point.interpolated is not None):
        if is_interpolated:
            yield list(run)


def _datum(points: Iterable[TrackPoint]) -> str:
    datums = {point.result.alt_datum for point in points if point.status in SOLVED}
    return ", ".join(sorted(datum for datum in datums if datum)) or "an unknown datum"


def _track(root: ET.Element, name: str, kind: str, segments: Iterable[Sequence[TrackPoint]]) -> None:
    found = list(segments)
    if not found:
        return
    track = ET.SubElement(root, "trk")
    _text(track, "name", name)
    _text(track, "type", kind)
    for segment in found:
        part = ET.SubElement(track, "trkseg")
        for point in segment:
            _point(part, point, point.interpolated or point.result)


def _point(segment: ET.Element, point: TrackPoint, place: InterpolatedPlace | LocalizationResult) -> None:
    element = ET.SubElement(segment, "trkpt", lat=f"{place.lat:.9f}", lon=f"{place.lng:.9f}")
    if place.alt is not None:
        _text(element, "ele", f"{place.alt:.3f}")
    moment = _utc(point.captured_at)
    if moment is not None:
        _text(element, "time", moment)
    _text(element, "name", Path(point.frame).name)
    _text(element, "cmt", _comment(point, place.ellipse_95))
    _text(element, "type", point.status)


def _comment(point: TrackPoint, ellipse: Ellipse | None) -> str:
    within = f", within {ellipse.semi_major_m:.2f} m (95 %)" if ellipse else ""
    azimuth = point.result.azimuth
    looks = "" if azimuth is None else f"; looks to {azimuth:.1f} degrees from true north"
    return f"{point.status} at {point.time_s:.3f} s{within}{looks}"


def _utc(written: str | None) -> str | None:
    if written is None:
        return None
    moment = datetime.fromisoformat(written)
    return None if moment.tzinfo is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _text(parent: ET.Element, name: str, text: str) -> None:
    ET.SubElement(parent, name).text = text.translate(_UNWRITABLE)
