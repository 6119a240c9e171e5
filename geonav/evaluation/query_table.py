"""Query sets as CSV or GeoJSON: a photo a line, and where it was taken."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from geonav.data.images import upright_size
from geonav.errors import InputError
from geonav.evaluation.query_set import Query
from geonav.geometry.camera import Camera

# Names of columns, as they are taken for each other; the first is the one the manual uses.
_NAMES = {
    "path": ("path", "photo", "image", "file", "filename", "image_path"),
    "name": ("name", "id", "uid"),
    "lat": ("lat", "latitude"),
    "lng": ("lng", "lon", "long", "longitude"),
    "alt": ("alt", "altitude", "height"),
    "azn": ("azn", "azimuth", "heading", "heading_deg"),
    "mask": ("mask",),
    "fov": ("fov", "fov_deg"),
    "K": ("k",),
    "captured_at": ("captured_at", "time", "timestamp"),
    "sequence": ("sequence", "drive"),
}
_COLUMN = {alias: name for name, aliases in _NAMES.items() for alias in aliases}
Row = tuple[str, dict[str, Any], dict[str, str]]  # where it stands, what is known, its groups


def read_table(path: Path, *, needs_place: bool) -> tuple[Query, ...]:
    """Read the queries of a table; see :func:`geonav.evaluation.query_set.read_query_set` for its columns.

    Args:
        path: ends in .csv, .tsv, .geojson or .json.
        needs_place: refuse photos without latitude and longitude.

    Raises:
        InputError: the table cannot be read or is empty, photos are missing or named twice, or a value makes no sense.
    """
    text = _text_of(path)
    rows = list(_csv_rows(path, text) if path.suffix.lower() in {".csv", ".tsv"} else _geojson_rows(path, text))
    if not rows:
        msg = f"{path} holds no queries: it needs a line a photo with path, lat and lng"
        raise InputError(msg)
    _check_photos(path, rows)
    return tuple(_query(path.parent, row, needs_place=needs_place) for row in rows)


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        msg = f"there is no query set at {path}: name a database's folder or a table of photos"
    except OSError as error:
        msg = f"queries {path} cannot be read: {error.strerror or error}"
    except UnicodeDecodeError:
        msg = f"queries {path} are no UTF-8 text: save the file as UTF-8"
    raise InputError(msg)


def _csv_rows(path: Path, text: str) -> Iterator[Row]:
    header = text.partition("\n")[0]
    rows = csv.DictReader(io.StringIO(text), delimiter=max(",;\t", key=header.count), strict=True)
    try:
        columns = {name: _COLUMN.get(str(name).strip().lower()) for name in rows.fieldnames or ()}
        if "path" not in columns.values():
            msg = f"{path}: line 1 has no column path: begin the file with 'path,lat,lng' or 'path,lat,lng,alt,azn'"
            raise InputError(msg)
        for row in rows:
            if None in row or None in row.values():
                msg = f"{path}: line {rows.line_num} has not as many fields as line 1: quote those with commas in them"
                raise InputError(msg)
            yield _row(f"{path}: line {rows.line_num}", row, columns)
    except csv.Error as error:
        msg = f"{path}: line {rows.reader.line_num} is no CSV: {error}"
        raise InputError(msg) from None


def _geojson_rows(path: Path, text: str) -> Iterator[Row]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        msg = f"{path} is no JSON ({error}): correct it"
        raise InputError(msg) from None
    features = data.get("features") if isinstance(data, dict) else None
    if not isinstance(features, list):
        msg = f"{path} is no GeoJSON with points: it needs a FeatureCollection of Point features"
        raise InputError(msg)
    for number, feature in enumerate(features, start=1):
        where = f"{path}: feature {number}"
        properties = feature.get("properties") if isinstance(feature, dict) else None
        geometry = feature.get("geometry") if isinstance(feature, dict) else None
        position = geometry.get("coordinates") if isinstance(geometry, dict) else None
        if not isinstance(properties, dict) or (
            geometry is not None and (geometry.get("type") != "Point" or not isinstance(position, list))
        ):
            msg = f"{where} is no Point with properties: give it the property path"
            raise InputError(msg)
        row = {name: value for name, value in properties.items() if value is not None}
        row |= dict(zip(("lng", "lat", "alt"), position or (), strict=False))
        yield _row(where, row, {name: _COLUMN.get(str(name).strip().lower()) for name in row})


def _row(where: str, row: Mapping[Any, Any], columns: Mapping[Any, str | None]) -> Row:
    known = {kind: row[name] for name, kind in columns.items() if kind and str(row[name]).strip()}
    groups = {str(name).strip(): str(row[name]).strip() for name, kind in columns.items() if kind is None}
    if "path" not in known:
        msg = f"{where} names no photo: give it a path"
        raise InputError(msg)
    return where, known, groups


def _name(known: Mapping[str, Any]) -> str:
    return str(known.get("name", known["path"])).strip()


def _check_photos(table: Path, rows: list[Row]) -> None:
    seen: dict[str, str] = {}
    for where, known, _ in rows:
        name = _name(known)
        if name in seen:
            other = seen[name].rpartition(": ")[2]
            msg = (
                f"{where} is called '{name}' like {other}: remove one, or give both a name of its own in a column name"
            )
            raise InputError(msg)
        seen[name] = where
    for kind in ("path", "mask"):
        given = [(where, known[kind]) for where, known, _ in rows if kind in known]
        missing = [(where, name) for where, name in given if not (table.parent / str(name).strip()).is_file()]
        if missing:
            where, name = missing[0]
            what = "photos" if kind == "path" else "masks"
            msg = (
                f"{where}: {name} does not exist; {len(missing)} of {len(given)} {what} are missing: "
                f"paths start at {table.parent}"
            )
            raise InputError(msg)


def _query(folder: Path, row: Row, *, needs_place: bool) -> Query:
    where, known, groups = row
    lat, lng, alt, azimuth = (_number(where, known, name) for name in ("lat", "lng", "alt", "azn"))
    if needs_place and (lat is None or lng is None):
        msg = f"{where} has no lat and lng: say where the photo was taken, or remove it"
        raise InputError(msg)
    if lat is not None and lng is not None:
        _check_place(where, lat, lng)
    photo = folder / str(known["path"]).strip()
    return Query(
        name=_name(known),
        photo=photo,
        lat=lat,
        lng=lng,
        alt=alt,
        azimuth_deg=None if azimuth is None else azimuth % 360.0,
        camera=_camera(where, known, photo),
        mask=folder / str(known["mask"]).strip() if "mask" in known else None,
        groups=groups,
        captured_at=str(known["captured_at"]) if "captured_at" in known else None,
        sequence=str(known["sequence"]) if "sequence" in known else None,
    )


def _number(where: str, known: Mapping[str, Any], name: str) -> float | None:
    if name not in known:
        return None
    try:
        value = float(known[name])
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        msg = f"{where}: {name} '{known[name]}' is no number"
        raise InputError(msg)
    return value


def _check_place(where: str, lat: float, lng: float) -> None:
    if abs(lat) <= 90 and abs(lng) <= 180:
        return
    if abs(lng) <= 90 and abs(lat) <= 180:
        msg = f"{where}: lat {lat:g}, lng {lng:g} is no place on Earth: lat and lng seem to be exchanged"
    else:
        msg = f"{where}: lat {lat:g}, lng {lng:g} is no place on Earth: correct it"
    raise InputError(msg)


def _camera(where: str, known: Mapping[str, Any], photo: Path) -> Camera | None:
    """From K (3x3 by rows, as JSON or numbers, or fx fy cx cy) or the horizontal field of view."""
    if "K" not in known and "fov" not in known:
        return None
    width, height = upright_size(photo)
    try:
        if "K" in known:
            return Camera.from_K(width, height, _matrix(known["K"]))
        return Camera.from_fov(width, height, _number(where, known, "fov") or 0.0)
    except (InputError, ValueError) as error:
        msg = f"{where}: its {'K' if 'K' in known else 'fov'} is that of no camera ({error})"
        raise InputError(msg) from error


def _matrix(value: object) -> np.ndarray[Any, np.dtype[np.float64]]:
    numbers = [float(word) for word in re.split(r"[\s,;\[\]]+", str(value)) if word]
    if len(numbers) == 4:
        fx, fy, cx, cy = numbers
        numbers = [fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0]
    if len(numbers) != 9:
        msg = "9 numbers by rows, or fx fy cx cy, are needed"
        raise ValueError(msg)
    return np.array(numbers).reshape(3, 3)
