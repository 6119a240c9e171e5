"""Every kind of fault, as a bare client sees it and as the provider's own code bears it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import requests
from PIL import Image

from geonav.data.survey import Panorama, SamplePoint, ViewSpec
from geonav.errors import AuthError, GeonavError, NetworkError, QuotaError, UsageError
from geonav.providers.demo.provider import DemoProvider
from geonav.providers.demo.twin import FaultKind, Faults, Twin
from tests.providers.twin.stand_in import StandInCity

METADATA = "/maps/api/streetview/metadata?pano=a0&key=k"
IMAGE = "/maps/api/streetview?pano=a0&size=64x64&heading=0&key=k&return_error_code=true"
A1 = StandInCity().panoramas[1]
VIEW = ViewSpec(0, 30.0, 0.0, 90.0, 64, 64)


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as opened:
        yield opened


def always(kind: str, **more: object) -> Faults:
    return Faults({kind: 1.0}, **more)


def get(session: requests.Session, twin: Twin, target: str, **options: object) -> requests.Response:
    return session.get(f"{twin.base_url}{target}", timeout=5, **options)


@pytest.mark.parametrize("kind", ["429", "500", "503"])
def test_http_errors(session, twin_of, kind):
    twin = twin_of(always(kind, retry_after_s=7))
    for target in (METADATA, IMAGE, "/api/search"):
        response = get(session, twin, target)
        assert response.status_code == int(kind)
        assert response.headers["Retry-After"] == "7"
    assert twin.calls.faults == {kind: 3}
    assert twin.calls.billed_images == 0


def test_slow_replies_are_late_but_right(session, twin_of):
    twin = twin_of(always("slow", slow_s=0.2))
    response = get(session, twin, METADATA)
    assert response.elapsed.total_seconds() >= 0.2
    assert response.json()["status"] == "OK"


def test_a_slow_reply_does_not_hold_up_the_end(twin_of):
    twin = twin_of(always("slow", slow_s=60.0))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(requests.get, twin.base_url + METADATA, timeout=30)
        while not twin.calls.total:
            pass
        twin.stop()
        assert waiting.exception(timeout=5) or waiting.result().status_code == 200


def test_truncated_replies_end_before_their_length(session, twin_of):
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)):
        get(session, twin_of(always("truncated")), IMAGE)


def test_a_wrong_length_cuts_the_picture_unnoticed(session, twin_of):
    twin = twin_of(always("wrong-length", at_most=1))
    spoilt, whole = (get(session, twin, IMAGE) for _ in range(2))
    assert spoilt.status_code == whole.status_code == 200
    assert spoilt.content == whole.content[: len(whole.content) // 2]


def test_grey_pictures_have_the_size_asked_for(session, twin_of):
    twin = twin_of(always("grey"))
    response = get(session, twin, IMAGE)
    picture = Image.open(io.BytesIO(response.content))
    assert picture.size == (64, 64)
    assert np.ptp(np.median(np.asarray(picture).reshape(-1, 3), axis=0)) < 10
    assert get(session, twin, METADATA).json()["status"] == "OK"


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("request-denied", "REQUEST_DENIED", 403),
        ("over-query-limit", "OVER_QUERY_LIMIT", 429),
        ("unknown-error", "UNKNOWN_ERROR", 500),
    ],
)
def test_statuses_of_google(session, twin_of, kind, status, code):
    twin = twin_of(always(kind))
    for target in (METADATA, "/maps/api/elevation/json?locations=48.94,8.4&key=k"):
        response = get(session, twin, target)
        assert (response.status_code, response.json()["status"]) == (200, status)
    assert get(session, twin, IMAGE).status_code == code
    assert get(session, twin, "/api/search").status_code == 200


def test_redirects_lead_to_the_true_answer(session, twin_of):
    twin = twin_of(always("redirect"))
    assert get(session, twin, METADATA, allow_redirects=False).status_code == 302
    response = get(session, twin, METADATA)
    assert [step.status_code for step in response.history] == [302]
    assert response.json()["status"] == "OK"


def test_rates_hold_and_the_same_calls_fail_again(session, twin_of):
    def failed() -> list[int]:
        twin = twin_of(Faults({"500": 0.3}, seed=4))
        return [n for n in range(300) if get(session, twin, f"{METADATA}&n={n}").status_code == 500]

    first = failed()
    assert 60 <= len(first) <= 120
    assert failed() == first


def test_a_call_tried_again_draws_anew(session, twin_of):
    twin = twin_of(Faults({"500": 0.5}))
    codes = {get(session, twin, METADATA).status_code for _ in range(20)}
    assert codes == {200, 500}


def test_faults_keep_to_the_paths_they_are_for(session, twin_of):
    twin = twin_of(always("503", only="elevation"))
    assert get(session, twin, METADATA).status_code == 200
    assert get(session, twin, "/maps/api/elevation/json?locations=48.94,8.4&key=k").status_code == 503


@pytest.mark.parametrize(
    ("rates", "words"), [({"fire": 0.1}, "unknown fault 'fire'"), ({"500": 1.5}, "is no share"), ({"500": -0.1}, "no")]
)
def test_faults_that_make_no_sense_are_refused(rates, words):
    with pytest.raises(UsageError, match=words):
        Faults(rates)
    with pytest.raises(UsageError, match="no regular expression"):
        Faults(only="(")


PASSING = ["429", "500", "503", "slow", "truncated", "wrong-length", "grey", "redirect", "unknown-error"]


@pytest.mark.parametrize("kind", [*PASSING, "over-query-limit"])
def test_the_provider_gets_over_a_passing_fault(twin_of, config_of, kind):
    twin = twin_of(Faults({kind: 1.0}, slow_s=0.05, at_most=1))
    provider = DemoProvider.from_config(config_of(twin))
    try:
        panorama = provider.search(provider.queries(None, [SamplePoint(A1.lat, A1.lng)])[0])[0]
    except QuotaError:
        assert kind == "over-query-limit"
        return
    assert panorama.pano_id == "a1"
    assert Image.open(io.BytesIO(provider.picture(panorama, VIEW))).size == (64, 64)
    assert twin.calls.faults[kind] >= 1


@pytest.mark.parametrize("kind", [k for k in FaultKind if k not in ("slow", "redirect")])
def test_a_lasting_fault_ends_as_an_error_of_ours(twin_of, config_of, kind):
    panorama = Panorama("demo", "a1", A1.lat, A1.lng, "cut_by_provider")
    provider = DemoProvider.from_config(config_of(twin_of(always(kind)), fetch={"attempts": 2, "backoff_s": 0.0}))
    with pytest.raises(GeonavError) as caught:
        provider.picture(panorama, VIEW)
    expected = {"429": QuotaError, "over-query-limit": QuotaError, "request-denied": AuthError}.get(kind, NetworkError)
    assert type(caught.value) is expected
    assert "\n" not in str(caught.value)
