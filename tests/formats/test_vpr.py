"""Trees of @east@north@ photos: names, zone edges, and the way back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyproj
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geonav.data.database import Database
from geonav.data.images import decode
from geonav.data.metadata import ImageMetadata
from geonav.errors import InputError, UsageError
from geonav.formats.vpr import UtmZone, VprPhoto, band, common_zone, format_name, parse_name
from geonav.geometry.geodesy import GeoPoint, distance_m
from geonav.pipeline.export_vpr import export_vpr
from geonav.pipeline.importing_lists import VprImport, import_vpr
from tests.data.photos import exif, jpeg, write_jpeg


@settings(max_examples=60)
@given(st.floats(-79, 83), st.floats(-180, 179.99), st.floats(0, 359.9), st.floats(-20, 20))
def test_names_round_trip(lat: float, lng: float, heading: float, height: float) -> None:
    place = GeoPoint(lat, lng)
    name = format_name(VprPhoto(place, "a_b", heading, height, "20240102_030405", "n"), UtmZone.of(lat, lng))
    back = parse_name(name)
    assert distance_m(back.place, place) < 0.01
    assert (back.pano_id, back.timestamp, back.note, back.doubts) == ("a_b", "20240102_030405", "n", ())
    assert back.heading_deg == pytest.approx(heading, abs=0.006)
    assert back.height_m == pytest.approx(height, abs=0.006)


@settings(max_examples=10, deadline=None)
@given(st.floats(0.1, 71.9), st.sampled_from([-1, 1]), st.integers(0, 59), st.floats(0.01, 5.99))
def test_zones_are_those_of_proj(lat: float, side: int, number: int, within: float) -> None:
    lat, lng = side * lat, -180 + 6 * number + within
    zone = UtmZone.of(lat, lng)
    area = pyproj.aoi.AreaOfInterest(lng, lat, lng, lat)
    known = pyproj.database.query_utm_crs_info("WGS 84", area, contains=True)
    names = {info.name.rpartition(" ")[2] for info in known}
    norway = 56 <= lat < 64 and 3 <= lng < 12
    assert norway or f"{zone.number}{'S' if zone.south else 'N'}" in names


@pytest.mark.parametrize(
    ("lat", "lng", "number", "letter"),
    [
        (60.4, 5.3, 32, "V"),
        (78.2, 15.6, 33, "X"),
        (48.9, 8.4, 32, "U"),
        (-33.9, 18.4, 34, "H"),
        (0.0, -180.0, 1, "N"),
        (-1e-80, 1.0, 31, "M"),
        (83.5, 3.0, 31, "X"),
    ],
)
def test_known_zones(lat: float, lng: float, number: int, letter: str) -> None:
    assert (UtmZone.of(lat, lng).number, band(lat)) == (number, letter)


@pytest.mark.parametrize(("lat", "lng"), [(48.0, 11.99999), (10.0, 179.99999), (0.00001, 20.0)])
def test_both_sides_of_an_edge_are_close_in_a_tree(lat: float, lng: float) -> None:
    across = GeoPoint(-lat, lng) if lat < 1 else GeoPoint(lat, (lng + 0.00002 + 180) % 360 - 180)
    places = [GeoPoint(lat, lng), across]
    zone = common_zone(places)
    names = [format_name(VprPhoto(place), zone) for place in places]
    bare = np.array([[float(part) for part in name.split("@")[1:3]] for name in names])
    assert np.linalg.norm(bare[0] - bare[1]) == pytest.approx(distance_m(*places), rel=2e-3, abs=0.02)
    for name, place in zip(names, places, strict=True):
        assert distance_m(parse_name(name).place, place) < 0.01


def test_a_name_of_the_benchmarks_is_read() -> None:
    said = parse_name("@0584069.48@4477093.19@17@T@040.43984@-080.00884@000123@05@090@@@@201905@day@.jpg")
    assert (said.place.lat_deg, said.place.lng_deg) == pytest.approx((40.43984, -80.00884), abs=2e-3)
    assert (said.pano_id, said.heading_deg, said.timestamp, said.note) == ("000123", 90.0, "201905", "day")


def test_what_does_not_fit_together_is_doubted() -> None:
    said = parse_name("@0500000.00@4477093.19@17@T@040.43984@-080.00884@@@@@@@@@.jpg")
    assert (said.place.lat_deg, said.place.lng_deg) == (40.43984, -80.00884)
    assert "from its latitude and longitude" in said.doubts[0]


def test_another_dialect_needs_a_zone() -> None:
    name = "@0694011.50@6172000.00@seq@7@key@cph@20180102@.jpg"
    with pytest.raises(InputError, match="give --zone"):
        parse_name(name)
    said = parse_name(name, UtmZone.parse("32U"))
    assert said.place.lat_deg == pytest.approx(55.66, abs=0.05)
    assert said.pano_id == ""


@pytest.mark.parametrize("name", ["a.jpg", "@.jpg", "@x@y@.jpg", "@1@nan@.jpg", "pre@1@2@.jpg"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="is not named @east@north@"):
        parse_name(name)


@pytest.mark.parametrize("text", ["", "61N", "0N", "32", "32I", "N32"])
def test_other_zones_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not a UTM zone"):
        UtmZone.parse(text)


def test_a_place_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="no place has the coordinates"):
        parse_name("@9999999999@1@32@U@.jpg")


@pytest.fixture
def database(tmp_path: Path) -> Database:
    made = Database.create(tmp_path / "db", GeoPoint(48.0, 12.0, 500.0))
    for number, lng in enumerate((11.9999, 12.0001)):
        fields = {"lat": 48.0, "lng": lng, "alt": 500.0, "azn": 359.9999, "captured_at": "2024-01-02T03:04:05+01:00"}
        made.add_entry(f"u{number}", jpeg(seed=number), ImageMetadata(w=96, h=64, K=None, alt_datum="wgs84", **fields))
    sideways = jpeg(seed=3, tags=exif({274: 6}))
    made.add_entry("u2", sideways, ImageMetadata(w=64, h=96, K=None, lat=48.0, lng=12.001))
    made.add_entry("lost", jpeg(), ImageMetadata(w=96, h=64, K=None))
    return made


def test_a_tree_round_trips(database: Database, tmp_path: Path) -> None:
    report = export_vpr(database.path, tmp_path / "tree", database.path)
    assert (report.num_images, [uid for uid, _ in report.left_out]) == (6, ["lost", "lost"])
    folder = tmp_path / "tree" / "images" / "test" / "database"
    names = sorted(path.name for path in folder.iterdir())
    assert {name.split("@")[3] for name in names} == {"33"}
    assert (folder.parent / "queries" / names[0]).exists()
    imported = import_vpr(tmp_path / "back", folder, VprImport())
    assert not imported.failed
    back = Database.open(tmp_path / "back")
    for uid in back.uids():
        metadata = back.metadata(uid)
        pano = (metadata.source_name or "").split("@")[7]
        before = database.metadata(pano)
        assert metadata.E is None
        assert (
            distance_m(GeoPoint(metadata.lat or 0, metadata.lng or 0), GeoPoint(before.lat or 0, before.lng or 0))
            < 0.01
        )
        assert (metadata.w, metadata.h) == (before.w, before.h)
    first = next(path for path in folder.iterdir() if "@u0@" in path.name)
    assert first.read_bytes() == database.image_path("u0").read_bytes()
    assert "@20240102_030405@" in first.name
    turned = next(path for path in folder.iterdir() if "@u2@" in path.name)
    assert decode(turned.read_bytes(), turned).shape == (96, 64, 3)
    with pytest.raises(InputError, match="holds photos already"):
        export_vpr(database.path, tmp_path / "tree")


def test_a_photo_without_place_is_reported(tmp_path: Path) -> None:
    write_jpeg(tmp_path / "tree" / "@0694011.50@6172000.00@32@U@.jpg")
    write_jpeg(tmp_path / "tree" / "plain.jpg")
    report = import_vpr(tmp_path / "db", tmp_path / "tree", VprImport())
    assert len(report.added) == 1
    assert [name for name, _ in report.failed] == ["plain.jpg"]
    with pytest.raises(InputError, match="none of 1 photos"):
        import_vpr(tmp_path / "db", tmp_path / "tree", VprImport(include=("plain.jpg",)))
