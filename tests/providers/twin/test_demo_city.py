"""The twin over the demo city itself: what different services show of one place agrees."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from geonav.data.survey import SamplePoint, ViewSpec
from geonav.providers.demo.city import CityPlan, DemoCity
from geonav.providers.demo.twin import Twin
from geonav.providers.registry import PROVIDERS
from geonav.vision.equirectangular import cut_views


@pytest.fixture(scope="module")
def twin():
    with Twin(DemoCity(CityPlan(num_panoramas=2)), panorama_width=512) as running:
        yield running


def pixels_of(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


@pytest.mark.parametrize("name", ["mapillary", "panoramax"])
def test_a_view_cut_from_a_sphere_is_the_view_that_google_would_cut(twin, config_of, name):
    city = DemoCity(CityPlan(num_panoramas=2))
    config = config_of(twin, fetch={"timeout_s": 600.0})  # a cold scene takes as long as the machine needs
    place = city.panoramas[0]
    demo, spheres = (PROVIDERS.load(each).from_config(config) for each in ("demo", name))
    found = demo.search(demo.queries(None, [SamplePoint(place.lat, place.lng)])[0])[0]
    panoramas = [p for query in spheres.queries(city.outline, []) for p in spheres.search(query)]
    assert len(panoramas) == 2
    sphere = min(panoramas, key=lambda p: abs(p.lat - place.lat) + abs(p.lng - place.lng))
    picture = pixels_of(spheres.picture(sphere, None))
    view = ViewSpec(0, place.heading_deg + 65.0, 5.0, 90.0, 128, 128)
    angles = {"heading_deg": sphere.heading_deg, "pitch_deg": sphere.pitch_deg, "roll_deg": sphere.roll_deg}
    cut = cut_views(picture, [view], **angles)[0]
    wanted = pixels_of(demo.picture(found, view)).astype(float)
    turned = cut_views(picture, [ViewSpec(0, view.azimuth_deg + 4.0, 5.0, 90.0, 128, 128)], **angles)[0]
    difference, if_turned = (np.abs(wanted - other).mean() for other in (cut, turned))
    assert difference < 0.6 * if_turned
