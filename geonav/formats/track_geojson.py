"""A located sequence as GeoJSON: a line for each unbroken motion, and one Feature a frame."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from geonav.data.files import atomic_write_bytes
from geonav.data.geojson import feature
from geonav.data.track import TrackPoint
from geonav.formats.gpx import solved_segments


def track_collection(points: Sequence[TrackPoint]) -> dict[str, Any]:
    """A FeatureCollection: lines through solved frames only, then all frames in order.

    A frame's ``status`` is that of its :class:`TrackPoint`; one between neighbours is a point without a heading whose
    ``status`` is "interpolated", a refused one has no geometry.
    """
    return {"type": "FeatureCollection", "features": [*_lines(points), *map(_frame, points)]}


def track_text(points: Sequence[TrackPoint]) -> str:
    """The same as one line of text."""
    return json.dumps(track_collection(points), separators=(",", ":"), ensure_ascii=False, allow_nan=False) + "\n"


def write_track_geojson(path: Path | str, points: Sequence[TrackPoint]) -> None:
    """Write it to a file.

    Raises:
        StorageError: the file cannot be written.
    """
    atomic_write_bytes(Path(path), track_text(points).encode())


def _lines(points: Sequence[TrackPoint]) -> list[dict[str, Any]]:
    lines = []
    for segment in solved_segments(points):
        if len(segment) > 1:  # RFC 7946: a line has two positions or more
            coordinates = [[point.result.lng, point.result.lat] for point in segment]
            properties = {"kind": "track", "from_s": segment[0].time_s, "to_s": segment[-1].time_s}
            geometry = {"type": "LineString", "coordinates": coordinates}
            lines.append({"type": "Feature", "geometry": geometry, "properties": properties})
    return lines


def _frame(point: TrackPoint) -> dict[str, Any]:
    found = feature(point.result)
    own = point.model_dump(include={"status", "time_s", "captured_at", "alone", "alone_reason", "starts_piece"})
    found["properties"].update(own)
    place = point.interpolated
    if place is not None:
        found["geometry"] = {"type": "Point", "coordinates": [place.lng, place.lat]}
        known = place.model_dump(include={"alt", "alt_datum", "position_std_m", "ellipse_95"})
        found["properties"].update(known, accuracy_m=place.ellipse_95.semi_major_m)
    return found
