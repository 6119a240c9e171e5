"""The project's own code for Mapillary and Panoramax reads the twin as it reads the services."""

from __future__ import annotations

import io

import pytest
from PIL import Image
from shapely import box

from geonav.errors import AuthError
from geonav.providers.demo.twin import Access, Faults
from geonav.providers.registry import PROVIDERS
from tests.providers.twin.stand_in import StandInCity

CITY = StandInCity()
PLACES = {(place.lat, place.lng): place for place in CITY.panoramas}
NAMES = ["mapillary", "panoramax"]


def found_by(provider: object, area: object) -> list:
    return [panorama for query in provider.queries(area, []) for panorama in provider.search(query)]


@pytest.mark.parametrize("name", NAMES)
def test_every_panorama_is_found_once_with_its_pose(twin_of, config_of, name):
    provider = PROVIDERS.load(name).from_config(config_of(twin_of()))
    found = found_by(provider, CITY.outline)
    assert len(found) == len(PLACES)
    for panorama in found:
        place = PLACES[panorama.lat, panorama.lng]
        assert panorama.provider == name
        assert panorama.projection == "equirectangular"
        assert panorama.heading_deg == pytest.approx(place.heading_deg, abs=1e-6)
        assert (panorama.pitch_deg, panorama.roll_deg) == pytest.approx((0.0, 0.0), abs=1e-6)
        assert panorama.captured_at.startswith("2024-05-17")
    assert len({panorama.sequence for panorama in found}) == 2


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_found_outside_the_area(twin_of, config_of, name):
    provider = PROVIDERS.load(name).from_config(config_of(twin_of()))
    place = CITY.panoramas[3]
    around = box(place.lng - 1e-4, place.lat - 1e-4, place.lng + 1e-4, place.lat + 1e-4)
    assert [(p.lat, p.lng) for p in found_by(provider, around)] == [(place.lat, place.lng)]
    assert found_by(provider, box(0.0, 0.0, 1e-4, 1e-4)) == []


@pytest.mark.parametrize("name", NAMES)
def test_pictures_come_whole(twin_of, config_of, name):
    provider = PROVIDERS.load(name).from_config(config_of(twin_of()))
    panorama = found_by(provider, CITY.outline)[0]
    assert Image.open(io.BytesIO(provider.picture(panorama, None))).size == (128, 64)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["429", "500", "503", "slow", "truncated", "redirect"])
def test_passing_faults_are_got_over(twin_of, config_of, name, kind):
    twin = twin_of(Faults({kind: 1.0}, slow_s=0.02, at_most=1))
    provider = PROVIDERS.load(name).from_config(config_of(twin))
    found = found_by(provider, CITY.outline)
    assert len(found) == len(PLACES)
    assert Image.open(io.BytesIO(provider.picture(found[0], None))).size == (128, 64)
    assert twin.calls.faults[kind] >= 2


def test_a_picture_address_that_has_expired_is_asked_for_anew(twin_of, config_of):
    moments = iter([0.0, 1e6, 1e6, 1e6, 1e6, 1e6, 1e6, 1e6])
    twin = twin_of(access=Access(clock=lambda: next(moments)))
    provider = PROVIDERS.load("mapillary").from_config(config_of(twin))
    panorama = found_by(provider, CITY.outline)[0]
    assert Image.open(io.BytesIO(provider.picture(panorama, None))).size == (128, 64)
    assert twin.calls.services["mapillary_pictures"] >= 2


def test_a_wrong_token_stops_without_naming_it(twin_of, config_of):
    twin = twin_of(access=Access(mapillary_token="right"))  # noqa: S106
    config = config_of(twin, mapillary={"access_token": "MLY|wrong-one"})
    provider = PROVIDERS.load("mapillary").from_config(config)
    with pytest.raises(AuthError) as caught:
        found_by(provider, CITY.outline)
    assert "wrong-one" not in str(caught.value)
