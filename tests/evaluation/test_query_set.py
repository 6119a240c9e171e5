"""Query sets: what they may look like, and what is said of those that cannot be right."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from geonav.data.database import Database
from geonav.data.metadata import ImageMetadata
from geonav.data.places import Places
from geonav.errors import GeonavError, InputError
from geonav.evaluation.query_set import check_not_swapped, joined, nearest_m, read_distractors, read_query_set, truth_of
from geonav.geometry.geodesy import LocalFrame
from tests.evaluation.report.made import CAMERA, ORIGIN, noise, pose_at

FRAME = LocalFrame(ORIGIN)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Photos a.jpg and sub/b.jpg of 320 x 240 pixels."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.jpg").write_bytes(noise(1))
    (tmp_path / "sub/b.jpg").write_bytes(noise(2))
    return tmp_path


def table(folder: Path, text: str, name: str = "night.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_path_lat_and_lng_are_enough(folder: Path) -> None:
    found = read_query_set(table(folder, "path,lat,lng\na.jpg,48.94,8.41\nsub/b.jpg,48.941,8.411\n"))
    assert (found.name, [query.name for query in found.queries]) == ("night", ["a.jpg", "sub/b.jpg"])
    truth = truth_of(found.queries[1], FRAME, "wgs84")
    assert truth is not None
    assert (truth.lat, truth.lng, truth.alt, truth.azimuth, truth.E) == (48.941, 8.411, None, None, None)
    east, north, up = truth.center_m
    assert (east, north) == (pytest.approx(73.2, abs=0.5), pytest.approx(111.2, abs=0.5))
    assert up is None


def test_every_column_is_understood_and_the_others_are_groups(folder: Path) -> None:
    (folder / "mask.png").write_bytes(noise(3))
    path = table(
        folder,
        "Image;Latitude;Lon;Altitude;heading;mask;fov;time;drive;light;rain\n"
        "a.jpg;48.94;8.41;131.5;-90;mask.png;90;2024-05-31T12:00:00;walk;night;\n",
    )
    query = read_query_set(path).queries[0]
    assert (query.lat, query.lng, query.alt, query.azimuth_deg) == (48.94, 8.41, 131.5, 270.0)
    assert (query.mask, query.captured_at, query.sequence) == (folder / "mask.png", "2024-05-31T12:00:00", "walk")
    assert query.groups == {"light": "night", "rain": ""}
    assert query.camera is not None
    assert query.camera.K[0, 0] == pytest.approx(160.0)
    truth = truth_of(query, FRAME, "egm96")
    assert truth is not None
    assert (truth.alt, truth.center_m[2]) == (131.5, pytest.approx(1.5, abs=1e-6))


@pytest.mark.parametrize("given", ["300 301 160 120", "[[300,0,160],[0,301,120],[0,0,1]]"])
def test_a_calibration_is_taken_in_either_form(folder: Path, given: str) -> None:
    camera = read_query_set(table(folder, f'path,lat,lng,K\na.jpg,48.94,8.41,"{given}"\n')).queries[0].camera
    assert camera is not None
    assert camera.K.tolist() == [[300, 0, 160], [0, 301, 120], [0, 0, 1]]


def test_geojson_says_the_same_as_csv(folder: Path) -> None:
    features = [
        {"type": "Feature", "geometry": {"type": "Point", "coordinates": [8.41, 48.94, 131.5]},
         "properties": {"path": "a.jpg", "azn": 20, "light": "night"}},
    ]  # fmt: skip
    points = table(folder, json.dumps({"type": "FeatureCollection", "features": features}), "night.geojson")
    lines = table(folder, "path,lat,lng,alt,azn,light\na.jpg,48.94,8.41,131.5,20,night\n")
    assert read_query_set(points) == read_query_set(lines)


def test_a_database_gives_poses_and_calibration(tmp_path: Path) -> None:
    database = Database.create(tmp_path / "queries", ORIGIN)
    database.add_entry("q", noise(1), ImageMetadata(w=320, h=240, K=CAMERA, E=pose_at(3.0, 4.0).tolist()))
    database.add_entry("lost", noise(2), ImageMetadata(w=320, h=240, K=CAMERA))
    found = read_query_set(tmp_path / "queries")
    assert [query.name for query in found.queries] == ["q"]
    assert "1 photos have no position" in found.notes[0]
    truth = truth_of(found.queries[0], FRAME, database.alt_datum)
    assert truth is not None
    assert truth.center_m == pytest.approx((3.0, 4.0, 1.6), abs=1e-6)
    assert truth.azimuth == pytest.approx(30.0, abs=1e-3)
    assert found.queries[0].camera is not None
    # Heights of another datum are not compared.
    elsewhere = truth_of(found.queries[0], FRAME, "egm96" if database.alt_datum != "egm96" else "wgs84")
    assert elsewhere is not None
    assert elsewhere.center_m[2] is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,lat,lng\n", "holds no queries"),
        ("", "has no column path"),
        ("lat,lng\n1,2\n", "line 1 has no column path"),
        ("path,lat,lng\na.jpg,48.9,8.4\nc.jpg,1,2\nd.jpg,1,2\n", "line 3: c.jpg does not exist; 2 of 3 photos"),
        ("path,lat,lng\na.jpg,48.9,8.4\na.jpg,1,2\n", "line 3 is called 'a.jpg' like line 2"),
        ("path,lat,lng\na.jpg,148.9,8.4\n", "line 2: lat 148.9, lng 8.4 is no place on Earth: lat and lng seem"),
        ("path,lat,lng\na.jpg,148.9,95\n", "no place on Earth: correct it"),
        ("path,lat,lng\na.jpg,48.9,east\n", "lng 'east' is no number"),
        ("path,lat,lng\na.jpg,48.9,nan\n", "lng 'nan' is no number"),
        ("path,lat,lng\na.jpg,,\n", "line 2 has no lat and lng"),
        ("path,lat,lng\na.jpg,48.9\n", "line 2 has not as many fields"),
        ("path,lat,lng,mask\na.jpg,48.9,8.4,m.png\n", "1 of 1 masks are missing"),
        ("path,lat,lng,fov\na.jpg,48.9,8.4,200\n", "line 2: its fov is that of no camera"),
        ("path,lat,lng,K\na.jpg,48.9,8.4,1 2 3\n", "line 2: its K is that of no camera"),
    ],
)
def test_what_cannot_be_right_is_named(folder: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        read_query_set(table(folder, text))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["absent", "absent.csv", "a.jpg", "empty"])
def test_what_is_no_query_set_is_named(folder: Path, name: str) -> None:
    (folder / "empty").mkdir()
    with pytest.raises(GeonavError, match=name):
        read_query_set(folder / name)


@pytest.mark.parametrize("text", ["[", "[]", '{"features": [1]}', '{"features": []}'])
def test_what_is_no_geojson_is_named(folder: Path, text: str) -> None:
    with pytest.raises(InputError, match=r"night\.geojson"):
        read_query_set(table(folder, text, "night.geojson"))


def test_exchanged_coordinates_within_range_are_found_by_the_references(folder: Path) -> None:
    references = Database.create(folder / "references", ORIGIN)
    references.add_entry("r", noise(5), ImageMetadata(w=320, h=240, K=CAMERA, E=pose_at(0.0, 0.0).tolist()))
    places = Places.of(references)
    right = read_query_set(table(folder, "path,lat,lng\na.jpg,48.94,8.41\nsub/b.jpg,8.94,48.41\n"))
    check_not_swapped("night.csv", right.queries[:1], places)
    # Far from every reference either way: not ours to judge.
    check_not_swapped("night.csv", right.queries[1:], places)
    assert nearest_m(right.queries[0], places) == pytest.approx(0.0, abs=200)
    wrong = read_query_set(table(folder, "path,lat,lng\na.jpg,48.94,8.41\nsub/b.jpg,8.41,48.94\n"))
    with pytest.raises(InputError, match=r"1 of 2 queries seem to be exchanged, the first being sub/b\.jpg"):
        check_not_swapped("night.csv", wrong.queries, places)


def test_distractors_come_as_folder_table_or_database(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    database = Database.create(tmp_path_factory.mktemp("far"), ORIGIN)
    database.add_entry("x", noise(7), ImageMetadata(w=320, h=240, K=CAMERA))
    lines = table(folder, "path\na.jpg\n", "far.csv")
    found = read_distractors([folder, lines, database.path])
    assert [query.name for query in found] == ["a.jpg", "sub/b.jpg", "a.jpg", "x"]
    assert all(query.is_distractor and truth_of(query, FRAME, "wgs84") is None for query in found)
    asked = read_query_set(table(folder, "path,lat,lng\na.jpg,48.94,8.41\n")).queries
    names = [query.name for query in joined(asked, found)]
    assert names == ["a.jpg", "a.jpg (2)", "sub/b.jpg", "a.jpg (3)", "x"]


def test_a_folder_without_photos_is_no_distractor(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no photo in it"):
        read_distractors([tmp_path])


def test_truth_follows_the_frame(tmp_path: Path) -> None:
    """A query set with an origin of its own stands in the references' frame at the same place."""
    there = Database.create(tmp_path / "queries", FRAME.origin)
    there.add_entry("q", noise(1), ImageMetadata(w=320, h=240, K=CAMERA, E=pose_at(3.0, 4.0).tolist()))
    query = read_query_set(there.path).queries[0]
    lat, lng, alt = (float(value) for value in FRAME.geo_from_enu(np.array([100.0, 50.0, 0.0])))
    moved = LocalFrame(type(ORIGIN)(lat, lng, alt))
    truth = truth_of(query, moved, there.alt_datum)
    assert truth is not None
    assert truth.center_m == pytest.approx((-97.0, -46.0, 1.6), abs=0.02)
    assert truth.azimuth == pytest.approx(30.0, abs=1e-3)
