"""The way out to the network: tried again, bounded, paced, and silent about keys."""

from __future__ import annotations

import gzip
import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from geonav.config import GeonavConfig
from geonav.errors import AuthError, GeonavError, MissingError, NetworkError, QuotaError, UsageError
from geonav.providers.http import HttpClient, HttpLimits
from geonav.providers.pacing import BACKOFF_MAX_S, RateLimit, backoff_s, retry_after_s
from geonav.providers.redaction import HIDDEN, redact

KEY = "AIzaSy/very+secret=key"
FAST = HttpLimits(attempts=3, backoff_s=0.0, timeout_s=2.0)


@pytest.fixture(scope="module")
def threaded_server() -> Iterator[HTTPServer]:
    with HTTPServer(threaded=True) as server:
        yield server


@pytest.fixture
def httpserver(threaded_server: HTTPServer) -> HTTPServer:
    """One that still answers while an earlier call is being slow."""
    threaded_server.clear()
    return threaded_server


def client(server: HTTPServer, limits: HttpLimits = FAST, **options: object) -> HttpClient:
    return HttpClient(server.url_for(""), limits, service="Service", secrets=(KEY,), **options)


def answers(server: HTTPServer, path: str, replies: Iterable[Callable[[Request], Response]]) -> list[Request]:
    """Serve ``replies`` one after another; the calls are collected in the list returned."""
    seen: list[Request] = []
    turn = iter(replies)

    def handle(request: Request) -> Response:
        seen.append(request)
        return next(turn)(request)

    server.expect_request(path).respond_with_handler(handle)
    return seen


def ok(_request: Request) -> Response:
    return Response('{"found": 1}', content_type="application/json")


def status(code: int, **headers: str) -> Callable[[Request], Response]:
    return lambda _request: Response("", code, {name.replace("_", "-"): value for name, value in headers.items()})


class Unmeasured(Response):
    """Says whatever length it is given."""

    automatically_set_content_length = False


def truncated(_request: Request) -> Response:
    return Unmeasured(b'{"found', headers={"Content-Length": "12"})


def slow(_request: Request) -> Response:
    time.sleep(0.5)
    return Response('{"found": 0}')


def half_json(_request: Request) -> Response:
    return Response('{"found": ')


def broken_gzip(_request: Request) -> Response:
    return Response(gzip.compress(b'{"found": 1}')[:-12] + b"x" * 6, headers={"Content-Encoding": "gzip"})


PASSING_FAULTS = {
    "429": status(429),
    "429 with a date": status(429, Retry_After="Mon, 01 Jan 2035 00:00:00 GMT", Date="Mon, 01 Jan 2035 00:00:00 GMT"),
    "500": status(500),
    "502": status(502),
    "503": status(503, Retry_After="0"),
    "504": status(504),
    "slow": slow,
    "truncated": truncated,
    "half of a JSON": half_json,
    "broken gzip": broken_gzip,
}


@pytest.mark.parametrize("fault", PASSING_FAULTS.values(), ids=PASSING_FAULTS)
def test_faults_that_pass_are_tried_again(httpserver: HTTPServer, fault: Callable[[Request], Response]) -> None:
    seen = answers(httpserver, "/thing", [fault, fault, ok])
    found = client(httpserver, HttpLimits(attempts=3, backoff_s=0.0, timeout_s=0.2)).get_json("/thing", {"key": KEY})
    assert found == {"found": 1}
    assert len(seen) == 3


@pytest.mark.parametrize(
    ("reply", "kind", "calls", "words"),
    [
        (status(401), AuthError, 1, "refused the key (401): renew the key"),
        (status(403), AuthError, 1, "refused the key (403): renew the key"),
        (status(404), MissingError, 1, "Service has no /thing (404)"),
        (status(410), MissingError, 1, "Service has no /thing (410)"),
        (status(400), NetworkError, 1, "answered 400"),
        (status(429), QuotaError, 3, "answered 429"),
        (status(429, Retry_After="3600"), QuotaError, 1, "asks to wait 3600 s"),
        (status(503), NetworkError, 3, "answered 503"),
        (half_json, NetworkError, 3, "bytes that are no JSON"),
        (truncated, NetworkError, 3, "broke off"),
        (status(302, Location="ftp://elsewhere/"), NetworkError, 1, "not http(s)"),
        (status(302, Location="/thing"), NetworkError, 6, "redirects more than 5 times"),
    ],
)
def test_what_remains_is_one_line_of_the_right_kind(
    httpserver: HTTPServer, reply: Callable[[Request], Response], kind: type[GeonavError], calls: int, words: str
) -> None:
    seen = answers(httpserver, "/thing", itertools.repeat(reply))
    with pytest.raises(GeonavError) as caught:
        client(httpserver, key_advice="renew the key").get_json("/thing", {"key": KEY})
    assert type(caught.value) is kind
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(seen) == calls


def test_a_service_that_is_not_there() -> None:
    nobody = HttpClient("http://127.0.0.1:1/", FAST, service="Service", secrets=(KEY,))
    with pytest.raises(NetworkError, match=r"Service at 127\.0\.0\.1:1: cannot be reached; run the command again"):
        nobody.get_bytes(f"/thing?key={KEY}")


@pytest.mark.parametrize("url", ["", "maps.example", "ftp://maps.example", "file:///etc/passwd", "http://[half"])
def test_only_http_addresses_are_taken(url: str) -> None:
    with pytest.raises(UsageError, match=r"no http\(s\) address"):
        HttpClient(url, FAST, service="Service")


def test_what_the_service_says_is_passed_on_without_the_key(httpserver: HTTPServer) -> None:
    said = {"error": {"message": f"key {KEY}\nhas  expired", "code": 403}}
    httpserver.expect_request("/thing").respond_with_json(said, status=403)
    with pytest.raises(AuthError, match=r"\(403: key \[hidden\] has expired\)"):
        client(httpserver).get_bytes("/thing")


def test_a_larger_answer_than_allowed_is_refused_while_it_comes(httpserver: HTTPServer) -> None:
    sent = []

    def endless() -> Iterable[bytes]:
        while len(sent) < 10_000:
            sent.append(1)
            yield b"x" * 10_000

    httpserver.expect_request("/thing").respond_with_response(Response(endless(), direct_passthrough=True))
    with pytest.raises(NetworkError, match="more than 100000 bytes"):
        client(httpserver, HttpLimits(attempts=3, backoff_s=0.0, max_bytes=100_000)).get_bytes("/thing")
    assert len(sent) < 10_000


def test_an_answer_that_trickles_is_given_up(httpserver: HTTPServer) -> None:
    def trickle() -> Iterable[bytes]:
        for _ in range(200):
            time.sleep(0.01)
            yield b"x" * 70_000

    httpserver.expect_request("/thing").respond_with_response(Response(trickle(), direct_passthrough=True))
    started = time.monotonic()
    with pytest.raises(NetworkError, match=r"no answer within 0\.02 s"):
        client(httpserver, HttpLimits(attempts=1, timeout_s=0.02)).get_bytes("/thing")
    assert time.monotonic() - started < 1.5


def test_headers_go_to_their_own_host_alone(httpserver: HTTPServer) -> None:
    elsewhere = answers(httpserver, "/elsewhere", itertools.repeat(ok))
    # The same server under its other name is another host.
    target = f"http://127.0.0.1:{httpserver.port}/elsewhere"
    here = answers(httpserver, "/thing", itertools.repeat(status(302, Location=target)))
    speaker = client(httpserver, headers={"Authorization": "OAuth token", "X-Api-Key": KEY})
    speaker.get_json("/thing", {"key": KEY})
    speaker.get_json(target)
    assert here[0].headers["Authorization"] == "OAuth token"
    assert here[0].headers["User-Agent"].startswith("geonav/")
    assert len(elsewhere) == 2
    for request in elsewhere:
        assert "Authorization" not in request.headers
        assert "X-Api-Key" not in request.headers
        assert not request.query_string


def test_a_redirect_within_the_host_keeps_the_headers(httpserver: HTTPServer) -> None:
    answers(httpserver, "/thing", [status(307, Location="/moved?at=1")])
    moved = answers(httpserver, "/moved", [ok])
    assert client(httpserver, headers={"Authorization": "OAuth token"}).get_json("/thing") == {"found": 1}
    assert moved[0].headers["Authorization"] == "OAuth token"
    assert moved[0].query_string == b"at=1"


def test_netrc_does_not_replace_the_headers(
    httpserver: HTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    seen = answers(httpserver, "/thing", [ok, ok])
    assert requests.get(httpserver.url_for("/thing"), timeout=5).request.headers["Authorization"].startswith("Basic")
    client(httpserver, headers={"Authorization": "OAuth token"}).get_json("/thing")
    assert seen[1].headers["Authorization"] == "OAuth token"


def test_several_threads_may_call_at_once(httpserver: HTTPServer) -> None:
    """No call is answered before all four have come."""
    all_here = threading.Barrier(4, timeout=5.0)

    def handle(request: Request) -> Response:
        all_here.wait()
        return Response(request.args["call"])

    httpserver.expect_request("/thing").respond_with_handler(handle)
    speaker = client(httpserver)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda call: speaker.get_json("/thing", {"call": call}), range(8))) == list(range(8))


KEYS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Z")), min_size=4, max_size=40)


@given(key=KEYS, before=st.text(max_size=10))
def test_no_spelling_of_a_key_survives(key: str, before: str) -> None:
    for spelling in (key, quote(key, safe=""), quote_plus(key)):
        hidden = redact(f"{before}?a=1&x={spelling}&b=2", [key])
        assert spelling not in hidden.replace(HIDDEN, "").removeprefix(before)


@pytest.mark.parametrize("name", ["key", "apikey", "api_key", "access_token", "token", "signature", "client_secret"])
def test_parameters_that_hold_keys_are_hidden_unknown(name: str) -> None:
    text = f"GET /maps?size=640x640&{name}=abc%2Fdef HTTP/1.1"
    assert redact(text) == f"GET /maps?size=640x640&{name}={HIDDEN} HTTP/1.1"


def test_no_key_in_any_log_error_or_name(httpserver: HTTPServer, caplog: pytest.LogCaptureFixture) -> None:
    """All loggers listen at their most talkative; the server's own log is the other side of the wire."""
    caplog.set_level(logging.DEBUG)
    replies = [*PASSING_FAULTS.values(), status(401), status(404), status(302, Location="ftp://x/?key=AIza")]
    texts = []
    for reply in replies:
        httpserver.clear()
        answers(httpserver, "/thing", itertools.repeat(reply))
        speaker = client(httpserver, HttpLimits(attempts=2, backoff_s=0.0, timeout_s=0.2))
        with pytest.raises(GeonavError) as caught:
            speaker.get_json("/thing", {"key": KEY, "signature": "U2lnbmF0dXJl"})
        error: BaseException | None = caught.value
        while error is not None:
            texts += [str(error), repr(error)]
            error = error.__cause__ or error.__context__
        texts.append(repr(speaker))
    ours = [record.getMessage() for record in caplog.records if record.name != "werkzeug"]
    assert any("/thing?key=[hidden]" in text for text in ours), "the HTTP library's own log must be among them"
    for text in texts + ours:
        assert "U2lnbmF0dXJl" not in text
        for spelling in (KEY, quote(KEY), quote(KEY, safe=""), quote_plus(KEY)):
            assert spelling not in text


def test_limits_come_from_the_configuration() -> None:
    config = GeonavConfig(fetch={"attempts": 7, "backoff_s": 0.25, "timeout_s": 3.0, "max_image_bytes": 5000})
    assert HttpLimits.of(config, 90) == HttpLimits(7, 0.25, 3.0, 90, 5000)


def test_the_rate_is_kept_by_all_threads_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time stands still but for the pauses: each call's pause is when it goes out."""
    pauses = []
    monkeypatch.setattr("geonav.providers.pacing.time.monotonic", lambda: 100.0)
    monkeypatch.setattr("geonav.providers.pacing.time.sleep", pauses.append)
    limit = RateLimit(610)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: limit.wait(), range(2000)))
    starts = sorted([0.0] * (2000 - len(pauses)) + pauses)
    for first in range(0, 2000 - 610, 100):
        assert starts[first + 610] - starts[first] >= 60.0 - 1e-6
    assert starts[609] - starts[0] <= 60.0


@pytest.mark.parametrize("per_minute", [1, 2, 60])
def test_a_slow_rate_goes_one_by_one(per_minute: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses = []
    monkeypatch.setattr("geonav.providers.pacing.time.monotonic", lambda: 100.0)
    monkeypatch.setattr("geonav.providers.pacing.time.sleep", pauses.append)
    limit = RateLimit(per_minute)
    for _ in range(5 * per_minute + 1):
        limit.wait()
    assert 300.0 * 0.99 <= pauses[-1] <= 300.0 * 2.1


def test_backoff_doubles_up_to_a_bound() -> None:
    for tries in (1, 2, 5, 10_000):
        pause = backoff_s(0.5, tries)
        expected = min(0.5 * 2.0 ** min(tries - 1, 60), BACKOFF_MAX_S)
        assert 0.5 * expected <= pause <= 1.5 * expected
    assert backoff_s(0.0, 5) == 0.0


def test_retry_after_reads_seconds_and_dates() -> None:
    date = "Sun, 22 Nov 2026 10:00:{:02d} GMT"
    assert retry_after_s({"Retry-After": "7"}) == 7.0
    assert retry_after_s({"Retry-After": date.format(30), "Date": date.format(10)}) == 20.0
    assert retry_after_s({"Retry-After": date.format(10), "Date": date.format(30)}) == 0.0
    assert retry_after_s({"Retry-After": "soon", "Date": date.format(10)}) is None
    assert retry_after_s({}) is None
