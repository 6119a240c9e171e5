"""Street View Static: what is asked, what answers mean, and both over real sockets."""

from __future__ import annotations

import base64
import io
import itertools
import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import PIL.Image
import PIL.ImageDraw
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from geonav.config import GeonavConfig
from geonav.data.survey import Panorama, SamplePoint, SearchQuery, ViewSpec
from geonav.errors import AuthError, GeonavError, MissingError, NetworkError, QuotaError, UsageError
from geonav.providers.base import Provider
from geonav.providers.google import GoogleStreetView
from geonav.providers.google.credentials import Credentials, is_googles_own
from geonav.providers.google.parse import check_picture, parse_metadata
from geonav.providers.google.request import IMAGE_PATH, METADATA_PATH, address, image_request, signature
from geonav.providers.registry import PROVIDERS

KEY = "AIzaSyD-secret_of_this_test"
PUBLISHED = "vNIXE0xscrmjlyV-12Nj_BvUPaw="
PLACE = SearchQuery("48.9400000,8.4000000/50", 48.94, 8.4, 50.0)
VIEW = ViewSpec(index=1, azimuth_deg=45.0, pitch_deg=0.0, fov_deg=90.0, width=64, height=64)
FOUND = {
    "copyright": "© Google",
    "date": "2023-05",
    "location": {"lat": 48.9401234, "lng": 8.4004321},
    "pano_id": "CAoSLEFGMVFpcE",
    "status": "OK",
}


def settings(url: str, **google: object) -> GeonavConfig:
    fetch = {"backoff_s": 0.0, "attempts": 3, "timeout_s": 2.0}
    return GeonavConfig(google={"url": url, "api_key": KEY, **google}, fetch=fetch)


@pytest.fixture
def street_view(httpserver: HTTPServer) -> GoogleStreetView:
    return GoogleStreetView.from_config(settings(httpserver.url_for("")))


def serve(server: HTTPServer, path: str, *replies: Response | dict[str, Any]) -> list[Request]:
    """Serve ``replies`` one after another, the last for ever; the calls are collected in the list returned."""
    seen: list[Request] = []
    turn = itertools.chain(replies, itertools.repeat(replies[-1]))

    def handle(request: Request) -> Response:
        seen.append(request)
        reply = next(turn)
        return Response(json.dumps(reply)) if isinstance(reply, dict) else reply

    server.expect_request(path).respond_with_handler(handle)
    return seen


def jpeg(picture: PIL.Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90)
    return file.getvalue()


def street_jpeg(width: int = 64, height: int = 64) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    return jpeg(PIL.Image.fromarray(pixels))


def grey_jpeg(size: int = 640) -> bytes:
    picture = PIL.Image.new("RGB", (size, size), (228, 227, 223))
    text = "Sorry, we have no imagery here."
    PIL.ImageDraw.Draw(picture).text((size / 2, size / 2), text, (120, 120, 120), anchor="mm", font_size=size / 20)
    return jpeg(picture)


# Requests.


def test_signature_is_that_of_the_published_example() -> None:
    signed = signature(PUBLISHED, "/maps/api/geocode/json?address=New+York&client=clientID")
    assert signed == "chaRF2hTJKOScPr-RQCEhZbSzIE="


def test_a_secret_that_is_no_base64_is_not_shown() -> None:
    with pytest.raises(AuthError, match="GOOGLE_MAPS_SIGNING_SECRET is no URL-safe base64") as caught:
        signature("not?base64!", "/maps")
    assert "not?base64!" not in str(caught.value)
    assert caught.value.__context__ is None


def test_the_signature_covers_what_is_sent(httpserver: HTTPServer) -> None:
    seen = serve(httpserver, METADATA_PATH, FOUND)
    GoogleStreetView.from_config(settings(httpserver.url_for(""), signing_secret=PUBLISHED)).search(PLACE)
    sent, _, signed = seen[0].environ["RAW_URI"].partition("&signature=")
    assert signed == signature(PUBLISHED, sent)
    assert base64.urlsafe_b64decode(signed)


def test_an_image_is_asked_for_by_name_with_everything_said() -> None:
    view = ViewSpec(index=7, azimuth_deg=-45.0, pitch_deg=-0.0, fov_deg=90.0, width=640, height=480)
    assert image_request("abc", view) == {
        "pano": "abc",
        "size": "640x480",
        "fov": "90",
        "heading": "315",
        "pitch": "0",
        "source": "outdoor",
        "return_error_code": "true",
    }


@given(
    azimuth_deg=st.floats(-720.0, 720.0),
    pitch_deg=st.floats(-90.0, 90.0),
    fov_deg=st.floats(0.01, 120.0),
    pano_id=st.text(min_size=1),
)
def test_every_view_is_spelled_as_the_reference_reads_it(
    azimuth_deg: float, pitch_deg: float, fov_deg: float, pano_id: str
) -> None:
    view = ViewSpec(0, azimuth_deg, pitch_deg, fov_deg, 640, 640)
    url = address(IMAGE_PATH, image_request(pano_id, view), Credentials(SecretStr(KEY)))
    sent = {name: values[0] for name, values in parse_qs(urlsplit(url).query, strict_parsing=True).items()}
    assert sent["pano"] == pano_id
    assert sent["key"] == KEY
    assert 0.0 <= float(sent["heading"]) <= 360.0
    assert float(sent["heading"]) % 360.0 == pytest.approx(azimuth_deg % 360.0, abs=1e-6) or azimuth_deg % 360 > 359.9
    assert float(sent["pitch"]) == pytest.approx(pitch_deg, abs=1e-6)
    assert float(sent["fov"]) == pytest.approx(fov_deg, abs=1e-6)
    assert not {"e", "E"} & set(sent["heading"] + sent["pitch"] + sent["fov"])


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"width": 641}, r"at most 640 pixels a side, not 641x64: lower --size"),
        ({"height": 2048}, r"at most 640 pixels a side, not 64x2048"),
        ({"width": 0}, r"at most 640 pixels"),
        ({"fov_deg": 120.5}, r"at most 120 degrees, not 120\.5: lower --fov"),
        ({"pitch_deg": 91.0}, r"between -90 and 90 degrees, not 91"),
    ],
)
def test_views_that_google_would_change_are_refused_unasked(
    httpserver: HTTPServer, street_view: GoogleStreetView, changed: dict[str, float], words: str
) -> None:
    seen = serve(httpserver, IMAGE_PATH, Response(street_jpeg()))
    view = ViewSpec(**{**vars(VIEW), **changed})
    with pytest.raises(UsageError, match=words):
        street_view.picture(Panorama("google", "abc", 48.0, 8.0, "cut_by_provider"), view)
    assert not seen


# Answers.


def test_metadata_becomes_a_panorama(httpserver: HTTPServer, street_view: GoogleStreetView) -> None:
    seen = serve(httpserver, METADATA_PATH, FOUND)
    assert street_view.search(PLACE) == [
        Panorama(
            provider="google",
            pano_id="CAoSLEFGMVFpcE",
            lat=48.9401234,
            lng=8.4004321,
            projection="cut_by_provider",
            captured_at="2023-05",
            licence="Google Maps Platform Terms of Service",
            attribution="© Google",
            position_std_m=3.0,
            heading_std_deg=2.0,
            extra={"copyright": "© Google", "is_googles": True},
        )
    ]
    sent = seen[0].args.to_dict()
    assert sent == {"location": "48.9400000,8.4000000", "radius": "50", "source": "outdoor", "key": KEY}


@pytest.mark.parametrize(
    ("owner", "is_googles"),
    [
        ("© Google", True),
        ("(c) Google", True),
        ("© 2019 Google", True),
        ("Google, Inc.", True),
        ("© Google Fan Club", False),
        ("© Erika Mustermann", False),
        ("", False),
    ],
)
def test_users_panoramas_are_told_apart_and_trusted_less(owner: str, is_googles: bool, httpserver: HTTPServer) -> None:
    serve(httpserver, METADATA_PATH, {**FOUND, "copyright": owner})
    (panorama,) = GoogleStreetView.from_config(settings(httpserver.url_for(""))).search(PLACE)
    assert panorama.extra == {"copyright": owner, "is_googles": is_googles}
    assert (panorama.position_std_m, panorama.heading_std_deg) == ((3.0, 2.0) if is_googles else (10.0, 10.0))


def test_the_configuration_says_how_far_to_trust(httpserver: HTTPServer) -> None:
    serve(httpserver, METADATA_PATH, FOUND)
    config = settings(httpserver.url_for(""))
    fetch = config.fetch.model_copy(update={"position_std_m": 0.0, "heading_std_deg": 0.5})
    (panorama,) = GoogleStreetView.from_config(config.model_copy(update={"fetch": fetch})).search(PLACE)
    assert (panorama.position_std_m, panorama.heading_std_deg) == (0.0, 0.5)


@pytest.mark.parametrize("date", ["", "May 2023", None])
def test_a_date_that_is_none_is_left_out(date: str | None) -> None:
    facts = parse_metadata({**FOUND, "date": date})
    assert facts is not None
    assert facts.captured_at is None


def test_the_antimeridian_has_one_name() -> None:
    facts = parse_metadata({**FOUND, "location": {"lat": -17.0, "lng": 180.0}})
    assert facts is not None
    assert facts.lng == -180.0


def test_where_there_is_nothing_nothing_is_found(httpserver: HTTPServer, street_view: GoogleStreetView) -> None:
    seen = serve(httpserver, METADATA_PATH, {"status": "ZERO_RESULTS"})
    assert street_view.search(PLACE) == []
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("status", "kind", "calls", "words"),
    [
        ("REQUEST_DENIED", AuthError, 1, "set GOOGLE_MAPS_API_KEY or give --credentials FILE"),
        ("NOT_FOUND", MissingError, 1, "does not know the place"),
        ("INVALID_REQUEST", GeonavError, 1, "please report this as a fault of geonav"),
        ("OVER_QUERY_LIMIT", QuotaError, 3, "the quota is used up"),
        ("OVER_DAILY_LIMIT", QuotaError, 3, "the quota is used up"),
        ("UNKNOWN_ERROR", NetworkError, 3, "run the command again to go on"),
        ("NEVER_SEEN", NetworkError, 3, "NEVER_SEEN"),
        (None, NetworkError, 3, "Google Street View failed (None)"),
    ],
)
def test_every_status_does_what_the_reference_says(
    httpserver: HTTPServer, street_view: GoogleStreetView, status: str, kind: type[GeonavError], calls: int, words: str
) -> None:
    seen = serve(httpserver, METADATA_PATH, {"status": status, "error_message": f"of key={KEY} and\n{KEY}"})
    with pytest.raises(GeonavError) as caught:
        street_view.search(PLACE)
    assert type(caught.value) is kind
    assert words in str(caught.value) or status is None
    assert "\n" not in str(caught.value)
    assert KEY not in str(caught.value)
    assert len(seen) == calls


@pytest.mark.parametrize("status", ["OVER_QUERY_LIMIT", "UNKNOWN_ERROR"])
def test_statuses_that_pass_are_tried_again(httpserver: HTTPServer, street_view: GoogleStreetView, status: str) -> None:
    serve(httpserver, METADATA_PATH, {"status": status}, Response("", 503), FOUND)
    assert [panorama.pano_id for panorama in street_view.search(PLACE)] == ["CAoSLEFGMVFpcE"]


@pytest.mark.parametrize(
    "answer",
    [
        [],
        "OK",
        {"status": "OK"},
        {**FOUND, "location": None},
        {**FOUND, "location": {"lat": "north", "lng": 8.0}},
        {**FOUND, "location": {"lat": 95.0, "lng": 8.0}},
        {**FOUND, "location": {"lat": float("nan"), "lng": 8.0}},
        {**FOUND, "pano_id": ""},
        {**FOUND, "pano_id": 5},
    ],
)
def test_an_answer_that_lacks_something_is_a_failed_try(answer: object) -> None:
    with pytest.raises(NetworkError, match="run the command again") as caught:
        parse_metadata(answer)
    assert "\n" not in str(caught.value)


# Queries.


def test_equal_points_are_asked_once_and_keys_are_stable(street_view: GoogleStreetView) -> None:
    points = [SamplePoint(48.94, 8.4, 12.0), SamplePoint(48.94 + 1e-9, 8.4), SamplePoint(-0.0, -180.0)]
    queries = street_view.queries(None, points)
    assert [query.key for query in queries] == ["48.9400000,8.4000000/50", "0.0000000,-180.0000000/50"]
    assert [query.radius_m for query in queries] == [50.0, 50.0]
    assert street_view.queries(None, points[:1])[0].key == queries[0].key
    assert street_view.queries(None, []) == []


# Pictures.

PANORAMA = Panorama("google", "abc", 48.94, 8.4, "cut_by_provider")


def test_a_picture_comes_as_it_was_sent(httpserver: HTTPServer, street_view: GoogleStreetView) -> None:
    seen = serve(httpserver, IMAGE_PATH, Response(street_jpeg(), content_type="image/jpeg"))
    assert street_view.picture(PANORAMA, VIEW) == street_jpeg()
    assert seen[0].args["pano"] == "abc"
    assert seen[0].args["heading"] == "45"


BAD_PICTURES: dict[str, tuple[Callable[[], bytes], str]] = {
    "grey": (lambda: grey_jpeg(64), "the grey picture that stands for no imagery"),
    "cut off": (lambda: street_jpeg()[:-400], "no whole JPEG"),
    "empty": (lambda: b"", "0 bytes that are no whole JPEG"),
    "a page": (lambda: b"<html>please log in</html>", "no whole JPEG"),
    "another size": (lambda: street_jpeg(64, 48), "a picture of 64x48 pixels instead of 64x64"),
}


@pytest.mark.parametrize(("make", "words"), BAD_PICTURES.values(), ids=BAD_PICTURES)
def test_what_is_no_picture_is_tried_again_and_then_refused(
    httpserver: HTTPServer, street_view: GoogleStreetView, make: Callable[[], bytes], words: str
) -> None:
    seen = serve(httpserver, IMAGE_PATH, Response(make()), Response(make()), Response(street_jpeg()))
    assert street_view.picture(PANORAMA, VIEW) == street_jpeg()
    assert len(seen) == 3
    httpserver.clear()
    seen = serve(httpserver, IMAGE_PATH, Response(make()))
    with pytest.raises(NetworkError, match=words):
        street_view.picture(PANORAMA, VIEW)
    assert len(seen) == 3


def test_the_grey_picture_is_told_from_pictures_that_are_nearly_empty() -> None:
    with pytest.raises(NetworkError, match="grey"):
        check_picture(grey_jpeg(), 640, 640)
    rows = np.linspace(150, 235, 640)[:, None, None]
    hazy = np.broadcast_to(rows, (640, 640, 3)).astype(np.uint8)
    blue = np.full((640, 640, 3), (120, 160, 220), np.uint8)
    white = np.full((640, 640, 3), 255, np.uint8)
    for pixels in (hazy, blue, white):
        check_picture(jpeg(PIL.Image.fromarray(pixels)), 640, 640)


def test_a_panorama_that_is_gone(httpserver: HTTPServer, street_view: GoogleStreetView) -> None:
    seen = serve(httpserver, IMAGE_PATH, Response("", 404))
    with pytest.raises(MissingError, match="no longer has panorama abc; 'geonav fetch metadata --refresh'"):
        street_view.picture(PANORAMA, VIEW)
    assert len(seen) == 1
    serve(httpserver, METADATA_PATH, FOUND, {"status": "ZERO_RESULTS"})
    assert street_view.refreshed(PANORAMA).pano_id == "CAoSLEFGMVFpcE"
    with pytest.raises(MissingError, match=r"no panorama within 50 m of 48\.9400000,8\.4000000 any more"):
        street_view.refreshed(PANORAMA)


def test_a_whole_panorama_cannot_be_had(street_view: GoogleStreetView) -> None:
    with pytest.raises(UsageError, match="say which"):
        street_view.picture(PANORAMA, None)


# Keys and terms.


def test_it_is_a_provider(street_view: GoogleStreetView) -> None:
    assert isinstance(street_view, Provider)
    assert PROVIDERS.load("google") is GoogleStreetView


@pytest.mark.parametrize("key", [None, "", "  "])
def test_without_a_key_nothing_starts(key: str | None) -> None:
    with pytest.raises(
        AuthError, match=r"no key for maps\.googleapis\.com: set GOOGLE_MAPS_API_KEY or give --credentials"
    ):
        GoogleStreetView.from_config(GeonavConfig(google={"api_key": key}))


def test_googles_terms_are_acknowledged_once() -> None:
    with pytest.raises(UsageError, match=r"forbid .* terms_acknowledged = true under \[google\]") as caught:
        GoogleStreetView.from_config(GeonavConfig(google={"api_key": KEY}))
    assert "\n" not in str(caught.value)
    GoogleStreetView.from_config(GeonavConfig(google={"api_key": KEY, "terms_acknowledged": True}))


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("https://maps.googleapis.com", True),
        ("https://MAPS.googleapis.com./", True),
        ("https://tile.googleapis.com:443", True),
        ("http://127.0.0.1:8080", False),
        ("https://googleapis.com.example.org", False),
        ("https://notgoogleapis.com", False),
    ],
)
def test_terms_bind_googles_own_hosts(url: str, own: bool) -> None:
    assert is_googles_own(url) is own


def test_no_key_in_any_log_error_or_name(httpserver: HTTPServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    config = settings(httpserver.url_for(""), signing_secret=PUBLISHED)
    street_view = GoogleStreetView.from_config(config)
    texts = [repr(street_view), repr(config), repr(Credentials.from_config(config)), repr(vars(street_view))]
    bad: list[Response | dict[str, Any]] = [
        *(Response(f"key={KEY}", code) for code in (400, 401, 403, 404, 429, 500, 503)),
        Response(json.dumps({"error_message": f"signature of {KEY}"}), 403),
        {"status": "REQUEST_DENIED", "error_message": f"The key {KEY} is wrong"},
        {"status": "UNKNOWN_ERROR", "error_message": f"https://h/p?key={KEY}&signature=c2lnbmVk"},
        Response(street_jpeg(32, 32)),
    ]
    for reply in bad:
        httpserver.clear()
        serve(httpserver, METADATA_PATH, reply)
        serve(httpserver, IMAGE_PATH, reply)
        calls: list[Callable[[], object]] = [
            lambda: street_view.search(PLACE),
            lambda: street_view.picture(PANORAMA, VIEW),
        ]
        for call in calls:
            with pytest.raises(GeonavError) as caught:
                call()
            error: BaseException | None = caught.value
            while error is not None:
                texts += [str(error), repr(error)]
                error = error.__cause__ or error.__context__
    texts += [record.getMessage() for record in caplog.records if record.name != "werkzeug"]
    assert any(text.startswith("http://") and METADATA_PATH in text for text in texts), "the client's log is among them"
    for text in texts:
        assert KEY not in text
        assert PUBLISHED.rstrip("=") not in text
        assert "c2lnbmVk" not in text


# Speed.

SERVER = f"""
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Metadata(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536

    def do_GET(self):
        body = {json.dumps(FOUND).encode()!r}
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass

server = ThreadingHTTPServer(("127.0.0.1", 0), Metadata)
print(server.server_port, flush=True)
server.serve_forever()
"""


@pytest.fixture
def server_process() -> Iterator[str]:
    """The address of a server in another process: in this one it would take the clients' time."""
    process = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
    with process:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.kill()


def resident_mb() -> float:
    words = Path("/proc/self/status").read_text().split()
    return int(words[words.index("VmRSS:") + 1]) / 1024.0


@pytest.mark.slow
def test_ten_thousand_calls_take_little_longer_than_bare_ones(server_process: str) -> None:
    """At least 80 % of the rate of a requests loop with the same threads, and no memory kept."""
    street_view = GoogleStreetView.from_config(settings(server_process, requests_per_minute=10**8))
    local = threading.local()

    def bare(number: int) -> str:
        if not hasattr(local, "session"):
            local.session = requests.Session()
        params = {"location": f"{number * 1e-5:.7f},8.4000000", "radius": "50", "source": "outdoor", "key": KEY}
        return local.session.get(server_process + METADATA_PATH, params=params, timeout=20.0).json()["pano_id"]

    def ours(number: int) -> str:
        return street_view.search(SearchQuery(str(number), number * 1e-5, 8.4, 50.0))[0].pano_id

    def rate(call: Callable[[int], str], count: int) -> float:
        started = time.perf_counter()
        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(call, range(count))) == {FOUND["pano_id"]}
        return count / (time.perf_counter() - started)

    rate(ours, 1000)
    before_mb = resident_mb()
    rates = [(rate(ours, 2500), rate(bare, 2500)) for _ in range(4)]
    assert resident_mb() - before_mb < 10.0
    assert max(mine / theirs for mine, theirs in rates) >= 0.8
