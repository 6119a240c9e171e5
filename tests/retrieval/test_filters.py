"""Filters and groups over a table of places."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from geonav.data.places import Places, Words, day_range
from geonav.errors import UsageError
from geonav.geometry.geodesy import GeoPoint, distance_m, moved
from geonav.retrieval.filters import Filters, around
from geonav.retrieval.grouping import one_per_place, views_per_place
from geonav.settings.search import SearchConfig


def _places(rows: list[dict[str, Any]]) -> Places:
    """A table with a row an item; what an item leaves out is not known."""
    days = [day_range(row["day"]) if "day" in row else (-1, -1) for row in rows]

    def column(name: str) -> np.ndarray:
        return np.array([row.get(name, np.nan) for row in rows], float)

    return Places(
        uids=[f"u{row:03d}" for row in range(len(rows))],
        lat=column("lat"),
        lng=column("lng"),
        azimuth=column("azimuth"),
        first_day=np.array([first for first, _ in days], np.int32),
        last_day=np.array([last for _, last in days], np.int32),
        provider=Words.of(row.get("provider", "") for row in rows),
        panorama=Words.of(row.get("panorama", "") for row in rows),
        stamp=np.zeros((len(rows), 2), np.int64),
    )


def _passing(places: Places, **settings: Any) -> list[int]:
    return np.flatnonzero(Filters.of(SearchConfig(**settings))(places)).tolist()


@pytest.mark.parametrize(("lat", "lng"), [(48.9, 8.4), (-17.8, 179.9999), (-17.8, -179.9999), (89.9995, 30.0)])
def test_a_radius_is_one_everywhere_on_earth(lat: float, lng: float) -> None:
    azimuths = np.arange(0.0, 360.0, 20.0)
    inner = moved(lat, lng, azimuths, 499.9)
    outer = moved(lat, lng, azimuths, 500.1)
    rows = [{"lat": a, "lng": b} for a, b in [*zip(*inner, strict=True), *zip(*outer, strict=True)]]
    passing = around(GeoPoint(lat, lng, 300.0), 500.0)(_places([*rows, {}]))
    assert passing.tolist() == [True] * 18 + [False] * 19


def test_the_radius_is_that_of_the_ellipsoid_far_out_too() -> None:
    far = moved(48.9, 8.4, 70.0, 100_000.0)
    assert distance_m(GeoPoint(48.9, 8.4), GeoPoint(float(far[0]), float(far[1]))) == pytest.approx(100_000)
    places = _places([{"lat": float(far[0]), "lng": float(far[1])}])
    assert _passing(places, near=(48.9, 8.4), within_m=100_100) == [0]
    assert _passing(places, near=(48.9, 8.4), within_m=99_800) == []


def test_days_must_lie_within_the_range_as_a_whole() -> None:
    places = _places([{"day": "2019"}, {"day": "2020-05"}, {"day": "2020-05-31"}, {"day": "2021-01-01T08:00"}, {}])
    assert _passing(places, captured_after="2020") == [1, 2, 3]
    assert _passing(places, captured_after="2020-05-15") == [2, 3]
    assert _passing(places, captured_before="2020-05-31") == [0, 1, 2]
    assert _passing(places, captured_after="2020-05-31", captured_before="2020") == [2]


def test_providers_and_headings() -> None:
    places = _places(
        [{"provider": "google", "azimuth": 350}, {"provider": "mine", "azimuth": 10}, {"azimuth": 180}, {}]
    )
    assert _passing(places, provider="mine") == [1]
    assert _passing(places, provider="other") == []
    assert _passing(places, heading=(340, 20)) == [0, 1]
    assert _passing(places, heading=(-20, 20)) == [0, 1]
    assert _passing(places, heading=(20, 340)) == [2]
    assert _passing(places, heading=(0, 360)) == [0, 1, 2]
    assert _passing(places, heading=(340, 20), provider="mine") == [1]


def test_filters_say_what_they_let_pass() -> None:
    settings = SearchConfig(near=(48.9, 8.4), within_m=500, captured_after="2020", provider="google", heading=(0, 90))
    assert Filters.of(settings).words == (
        "within 500 m of 48.900000 8.400000, captured after 2020, of provider google, looking from 0 to 90 degrees"
    )
    assert not Filters.of(SearchConfig())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"captured_after": "soon"}, "'soon' is no date"),
        ({"captured_after": "2021", "captured_before": "2020"}, "swap the two dates"),
    ],
)
def test_dates_that_make_no_sense_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Filters.of(SearchConfig(**settings))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"within_m": 5}, "within_m needs near"),
        ({"near": (1, 2)}, "near needs within_m"),
        ({"near": (91, 2), "within_m": 5}, "latitude from -90 to 90"),
        ({"near": (float("nan"), 2), "within_m": 5}, "latitude from -90 to 90"),
        ({"near": (1, 2), "within_m": float("nan")}, "within_m"),
        ({"near": (1, 2), "within_m": float("inf")}, "number of metres"),
        ({"near": (1, 2), "within_m": 0}, "within_m"),
        ({"heading": (0, float("inf"))}, "two azimuths"),
        ({"blend": float("nan")}, "blend"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        SearchConfig(**settings)


def _hits(count: int) -> list[tuple[str, float]]:
    return [(f"u{row:03d}", 1.0 - row / 10) for row in range(count)]


def test_one_hit_of_each_place_is_kept() -> None:
    lat, lng = (float(value) for value in moved(48.9, 8.4, 90.0, 10.0))
    rows = [
        {"lat": 48.9, "lng": 8.4},
        {"lat": 48.9, "lng": 8.4 + 5e-6},  # 0.4 m on
        {"lat": lat, "lng": lng, "provider": "g", "panorama": "p"},
        {"lat": 40.0, "lng": 8.4, "provider": "g", "panorama": "p"},  # elsewhere, they say, but the same panorama
        {"lat": 41.0, "lng": 8.4, "provider": "h", "panorama": "p"},  # another provider's panorama of that name
        {},
        {},
    ]
    kept = [uid for uid, _ in one_per_place([*_hits(7), ("new", 0.0)], _places(rows), 1.0)]
    assert kept == ["u000", "u002", "u004", "u005", "u006", "new"]
    assert [uid for uid, _ in one_per_place(_hits(3), _places(rows), 20.0)] == ["u000"]


def test_views_per_place_are_counted_where_they_look_the_same_way() -> None:
    def street(spacing_m: float, azimuths: list[float]) -> Places:
        steps = moved(48.9, 8.4, 90.0, np.arange(100) * spacing_m)
        return _places(
            [{"lat": a, "lng": b, "azimuth": azimuth} for a, b in zip(*steps, strict=True) for azimuth in azimuths]
        )

    assert views_per_place(street(10.0, [0, 90, 180, 270])) == 5  # 20 and 10 m back, itself, 10 and 20 m on
    assert views_per_place(street(100.0, [0])) == 1
    assert views_per_place(_places([{}, {}])) == 4
    assert views_per_place(_places([{"lat": 1.0, "lng": 2.0}] * 3)) == 3
