"""A track as GPX and GeoJSON: what was solved and what was not can never be taken for each other."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from geonav.data.track import TrackPoint
from geonav.formats.gpx import NAMESPACE, write_gpx
from geonav.formats.track_geojson import track_collection, write_track_geojson
from tests.formats.tracks import track

# The order the GPX 1.1 schema asks of what stands in a point.
_ORDER = ["ele", "time", "name", "cmt", "type"]


def _tracks(path: Path) -> dict[str, list[list[ET.Element]]]:
    """Points of the segments of each track, by its type."""
    space = {"g": NAMESPACE}
    root = ET.parse(path).getroot()  # noqa: S314 - written by the test
    assert root.tag == f"{{{NAMESPACE}}}gpx"
    assert (root.get("version"), root.get("creator")) == ("1.1", "geonav")
    return {
        str(found.findtext("g:type", namespaces=space)): [
            segment.findall("g:trkpt", space) for segment in found.findall("g:trkseg", space)
        ]
        for found in root.findall("g:trk", space)
    }


def _field(point: ET.Element, name: str) -> str | None:
    return point.findtext(f"{{{NAMESPACE}}}{name}")


def test_gpx_holds_solved_and_interpolated_points_apart(tmp_path: Path) -> None:
    write_gpx(tmp_path / "a.gpx", track(), "walk")
    found = _tracks(tmp_path / "a.gpx")
    names = {kind: [[_field(p, "name") for p in part] for part in parts] for kind, parts in found.items()}
    assert names == {
        "located": [["f0.jpg", "f1.jpg", "f3.jpg"], ["f5.jpg", "f6.jpg"], ["f7.jpg"]],
        "interpolated": [["f2.jpg"]],
    }
    point = found["located"][0][1]
    assert (float(str(point.get("lat"))), float(str(point.get("lon")))) == (48.5001, -8.25)
    assert float(str(_field(point, "ele"))) == 130.5
    assert _field(point, "time") == "2026-05-01T10:00:01Z"
    assert _field(point, "type") == "confirmed"
    assert "within 0.03 m (95 %); looks to 12.5 degrees" in str(_field(point, "cmt"))
    between = found["interpolated"][0][0]
    assert "interpolated at 2.000 s, within 2.45 m (95 %)" in str(_field(between, "cmt"))
    assert "looks to" not in str(_field(between, "cmt"))
    for element in (point, between):
        assert [child.tag.removeprefix(f"{{{NAMESPACE}}}") for child in element] == _ORDER
    assert "heights in egm96" in (tmp_path / "a.gpx").read_text()


@pytest.mark.parametrize("times", [None, "2026-05-01T12:00:{:02d}"])
def test_gpx_has_no_time_that_is_not_known_in_utc(tmp_path: Path, times: str | None) -> None:
    write_gpx(tmp_path / "a.gpx", track(times))
    assert all(
        _field(p, "time") is None for parts in _tracks(tmp_path / "a.gpx").values() for part in parts for p in part
    )


def test_gpx_of_nothing_located_has_no_track(tmp_path: Path) -> None:
    write_gpx(tmp_path / "a.gpx", [point for point in track() if point.status == "refused"], "<&\x07>")
    assert _tracks(tmp_path / "a.gpx") == {}


def test_geojson_draws_lines_through_solved_frames_only(tmp_path: Path) -> None:
    write_track_geojson(tmp_path / "a.geojson", track())
    found = json.loads((tmp_path / "a.geojson").read_text())
    assert found == json.loads(json.dumps(track_collection(track())))
    lines = [f for f in found["features"] if f["geometry"] and f["geometry"]["type"] == "LineString"]
    latitudes = [[round(lat, 4) for _, lat in line["geometry"]["coordinates"]] for line in lines]
    assert latitudes == [[48.5, 48.5001, 48.5003], [48.5005, 48.5006]]
    assert [(line["properties"]["from_s"], line["properties"]["to_s"]) for line in lines] == [(0.0, 3.0), (5.0, 6.0)]


def test_geojson_says_of_every_frame_what_it_is() -> None:
    points = track()
    frames = track_collection(points)["features"][2:]
    assert [frame["properties"]["status"] for frame in frames] == [point.status for point in points]
    between = frames[2]
    assert between["geometry"] == {"type": "Point", "coordinates": [-8.25, pytest.approx(48.5002)]}
    assert between["properties"]["accuracy_m"] == 2.45
    assert between["properties"]["azimuth"] is None
    assert frames[4]["geometry"] is None
    assert frames[1]["properties"]["alone"] == "not_located"
    assert frames[1]["properties"]["azimuth"] == 12.5


def test_a_track_is_read_back_as_it_was_written() -> None:
    for point in track():
        assert TrackPoint.model_validate_json(point.model_dump_json()) == point
