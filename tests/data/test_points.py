"""Points of one's own: both formats, there and back, and what is wrong with its line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from geonav.data.points import read_points, write_points
from geonav.data.survey import SamplePoint
from geonav.errors import InputError

POINTS = (SamplePoint(48.9400001, 8.4, 12.5), SamplePoint(-33.0, -180.0, None), SamplePoint(0.0, 179.9999999, 0.0))


@pytest.mark.parametrize("name", ["p.csv", "p.geojson", "p.json"])
def test_points_come_back_as_they_were_written(tmp_path: Path, name: str) -> None:
    write_points(tmp_path / name, POINTS)
    assert read_points(tmp_path / name, 3) == POINTS


@pytest.mark.parametrize(
    "text",
    [
        "lat,lng,heading\n48.5,8.25,90\n",
        "\ufeffLatitude;Longitude;Heading\r\n48.5;8.25;90\r\n",
        "id\tlon\tlat\tazimuth\n7\t8.25\t48.5\t-270\n",
        '"lat","lng","heading"\n\n"48.5","8.25","9e1"\n',
    ],
)
def test_usual_spellings_of_csv_are_understood(tmp_path: Path, text: str) -> None:
    (tmp_path / "p.csv").write_text(text, encoding="utf-8")
    assert read_points(tmp_path / "p.csv", 10) == (SamplePoint(48.5, 8.25, 90.0),)


@pytest.mark.parametrize(
    "data",
    [
        {"type": "Point", "coordinates": [8.25, 48.5, 110.0]},
        {"type": "Feature", "properties": None, "geometry": {"type": "MultiPoint", "coordinates": [[8.25, 48.5]]}},
        {
            "type": "FeatureCollection",
            "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}},
            "features": [{"type": "Feature", "geometry": {"type": "Point", "coordinates": [8.25, 48.5]}}],
        },
    ],
)
def test_usual_shapes_of_geojson_are_understood(tmp_path: Path, data: object) -> None:
    (tmp_path / "p.geojson").write_text(json.dumps(data))
    assert read_points(tmp_path / "p.geojson", 10) == (SamplePoint(48.5, 8.25),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1 has no columns lat and lng"),
        ("x,y\n1,2\n", "line 1 has no columns lat and lng"),
        ("lat,lng\n", "holds no points"),
        ("lat,lng\n1,2\n91,2\n", "line 3: lat is '91', not a number from -90 to 90"),
        ("lat,lng\n1,2\n\n1,north\n", "line 4: lng is 'north', not a number from -180 to 180"),
        ("lat,lng\n1\n", "line 2: lng is nothing"),
        ("lat,lng\n1,nan\n", "line 2: lng is 'nan'"),
        ("lat,lng,heading\n1,2,361\n", "line 2: heading is '361'"),
        ('lat,lng\n1,"2\n', "line 2 is no CSV"),
        ("lat,lng\n1,2\n1,2\n1,2\n1,2\n", "more than the 3 points"),
    ],
)
def test_what_is_wrong_in_csv_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    check(tmp_path / "p.csv", text, message)


def geojson(geometry: object) -> str:
    """A sound point and then another geometry."""
    good = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 2]}, "properties": {}}
    bad = {"type": "Feature", "geometry": geometry, "properties": {}}
    return json.dumps({"type": "FeatureCollection", "features": [good, bad]})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{\n"type": "Feature\n', "line 2 is no JSON"),
        ("[1, 2]", "is no GeoJSON with points"),
        ('{"type": "Topology"}', "is no GeoJSON with points"),
        ('{"type": "FeatureCollection", "features": []}', "holds no points"),
        ('{"type": "FeatureCollection", "features": [3]}', "feature 1 is no GeoJSON object"),
        (geojson({"type": "LineString", "coordinates": [[1, 2], [3, 4]]}), "feature 2 is LineString, not a Point"),
        (geojson(None), "feature 2 is nothing, not a Point"),
        (geojson({"type": "Point", "coordinates": [1]}), "feature 2 has no position"),
        (geojson({"type": "Point", "coordinates": [1, 95]}), "feature 2: lat is 95, not a number"),
        (geojson({"type": "Point", "coordinates": ["east", 1]}), "feature 2: lng is 'east', not a number"),
        (geojson({"type": "Point", "coordinates": [True, 1]}), "feature 2: lng is True, not a number"),
        (
            '{"type": "FeatureCollection", "features": [], "crs": {"properties": {"name": "EPSG:25832"}}}',
            r"is in EPSG:25832: save it in longitude and latitude",
        ),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_wrong_in_geojson_is_named_with_its_feature(tmp_path: Path, text: str, message: str) -> None:
    check(tmp_path / "p.geojson", text, message)


def check(path: Path, text: str, message: str) -> None:
    """The file is refused in one line."""
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message) as error:
        read_points(path, 3)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_points(tmp_path / "none.csv", 3)
    (tmp_path / "p.csv").write_bytes(b"lat,lng\n\xff\xfe")
    with pytest.raises(InputError, match="save the file as UTF-8"):
        read_points(tmp_path / "p.csv", 3)
    with pytest.raises(InputError, match=r"read from \.csv or \.geojson"):
        read_points(tmp_path / "p.shp", 3)
