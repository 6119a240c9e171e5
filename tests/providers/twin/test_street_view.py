"""Street View Static as its documentation has it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io

import numpy as np
import pytest
import requests
from PIL import Image

from geonav.config import GeonavConfig
from geonav.data.survey import Panorama, SamplePoint, ViewSpec
from geonav.errors import AuthError, MissingError, UsageError
from geonav.geometry.geodesy import GeoPoint, distance_m
from geonav.providers.demo.provider import DemoProvider
from geonav.providers.demo.twin import Access, Twin
from geonav.providers.google import GoogleStreetView
from tests.providers.twin.stand_in import StandInCity

SECRET = base64.urlsafe_b64encode(b"a secret of the twin").decode()
A1 = StandInCity().panoramas[1]
NEAR_A1 = f"{A1.lat + 5e-5},{A1.lng}"  # 5.6 m north of it


@pytest.fixture(scope="module")
def city():
    return StandInCity()


@pytest.fixture(scope="module")
def twin(city):
    with Twin(city) as running:
        yield running


def ask(twin: Twin, path: str, **query: object) -> requests.Response:
    with requests.Session() as session:
        return session.get(f"{twin.base_url}/maps/api/streetview{path}", params={"key": "k", **query})


def size_of(response: requests.Response) -> tuple[int, int]:
    return Image.open(io.BytesIO(response.content)).size


def test_metadata_gives_the_nearest_panorama_within_the_radius(twin):
    assert ask(twin, "/metadata", location=NEAR_A1, radius=6).json() == {
        "copyright": "© geonav demo",
        "date": "2024-05",
        "location": {"lat": A1.lat, "lng": A1.lng},
        "pano_id": "a1",
        "status": "OK",
    }


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"location": NEAR_A1, "radius": 5}, "ZERO_RESULTS"),
        ({"pano": "a2"}, "OK"),
        ({"pano": "gone"}, "ZERO_RESULTS"),
        ({"location": "Standdorf", "radius": 500}, "OK"),
        ({"location": "Atlantis"}, "NOT_FOUND"),
        ({}, "INVALID_REQUEST"),
        ({"location": "95,8"}, "INVALID_REQUEST"),
        ({"location": NEAR_A1, "radius": "-1"}, "INVALID_REQUEST"),
        ({"location": NEAR_A1, "source": "indoor"}, "INVALID_REQUEST"),
        ({"location": NEAR_A1, "key": ""}, "REQUEST_DENIED"),
    ],
)
def test_metadata_statuses_come_with_http_200(twin, query, status):
    response = ask(twin, "/metadata", **query)
    assert (response.status_code, response.json()["status"]) == (200, status)


def test_a_view_is_the_one_asked_for(twin, city):
    ask(twin, "", pano="b0", size="96x64", heading="-90", pitch="10", fov="60")
    assert city.views_taken[-1] == ("b0", 270.0, 10.0, 60.0, 96, 64)


def test_size_and_fov_are_clamped(twin, city):
    response = ask(twin, "", pano="a0", size="2000x64", heading=1, fov=150)
    assert size_of(response) == (640, 64)
    assert city.views_taken[-1][3] == 120.0


def test_without_heading_a_view_by_place_looks_at_the_place(twin, city):
    ask(twin, "", location=NEAR_A1, size="64x64")
    assert city.views_taken[-1][:2] == ("a1", pytest.approx(0.0, abs=0.1))


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"pano": "gone", "size": "64x64"}, 404),
        ({"location": "Atlantis", "size": "64x64"}, 404),
        ({"location": "0,0", "size": "64x64"}, 404),
        ({"size": "64x64"}, 400),
        ({"pano": "a0"}, 400),
        ({"pano": "a0", "size": "0x64"}, 400),
        ({"pano": "a0", "size": "64x64", "pitch": "91"}, 400),
    ],
)
def test_no_image_is_an_error_or_a_grey_picture(twin, query, code):
    assert ask(twin, "", return_error_code="true", **query).status_code == code
    response = ask(twin, "", **query)
    assert response.status_code == 200
    pixels = np.asarray(Image.open(io.BytesIO(response.content)), int)
    assert (np.abs(pixels - (228, 227, 223)).max(axis=-1) <= 3).mean() > 0.9


def test_a_wrong_key_is_refused(twin_of):
    twin = twin_of(access=Access(google_key="right"))
    assert ask(twin, "", pano="a0", size="64x64", key="wrong").status_code == 403
    assert ask(twin, "/metadata", pano="a0", key="wrong").json()["status"] == "REQUEST_DENIED"
    assert ask(twin, "/metadata", pano="a0", key="right").json()["status"] == "OK"
    assert twin.calls.billed_images == 0


def test_signatures_are_checked_where_there_is_a_secret(twin_of):
    twin = twin_of(access=Access(signing_secret=SECRET))
    assert ask(twin, "/metadata", pano="a0").json()["status"] == "REQUEST_DENIED"
    signed = "/maps/api/streetview/metadata?pano=a0&key=k"
    digest = hmac.new(b"a secret of the twin", signed.encode(), hashlib.sha1).digest()
    url = f"{twin.base_url}{signed}&signature={base64.urlsafe_b64encode(digest).decode()}"
    assert requests.get(url, timeout=5).json()["status"] == "OK"
    assert requests.get(url.replace("a0", "a1"), timeout=5).json()["status"] == "REQUEST_DENIED"


def test_images_are_counted_as_billed_and_metadata_is_not(twin_of):
    twin = twin_of()
    ask(twin, "/metadata", pano="a0")
    for _ in range(2):
        ask(twin, "", pano="a0", size="64x64", heading="0")
    ask(twin, "", pano="gone", size="64x64", return_error_code="true")
    assert twin.calls.services == {"street_view_metadata": 1, "street_view_image": 3}
    assert twin.calls.billed_images == 2
    assert list(twin.calls.paid.values()) == [2]
    assert not any("key" in address for address in twin.calls.paid)


@pytest.mark.parametrize("provider_class", [DemoProvider, GoogleStreetView])
def test_the_providers_own_code_reads_the_twin(twin_of, config_of, provider_class):
    twin = twin_of(access=Access(google_key="AIza-mine", signing_secret=SECRET))
    provider = provider_class.from_config(config_of(twin))
    queries = provider.queries(None, [SamplePoint(A1.lat, A1.lng), SamplePoint(0.0, 0.0)])
    found, nothing = (provider.search(query) for query in queries)
    assert nothing == []
    assert [panorama.pano_id for panorama in found] == ["a1"]
    assert distance_m(GeoPoint(A1.lat, A1.lng), GeoPoint(found[0].lat, found[0].lng)) < 0.01
    picture = provider.picture(found[0], ViewSpec(0, 30.0, 0.0, 90.0, 64, 64))
    assert Image.open(io.BytesIO(picture)).size == (64, 64)
    gone = Panorama(provider="google", pano_id="gone", lat=0.0, lng=0.0, projection="cut_by_provider")
    with pytest.raises(MissingError):
        provider.picture(gone, ViewSpec(0, 30.0, 0.0, 90.0, 64, 64))


def test_a_wrong_key_stops_the_provider_without_naming_it(twin_of, config_of):
    twin = twin_of(access=Access(google_key="AIza-right"))
    provider = DemoProvider.from_config(config_of(twin, google={"api_key": "AIza-wrong"}))
    with pytest.raises(AuthError) as caught:
        provider.search(provider.queries(None, [SamplePoint(A1.lat, A1.lng)])[0])
    assert "AIza-wrong" not in str(caught.value)


def test_demo_trusts_its_poses_unless_told_otherwise(twin_of, config_of):
    twin = twin_of()
    for fetch, trust in (({}, (0.05, 0.3)), ({"position_std_m": 2.0, "heading_std_deg": 3.0}, (2.0, 3.0))):
        provider = DemoProvider.from_config(config_of(twin, fetch={**twin.settings()["fetch"], **fetch}))
        panorama = provider.search(provider.queries(None, [SamplePoint(A1.lat, A1.lng)])[0])[0]
        assert (panorama.position_std_m, panorama.heading_std_deg) == trust
        assert (panorama.provider, provider.paid_as) == ("demo", None)


def test_demo_never_calls_google(config_of):
    with pytest.raises(UsageError, match="geonav demo serve"):
        DemoProvider.from_config(GeonavConfig.model_validate({"google": {"api_key": "AIza-mine"}}))
