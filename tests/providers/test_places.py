"""Places and outlines: parsed, cached, paced, and every failure in one line."""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import requests
from pytest_httpserver import HTTPServer
from shapely.geometry import Point
from werkzeug import Request, Response

from geonav import __version__
from geonav.config import GeonavConfig
from geonav.errors import AuthError, ConfigError, InputError, NetworkError, QuotaError, StorageError
from geonav.providers.places import find_place

RING = [[8.3, 48.8], [8.5, 48.8], [8.5, 49.0], [8.3, 49.0], [8.3, 48.8]]
HOLE = [[8.39, 48.89], [8.41, 48.89], [8.41, 48.91], [8.39, 48.91], [8.39, 48.89]]


def result(geometry: dict[str, Any] | None, **others: Any) -> dict[str, Any]:
    """One entry of an answer."""
    return {
        "display_name": "Demostadt, Land", "lat": "48.9", "lon": "8.4", "class": "boundary", "type": "administrative",
        "licence": "ODbL", "boundingbox": ["48.8", "49.0", "8.3", "8.5"], "geojson": geometry,
    } | others  # fmt: skip


TOWN = {"type": "MultiPolygon", "coordinates": [[RING, HOLE], [[[9, 49], [9.1, 49], [9.1, 49.1], [9, 49]]]]}
NODE = {"type": "Point", "coordinates": [8.4, 48.9]}


@pytest.fixture
def config(tmp_path: Path, httpserver: HTTPServer) -> GeonavConfig:
    return config_for(httpserver.url_for("/nominatim"), tmp_path / "cache")


def config_for(url: str, cache: Path, interval_s: float = 0.0) -> GeonavConfig:
    return GeonavConfig.model_validate(
        {
            "cache_dir": cache,
            "osm": {"nominatim_url": url, "min_interval_s": interval_s},
            "fetch": {"backoff_s": 0.0, "timeout_s": 2.0},
        }
    )


def answers(httpserver: HTTPServer, *results: dict[str, Any]) -> list[Request]:
    """Serve an answer; what is asked is collected."""
    asked: list[Request] = []

    def handle(request: Request) -> Response:
        asked.append(request)
        return Response(json.dumps(results), content_type="application/json")

    httpserver.expect_request("/nominatim/search").respond_with_handler(handle)
    return asked


def test_an_outline_comes_with_its_parts_and_holes(config: GeonavConfig, httpserver: HTTPServer) -> None:
    asked = answers(httpserver, result(TOWN))
    place = find_place("  Demostadt ", config)
    assert (place.name, place.lat, place.lng, place.kind) == (
        "Demostadt, Land", 48.9, 8.4, "boundary administrative",
    )  # fmt: skip
    assert place.outline is not None
    assert place.outline.covers(Point(8.31, 48.81))
    assert not place.outline.covers(Point(8.4, 48.9))
    assert len(place.outline.geoms) == 2
    (request,) = asked
    assert request.args["q"] == "Demostadt"
    assert request.args["polygon_geojson"] == "1"
    assert request.headers["User-Agent"] == f"geonav/{__version__}"


def test_a_place_is_asked_for_once_and_then_comes_from_the_cache(config: GeonavConfig, httpserver: HTTPServer) -> None:
    asked = answers(httpserver, result(TOWN))
    first = find_place("Demostadt", config)
    assert find_place("Demostadt", config) == first
    assert len(asked) == 1
    (entry,) = (config.cache_dir / "places").glob("*.json")  # type: ignore[operator]
    entry.write_text("{ half of it", encoding="utf-8")
    assert find_place("Demostadt", config) == first
    assert len(asked) == 2


def test_another_service_has_its_own_cache(config: GeonavConfig, httpserver: HTTPServer, tmp_path: Path) -> None:
    asked = answers(httpserver, result(TOWN))
    httpserver.expect_request("/other/search").respond_with_json([result(TOWN, display_name="Elsewhere")])
    find_place("Demostadt", config)
    assert find_place("Demostadt", config_for(httpserver.url_for("/other"), tmp_path / "cache")).name == "Elsewhere"
    assert len(asked) == 1


def test_a_password_in_the_address_is_in_no_file_and_no_error(
    httpserver: HTTPServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    answers(httpserver, result(TOWN))
    address = f"http://user:sesame-17@{httpserver.host}:{httpserver.port}/nominatim"
    with pytest.raises(NetworkError) as error:  # geopy's urllib has no use for a password there
        find_place("Nirgendwo", config_for(address.replace(str(httpserver.port), "1"), tmp_path / "cache"))
    assert "sesame-17" not in str(error.value)
    assert not any(b"sesame-17" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


@pytest.mark.parametrize("geometry", [NODE, {"type": "LineString", "coordinates": [[8.4, 48.9], [8.5, 48.9]]}, None])
def test_points_and_lines_have_no_outline(
    config: GeonavConfig, httpserver: HTTPServer, geometry: dict[str, Any] | None
) -> None:
    answers(httpserver, result(geometry))
    place = find_place("Demostadt", config)
    assert place.outline is None
    assert (place.lat, place.lng) == (48.9, 8.4)


def test_a_town_s_node_before_its_boundary_is_no_reason_to_lose_the_outline(
    config: GeonavConfig, httpserver: HTTPServer
) -> None:
    far = {"type": "Polygon", "coordinates": [[[1, 1], [2, 1], [2, 2], [1, 1]]]}
    around = {"type": "Polygon", "coordinates": [RING]}
    answers(
        httpserver,
        result(NODE),
        result(far, display_name="Namesake"),
        result(around, display_name="The town"),
    )
    assert find_place("Demostadt", config).name == "The town"


def test_an_unknown_place_is_one_line_and_asked_again_next_time(config: GeonavConfig, httpserver: HTTPServer) -> None:
    asked = answers(httpserver)
    for _ in range(2):
        with pytest.raises(InputError, match=r"localhost:\d+ knows no place 'Nirgendwo': check its spelling") as error:
            find_place("Nirgendwo", config)
        assert "\n" not in str(error.value)
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("status", "body", "error", "calls"),
    [
        (403, "", AuthError, 1),
        (429, "", QuotaError, 3),
        (503, "busy", NetworkError, 3),
        (200, "<html>a proxy's page</html>", NetworkError, 3),
        (200, '[{"no": "place"}]', NetworkError, 3),
        (200, '"text"', NetworkError, 3),
        (200, '{"error": "broken"}', NetworkError, 3),
    ],
)
def test_a_service_that_fails_is_one_line(
    config: GeonavConfig, httpserver: HTTPServer, status: int, body: str, error: type[Exception], calls: int
) -> None:
    httpserver.expect_request("/nominatim/search").respond_with_data(body, status=status)
    with pytest.raises(error) as raised:
        find_place("Demostadt", config)
    assert "\n" not in str(raised.value)
    assert f"localhost:{httpserver.port}" in str(raised.value)
    assert len(httpserver.log) <= calls
    assert not list((config.cache_dir / "places").glob("*.json"))  # type: ignore[operator]


def test_a_refusal_says_its_status(config: GeonavConfig, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/nominatim/search").respond_with_data("busy", status=503)
    with pytest.raises(NetworkError, match=r"cannot be asked for places \(HTTP 503\)"):
        find_place("Demostadt", config)


def test_a_service_that_recovers_is_tried_again(config: GeonavConfig, httpserver: HTTPServer) -> None:
    httpserver.expect_ordered_request("/nominatim/search").respond_with_data("", status=500)
    httpserver.expect_ordered_request("/nominatim/search").respond_with_json([result(TOWN)])
    assert find_place("Demostadt", config).name == "Demostadt, Land"


def test_a_service_that_asks_for_fewer_calls_is_asked_again_when_it_wants(
    config: GeonavConfig, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("geonav.providers.places.time.sleep", pauses.append)
    found = Response(json.dumps([result(TOWN)]), content_type="application/json")
    replies = [Response("", 429, {"Retry-After": "7"}), found, Response("", 429, {"Retry-After": "120"})]
    httpserver.expect_request("/nominatim/search").respond_with_handler(lambda _: replies.pop(0))
    assert find_place("Demostadt", config).name == "Demostadt, Land"
    assert pauses == [7.0]
    with pytest.raises(QuotaError, match="asks for fewer calls"):
        find_place("Elsewhere", config)
    assert (pauses, replies) == ([7.0], [])


def test_a_clock_that_is_off_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        msg = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: not yet valid"
        raise requests.exceptions.SSLError(msg)

    monkeypatch.setattr(requests.Session, "request", refuse)
    with pytest.raises(NetworkError, match=r"certificate cannot be verified: check this machine's clock"):
        find_place("Demostadt", config_for("https://127.0.0.1:1", tmp_path))


def test_no_network_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(
        NetworkError, match=r"127.0.0.1:1 cannot be asked for places \(it cannot be reached\): .* give --point"
    ) as error:
        find_place("Demostadt", config_for("http://127.0.0.1:1", tmp_path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("url", ["ftp://host", "nominatim.openstreetmap.org", "http://host/?key=abc", "http://"])
def test_an_address_that_is_none_is_refused_without_showing_it(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError, match=r"osm\.nominatim_url") as error:
        find_place("Demostadt", config_for(url, tmp_path))
    assert "abc" not in str(error.value)


def test_calls_of_several_processes_keep_the_interval(httpserver: HTTPServer, tmp_path: Path) -> None:
    times: list[float] = []

    def handle(_: Request) -> Response:
        times.append(time.monotonic())
        return Response(json.dumps([result(TOWN)]), content_type="application/json")

    httpserver.expect_request("/nominatim/search").respond_with_handler(handle)
    config = config_for(httpserver.url_for("/nominatim"), tmp_path, interval_s=0.2)
    # Each call opens the lock anew, as another process would.
    threads = [threading.Thread(target=find_place, args=(f"Place {index}", config)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gaps = [later - earlier for earlier, later in zip(sorted(times), sorted(times)[1:], strict=False)]
    assert len(gaps) == 3
    assert min(gaps) >= 0.19


def test_a_stamp_of_the_future_or_of_nonsense_does_not_block(httpserver: HTTPServer, tmp_path: Path) -> None:
    answers(httpserver, result(TOWN))
    config = config_for(httpserver.url_for("/nominatim"), tmp_path, interval_s=0.5)
    (tmp_path / "places").mkdir()
    start = time.monotonic()
    for index, stamp in enumerate((f"{time.time() + 1e6:.3f}", "nonsense")):
        (tmp_path / "places" / "last-call").write_text(stamp)
        find_place(f"Place {index}", config)
    assert time.monotonic() - start < 0.45


def test_a_full_disk_is_one_line(config: GeonavConfig, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(httpserver, result(TOWN))

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StorageError, match=r"last-call: No space left on device; free some space"):
        find_place("Demostadt", config)
