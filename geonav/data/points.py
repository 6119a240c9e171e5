"""Points of one's own to ask for imagery at: CSV or GeoJSON in, the same out."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from geonav.data.files import atomic_write_bytes
from geonav.data.survey import SamplePoint
from geonav.errors import InputError

_LAT = ("lat", "latitude")
_LNG = ("lng", "lon", "long", "longitude")
_HEADING = ("heading", "heading_deg", "azimuth")
_DIGITS = 7  # of a degree: 1 cm


def read_points(path: Path, max_points: int) -> tuple[SamplePoint, ...]:
    """Read points from a file that ends in .csv, .geojson or .json.

    CSV has a header with ``lat``, ``lng`` and optionally ``heading``, separated by commas, semicolons or tabs. GeoJSON
    has Point or MultiPoint features in longitude and latitude on WGS84; a property ``heading`` is taken over.

    Args:
        path: the file.
        max_points: more are refused.

    Raises:
        InputError: the file cannot be read, or a point makes no sense; the message names the line or the feature.
    """
    kinds = {".csv": _from_csv, ".tsv": _from_csv, ".geojson": _from_geojson, ".json": _from_geojson}
    read = kinds.get(path.suffix.lower())
    if read is None:
        msg = f"{path}: points are read from .csv or .geojson files"
        raise InputError(msg)
    points = []
    for point in read(path, _text_of(path)):
        points.append(point)
        if len(points) > max_points:
            msg = f"{path} holds more than the {max_points:,} points that sampling.max_points allows"
            raise InputError(msg)
    if not points:
        msg = f"{path} holds no points"
        raise InputError(msg)
    return tuple(points)


def points_csv(points: Iterable[SamplePoint]) -> str:
    """Points as CSV that :func:`read_points` reads."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("lat", "lng", "heading"))
    for point in points:
        heading = "" if point.heading_deg is None else f"{point.heading_deg:.2f}"
        writer.writerow((f"{point.lat:.{_DIGITS}f}", f"{point.lng:.{_DIGITS}f}", heading))
    return text.getvalue()


def points_geojson(points: Iterable[SamplePoint]) -> dict[str, Any]:
    """Points as a FeatureCollection (RFC 7946) that :func:`read_points` reads."""
    return {"type": "FeatureCollection", "features": [_feature(point) for point in points]}


def write_points(path: Path, points: Iterable[SamplePoint]) -> None:
    """Write points as CSV or, for any other ending, as GeoJSON.

    Raises:
        StorageError: the disk is full, read-only or not permitted.
    """
    is_csv = path.suffix.lower() == ".csv"
    text = points_csv(points) if is_csv else json.dumps(points_geojson(points), separators=(",", ":")) + "\n"
    atomic_write_bytes(path, text.encode())


def _feature(point: SamplePoint) -> dict[str, Any]:
    properties = {} if point.heading_deg is None else {"heading": round(point.heading_deg, 2)}
    position = [round(point.lng, _DIGITS), round(point.lat, _DIGITS)]
    return {"type": "Feature", "geometry": {"type": "Point", "coordinates": position}, "properties": properties}


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        msg = f"points {path} cannot be read: {error.strerror or error}"
    except UnicodeDecodeError:
        msg = f"points {path} are no UTF-8 text: save the file as UTF-8"
    raise InputError(msg) from None


def _from_csv(path: Path, text: str) -> Iterator[SamplePoint]:
    header = text.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    rows = csv.DictReader(io.StringIO(text), delimiter=delimiter, strict=True)
    try:
        columns = {str(name).strip().lower(): name for name in rows.fieldnames or ()}
        lat, lng = (next((columns[name] for name in names if name in columns), None) for names in (_LAT, _LNG))
        if lat is None or lng is None:
            msg = f"{path}: line 1 has no columns lat and lng: begin the file with 'lat,lng' or 'lat,lng,heading'"
            raise InputError(msg)
        heading = next((columns[name] for name in _HEADING if name in columns), None)
        for row in rows:
            where = f"{path}: line {rows.line_num}"
            yield _point(where, row[lat], row[lng], row[heading] if heading is not None else None)
    except csv.Error as error:
        msg = f"{path}: line {rows.reader.line_num} is no CSV: {error}"
        raise InputError(msg) from None


def _from_geojson(path: Path, text: str) -> Iterator[SamplePoint]:
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        msg = f"{path}: line {error.lineno} is no JSON: {error.msg}"
        raise InputError(msg) from None
    except RecursionError:
        msg = f"{path} is no GeoJSON: it is nested too deeply"
        raise InputError(msg) from None
    _refuse_other_frames(path, data)
    for number, feature in enumerate(_features(path, data), start=1):
        where = f"{path}: feature {number}"
        if not isinstance(feature, dict):
            msg = f"{where} is no GeoJSON object"
            raise InputError(msg)
        properties = feature.get("properties")
        geometry = feature.get("geometry") if feature.get("type") == "Feature" else feature
        values = properties if isinstance(properties, dict) else {}
        heading = next((values[name] for name in _HEADING if values.get(name) is not None), None)
        for position in _positions(where, geometry):
            if not isinstance(position, list) or len(position) < 2:
                msg = f"{where} has no position of longitude and latitude"
                raise InputError(msg)
            yield _point(where, position[1], position[0], heading)


def _features(path: Path, data: object) -> list[Any]:
    if isinstance(data, dict) and data.get("type") == "FeatureCollection" and isinstance(data.get("features"), list):
        return list(data["features"])
    if isinstance(data, dict) and data.get("type") in {"Feature", "Point", "MultiPoint"}:
        return [data]
    msg = f"{path} is no GeoJSON with points: it needs a FeatureCollection of Point features"
    raise InputError(msg)


def _refuse_other_frames(path: Path, data: object) -> None:
    """Files of before RFC 7946 may name other coordinates than WGS84."""
    crs = data.get("crs") if isinstance(data, dict) else None
    name = str(crs.get("properties", {}).get("name", "")) if isinstance(crs, Mapping) else ""
    if name and not name.upper().endswith(("CRS84", "EPSG::4326", "EPSG:4326")):
        msg = f"{path} is in {name}: save it in longitude and latitude on WGS84 (EPSG:4326)"
        raise InputError(msg)


def _positions(where: str, geometry: object) -> list[Any]:
    if isinstance(geometry, dict) and isinstance(geometry.get("coordinates"), list):
        if geometry.get("type") == "Point":
            return [geometry["coordinates"]]
        if geometry.get("type") == "MultiPoint":
            return list(geometry["coordinates"])
    kind = geometry.get("type", "nothing") if isinstance(geometry, dict) else "nothing"
    msg = f"{where} is {kind}, not a Point"
    raise InputError(msg)


def _point(where: str, lat: object, lng: object, heading: object) -> SamplePoint:
    latitude = _number(where, "lat", lat, 90.0)
    longitude = _number(where, "lng", lng, 180.0)
    has_heading = heading is not None and str(heading).strip() != ""
    heading_deg = _number(where, "heading", heading, 360.0) % 360.0 if has_heading else None
    return SamplePoint(latitude, -180.0 if longitude == 180.0 else longitude, heading_deg)


def _number(where: str, name: str, value: object, largest: float) -> float:
    is_readable = isinstance(value, str | int | float) and not isinstance(value, bool)
    try:
        number = float(value) if is_readable else math.nan  # type: ignore[arg-type]
    except (ValueError, OverflowError):
        number = math.nan
    if not abs(number) <= largest:
        shown = "nothing" if value is None or value == "" else repr(value)[:40]
        msg = f"{where}: {name} is {shown}, not a number from {-largest:g} to {largest:g}"
        raise InputError(msg)
    return number
