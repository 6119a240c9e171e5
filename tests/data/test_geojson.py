"""GeoJSON of results."""

from __future__ import annotations

import pytest

from geonav.data.geojson import feature, feature_collection
from geonav.data.results import Ellipse, LocalizationResult, PositionStd


def located(alt_datum: str) -> LocalizationResult:
    return LocalizationResult(
        query="a.jpg",
        status="located",
        lat=48.5,
        lng=8.25,
        alt=130.0,
        alt_datum=alt_datum,
        azimuth=10.0,
        E=[[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
        position_std_m=PositionStd(east=0.1, north=0.2, up=0.3),
        ellipse_95=Ellipse(semi_major_m=0.5, semi_minor_m=0.2, azimuth_deg=0),
    )


def test_longitude_comes_first_and_only_ellipsoidal_heights_are_coordinates() -> None:
    assert feature(located("wgs84"))["geometry"] == {"type": "Point", "coordinates": [8.25, 48.5, 130.0]}
    assert feature(located("egm96"))["geometry"] == {"type": "Point", "coordinates": [8.25, 48.5]}
    assert feature(located("egm96"))["properties"]["alt"] == 130.0


def test_properties_are_those_a_map_needs() -> None:
    properties = feature(located("wgs84"))["properties"]
    assert properties["accuracy_m"] == 0.5
    assert properties["azimuth"] == 10.0
    assert "E" not in properties


@pytest.mark.parametrize("status", ["not_located", "retrieved_only"])
def test_a_photo_without_a_pose_has_no_geometry_but_a_reason(status: str) -> None:
    result = LocalizationResult(query="b.jpg", status=status, reason="dark")
    collection = feature_collection([located("wgs84"), result])
    assert collection["type"] == "FeatureCollection"
    assert collection["features"][1]["geometry"] is None
    assert collection["features"][1]["properties"]["reason"] == "dark"
