"""Heights, as Google's client and the project's own sources read them."""

from __future__ import annotations

import pytest
import requests

from geonav.providers.demo.twin import Access, Twin
from geonav.providers.demo.twin.elevation import decode_polyline
from geonav.providers.demo.twin.wire import BadCallError
from geonav.providers.heights.google import GoogleHeights
from geonav.providers.heights.open_meteo import OpenMeteoHeights
from geonav.providers.heights.url import UrlHeights
from tests.providers.twin.stand_in import StandInCity

POINTS = [(48.94 + n * 1e-4, 8.40) for n in range(3)]
HEIGHTS = [pytest.approx(120.0 + n * 0.1, abs=0.011) for n in range(3)]  # a polyline holds 1e-5 degrees


@pytest.fixture(scope="module")
def twin():
    with Twin(StandInCity()) as running:
        yield running


def ask(twin: Twin, **query: object) -> dict:
    return requests.get(f"{twin.base_url}/maps/api/elevation/json", params={"key": "k", **query}, timeout=5).json()


def test_the_example_of_the_polyline_algorithm():
    assert decode_polyline("_p~iF~ps|U_ulLnnqC_mqNvxq`@") == [
        pytest.approx(pair) for pair in [(38.5, -120.2), (40.7, -120.95), (43.252, -126.453)]
    ]


@pytest.mark.parametrize("text", ["_p~iF", "_p~iF~", "a b", "é"])
def test_a_broken_polyline_is_refused(text):
    with pytest.raises(BadCallError):
        decode_polyline(text)


def test_lists_and_polylines_give_the_same_heights(twin):
    listed = ask(twin, locations="|".join(f"{lat},{lng}" for lat, lng in POINTS))
    assert [result["elevation"] for result in listed["results"]] == HEIGHTS
    assert listed["results"][1]["location"] == {"lat": POINTS[1][0], "lng": POINTS[1][1]}
    encoded = ask(twin, locations="enc:" + _encoded(POINTS))
    assert [result["elevation"] for result in encoded["results"]] == HEIGHTS


def _encoded(points: list) -> str:
    from googlemaps.convert import encode_polyline

    return encode_polyline(points)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, "INVALID_REQUEST"),
        ({"locations": "here"}, "INVALID_REQUEST"),
        ({"locations": "|".join(["48.94,8.4"] * 513)}, "INVALID_REQUEST"),
        ({"locations": "|".join(["48.94,8.4"] * 512)}, "OK"),
        ({"locations": "0,0"}, "DATA_NOT_AVAILABLE"),
        ({"locations": "48.94,8.4", "key": ""}, "REQUEST_DENIED"),
    ],
)
def test_statuses(twin, query, status):
    assert ask(twin, **query)["status"] == status


def test_a_call_is_billed_once_however_many_points(twin_of):
    twin = twin_of()
    ask(twin, locations="48.94,8.4|48.94,8.41")
    ask(twin, locations="nonsense")
    assert twin.calls.billed == {"elevation": 1}


@pytest.mark.parametrize("source_class", [GoogleHeights, OpenMeteoHeights, UrlHeights])
def test_the_sources_own_code_reads_the_twin(twin_of, config_of, source_class):
    twin = twin_of(access=Access(google_key="AIza-mine"))
    url = f"{twin.base_url}/maps/api/elevation/json?locations={{locations}}&key=AIza-mine"
    source = source_class.from_config(config_of(twin, elevation={"source": "url", "url": url}))
    tolerance = 0.06 if source_class is OpenMeteoHeights else 0.011
    assert source.heights(POINTS) == [pytest.approx(120.0 + n * 0.1, abs=tolerance) for n in range(3)]


@pytest.mark.parametrize(
    ("query", "code"),
    [("latitude=48.94&longitude=8.4,8.5", 400), ("latitude=x&longitude=y", 400), ("latitude=48&longitude=8", 200)],
)
def test_open_meteo_wants_pairs(twin, query, code):
    assert requests.get(f"{twin.base_url}/v1/elevation?{query}", timeout=5).status_code == code
