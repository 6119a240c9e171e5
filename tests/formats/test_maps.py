"""Results as KML and GeoJSON files."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from geonav.data.geojson import feature_collection
from geonav.formats.geojson import write_geojson
from geonav.formats.kml import NAMESPACE, write_kml
from geonav.geometry.geodesy import GeoPoint, distance_m
from tests.formats.results import located, refused

_NS = {"k": NAMESPACE}


def _kml(path: Path, *results: object) -> ET.Element:
    write_kml(path / "out.kml", results)  # type: ignore[arg-type]
    return ET.parse(path / "out.kml").getroot()  # noqa: S314 - written a line above


def _texts(root: ET.Element, path: str) -> list[str]:
    return [element.text or "" for element in root.iterfind(path, _NS)]


def test_a_camera_stands_where_the_photo_was_taken(tmp_path: Path) -> None:
    result = located("a/b.jpg", alt_datum="egm96", angles=(123.4, 5.0, -2.0))
    root = _kml(tmp_path, result, refused())
    camera = root.find(".//k:Camera", _NS)
    assert camera is not None
    values = {child.tag.removeprefix(f"{{{NAMESPACE}}}"): child.text for child in camera}
    assert (float(values["latitude"]), float(values["longitude"]), float(values["altitude"])) == (
        result.lat, result.lng, result.alt,
    )  # fmt: skip
    assert (float(values["heading"]), float(values["tilt"]), float(values["roll"])) == (123.4, 95.0, 2.0)
    assert list(values) == ["longitude", "latitude", "altitude", "heading", "tilt", "roll", "altitudeMode"]
    assert values["altitudeMode"] == "absolute"
    assert _texts(root, ".//k:Point/k:coordinates") == [f"{result.lng},{result.lat},{result.alt}"]
    assert _texts(root, ".//k:Folder/k:name") == ["b.jpg"]


@pytest.mark.parametrize("datum", ["wgs84", "local"])
def test_a_height_that_is_not_above_the_sea_is_not_taken_for_one(tmp_path: Path, datum: str) -> None:
    root = _kml(tmp_path, located(alt_datum=datum))
    assert _texts(root, ".//k:Point/k:altitudeMode") == ["clampToGround"]
    assert _texts(root, ".//k:Camera/k:altitudeMode") == ["relativeToGround"]
    assert _texts(root, ".//k:Data[@name='alt']/k:value") == ["131.25"]
    assert _texts(root, ".//k:Data[@name='alt_datum']/k:value") == [datum]


def test_the_ellipse_has_its_axes(tmp_path: Path) -> None:
    result = located()
    root = _kml(tmp_path, result)
    (text,) = _texts(root, ".//k:LinearRing/k:coordinates")
    corners = [tuple(map(float, corner.split(","))) for corner in text.split()]
    centre = GeoPoint(result.lat or 0, result.lng or 0)
    radii = [distance_m(centre, GeoPoint(lat, lng)) for lng, lat in corners]
    assert corners[0] == corners[-1]
    assert max(radii) == pytest.approx(4.0, abs=1e-6)
    assert min(radii) == pytest.approx(1.0, abs=1e-6)
    lng, lat = corners[radii.index(max(radii))]
    assert lng > centre.lng_deg  # to 30 degrees or 210; the first corner is at 30
    assert lat > centre.lat_deg


def test_names_with_marks_stay_readable(tmp_path: Path) -> None:
    root = _kml(tmp_path, located("<a & b\x01>.jpg"))
    assert _texts(root, ".//k:Placemark/k:name")[0] == "<a & b�>.jpg"


def test_geojson_holds_every_result(tmp_path: Path) -> None:
    results = [located("ä.jpg"), refused()]
    write_geojson(tmp_path / "a.geojson", results)
    assert json.loads((tmp_path / "a.geojson").read_text("utf-8")) == json.loads(
        json.dumps(feature_collection(results))
    )
