"""Heights of the ground: every source, over real sockets and real files."""

from __future__ import annotations

import itertools
import json
import logging
import math
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from googlemaps.convert import decode_polyline
from hypothesis import given
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from geonav.config import GeonavConfig
from geonav.errors import AuthError, GeonavError, InputError, NetworkError, QuotaError, UsageError
from geonav.providers.base import HeightSource
from geonav.providers.heights import spatial_order
from geonav.providers.registry import HEIGHT_SOURCES

KEY = "AIzaSyD-secret_of_this_test"
POINTS = [(48.94, 8.4), (48.95, 8.41), (-33.9, 151.2)]
ELEVATION_PATH = "/maps/api/elevation/json"


def settings(server: HTTPServer | None = None, **elevation: object) -> GeonavConfig:
    url = server.url_for("") if server else "https://maps.googleapis.com"
    fetch = {"backoff_s": 0.0, "attempts": 3, "timeout_s": 2.0}
    return GeonavConfig(
        google={"url": url, "api_key": KEY, "terms_acknowledged": True},
        elevation={"open_meteo_url": url, **elevation},
        fetch=fetch,
    )


def source(name: str, server: HTTPServer | None = None, **elevation: object) -> HeightSource:
    return HEIGHT_SOURCES.load(name).from_config(settings(server, **elevation))


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


def results(heights: Iterable[float | None]) -> dict[str, Any]:
    """An answer of Google's shape; the places in it are of no use."""
    place = {"lat": 0.0, "lng": 0.0}
    return {"status": "OK", "results": [{"elevation": h, "location": place, "resolution": 9.5} for h in heights]}


# All sources.

MAKERS: dict[str, Callable[[HTTPServer, Path], HeightSource]] = {
    "constant": lambda _server, _folder: source("constant", constant_m=12.5, datum="local"),
    "geotiff": lambda _server, folder: source("geotiff", geotiff=ramp(folder / "dem.tif"), datum="egm2008"),
    "google": lambda server, _folder: source("google", server),
    "open-meteo": lambda server, _folder: source("open-meteo", server),
    "url": lambda server, _folder: source("url", url=server.url_for("/v1/dem?locations={locations}"), datum="wgs84"),
}
DATUMS = {"constant": "local", "geotiff": "egm2008", "google": "egm96", "open-meteo": "egm2008", "url": "wgs84"}
BATCHES = {"google": 512, "open-meteo": 100, "url": 100}


@pytest.mark.parametrize("name", HEIGHT_SOURCES.names())
def test_every_source_keeps_the_contract(name: str, httpserver: HTTPServer, tmp_path: Path) -> None:
    heights = MAKERS[name](httpserver, tmp_path)
    assert isinstance(heights, HeightSource)
    assert heights.name == name
    assert heights.datum == DATUMS[name]
    assert heights.paid_as == ("elevation" if name == "google" else None)
    assert heights.batch_size == BATCHES.get(name, heights.batch_size) > 0
    assert heights.heights([]) == []
    assert not httpserver.log, "nothing is asked for no points"


def test_constant() -> None:
    assert source("constant", constant_m=-3.5).heights(POINTS) == [-3.5] * 3


# Google.


def asked_for(request: Request) -> list[tuple[float, float]]:
    """Points of a call; Google's client sends pairs or a polyline, whichever is shorter."""
    places = request.args["locations"]
    if not places.startswith("enc:"):
        return [(float(lat), float(lng)) for lat, lng in (place.split(",") for place in places.split("|"))]
    return [(round(p["lat"], 5), round(p["lng"], 5)) for p in decode_polyline(places.removeprefix("enc:"))]


def test_google_matches_by_index(httpserver: HTTPServer) -> None:
    seen = serve(httpserver, ELEVATION_PATH, results([115.5, None, -2.25]))
    assert source("google", httpserver).heights(POINTS) == [115.5, None, -2.25]
    assert asked_for(seen[0]) == POINTS
    assert seen[0].args["key"] == KEY


def test_google_takes_a_tuple_of_points_and_a_single_one(httpserver: HTTPServer) -> None:
    serve(httpserver, ELEVATION_PATH, results([1.0, 2.0, 3.0]), results([4.0]))
    google = source("google", httpserver)
    assert google.heights(tuple(POINTS)) == [1.0, 2.0, 3.0]
    assert google.heights(POINTS[:1]) == [4.0]


def test_google_takes_512_points_in_one_address(httpserver: HTTPServer) -> None:
    seen = serve(httpserver, ELEVATION_PATH, results([0.0] * 512))
    random = np.random.default_rng(0).uniform((-89, -179), (89, 179), (512, 2))
    assert len(source("google", httpserver).heights([tuple(point) for point in random.tolist()])) == 512
    assert len(seen[0].url) <= 16_384


@pytest.mark.parametrize(
    "fault",
    [
        {"status": "UNKNOWN_ERROR"},
        {"status": "OVER_QUERY_LIMIT"},
        results([1.0, 2.0]),
        results([1.0, 2.0, 3.0, 4.0]),
        {"status": "OK"},
        Response("", 429),
        Response("", 500),
        Response("", 503),
        Response("{"),
    ],
    ids=str,
)
def test_google_faults_that_pass_are_tried_again(httpserver: HTTPServer, fault: Response | dict[str, Any]) -> None:
    seen = serve(httpserver, ELEVATION_PATH, fault, fault, results([1.0, 2.0, 3.0]))
    assert source("google", httpserver).heights(POINTS) == [1.0, 2.0, 3.0]
    assert len(seen) == 3


@pytest.mark.parametrize(
    ("reply", "kind", "calls", "words"),
    [
        ({"status": "REQUEST_DENIED"}, AuthError, 1, "set GOOGLE_MAPS_API_KEY or give --credentials"),
        ({"status": "OVER_DAILY_LIMIT"}, QuotaError, 3, "quota is used up"),
        ({"status": "OVER_QUERY_LIMIT"}, QuotaError, 3, "quota is used up"),
        ({"status": "INVALID_REQUEST"}, GeonavError, 1, "please report this"),
        ({"status": "UNKNOWN_ERROR"}, NetworkError, 3, "UNKNOWN_ERROR"),
        (results([1.0]), NetworkError, 3, "answered 1 heights for 3 points"),
        (Response("", 403), AuthError, 1, "refused the key (403)"),
        (Response("", 429), QuotaError, 3, "answered 429"),
        (Response("", 500), NetworkError, 3, "answered 500"),
    ],
    ids=str,
)
def test_google_failures_are_one_line(
    httpserver: HTTPServer, reply: Response | dict[str, Any], kind: type[GeonavError], calls: int, words: str
) -> None:
    seen = serve(httpserver, ELEVATION_PATH, reply)
    with pytest.raises(GeonavError) as caught:
        source("google", httpserver).heights(POINTS)
    assert type(caught.value) is kind
    assert words in str(caught.value)
    assert len(seen) == calls


def test_google_without_data(httpserver: HTTPServer) -> None:
    serve(httpserver, ELEVATION_PATH, {"status": "DATA_NOT_AVAILABLE"})
    assert source("google", httpserver).heights(POINTS) == [None, None, None]


def test_google_is_asked_by_several_threads(httpserver: HTTPServer) -> None:
    def handle(request: Request) -> Response:
        return Response(json.dumps(results([round(lat, 5) for lat, _ in asked_for(request)])))

    httpserver.expect_request(ELEVATION_PATH).respond_with_handler(handle)
    google = source("google", httpserver)
    batches = [[(float(lat + i), 8.0) for i in range(1 + lat % 5)] for lat in range(40)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(google.heights, batches)) == [[lat for lat, _ in batch] for batch in batches]


def test_google_refuses_keys_that_its_client_would_refuse() -> None:
    config = GeonavConfig(google={"api_key": "my-own-key", "url": "http://127.0.0.1:1"})
    with pytest.raises(AuthError, match="begins with 'AIza': set GOOGLE_MAPS_API_KEY") as caught:
        HEIGHT_SOURCES.load("google").from_config(config)
    assert "my-own-key" not in str(caught.value)


def test_google_asks_for_key_and_terms() -> None:
    make = HEIGHT_SOURCES.load("google").from_config
    with pytest.raises(AuthError, match="no key for"):
        make(GeonavConfig())
    with pytest.raises(UsageError, match="terms_acknowledged"):
        make(GeonavConfig(google={"api_key": KEY}))


def test_google_shows_its_key_nowhere(httpserver: HTTPServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    config = settings(httpserver)
    google = HEIGHT_SOURCES.load("google").from_config(config)
    texts = [repr(google), repr(vars(google))]
    replies: list[Response | dict[str, Any]] = [
        Response(f"{KEY}", 403),
        Response("", 500),
        {"status": "REQUEST_DENIED", "error_message": f"{KEY} may not"},
        {"status": "UNKNOWN_ERROR", "error_message": f"at ?key={KEY}&locations="},
    ]
    nobody = config.google.model_copy(update={"url": "http://127.0.0.1:1"})
    unreachable = HEIGHT_SOURCES.load("google").from_config(config.model_copy(update={"google": nobody}))
    for reply in replies:
        httpserver.clear()
        serve(httpserver, ELEVATION_PATH, reply)
        for asked in (google, unreachable):
            with pytest.raises(GeonavError) as caught:
                asked.heights(POINTS)
            error: BaseException | None = caught.value
            while error is not None:
                texts += [str(error), repr(error)]
                error = error.__cause__ or error.__context__
    texts += [record.getMessage() for record in caplog.records if record.name != "werkzeug"]
    assert any(ELEVATION_PATH in text for text in texts)
    assert not [text for text in texts if KEY in text]


# Open-Meteo.


def test_open_meteo_matches_by_index(httpserver: HTTPServer) -> None:
    seen = serve(httpserver, "/v1/elevation", Response("", 502), {"elevation": [115.0, None, 38]})
    assert source("open-meteo", httpserver).heights(POINTS) == [115.0, None, 38.0]
    assert seen[1].args["latitude"] == "48.940000,48.950000,-33.900000"
    assert seen[1].args["longitude"] == "8.400000,8.410000,151.200000"


@pytest.mark.parametrize("answer", [{"elevation": [1.0]}, {"elevation": 5}, {}])
def test_open_meteo_with_another_number_of_heights(httpserver: HTTPServer, answer: dict[str, Any]) -> None:
    serve(httpserver, "/v1/elevation", answer)
    with pytest.raises(NetworkError, match=r"Open-Meteo answered (1|no list of) heights for 3 points"):
        source("open-meteo", httpserver).heights(POINTS)


def test_open_meteo_says_why(httpserver: HTTPServer) -> None:
    said = {"error": True, "reason": "Hourly API request limit exceeded."}
    serve(httpserver, "/v1/elevation", Response(json.dumps(said), 429))
    with pytest.raises(QuotaError, match=r"answered 429: Hourly API request limit exceeded\."):
        source("open-meteo", httpserver).heights(POINTS)


# An address of one's own.


@pytest.mark.parametrize(
    "answer",
    [
        results([1.5, None, 3.0]),
        {"results": [{"latitude": 1.0, "longitude": 2.0, "elevation": height} for height in (1.5, None, 3.0)]},
    ],
    ids=["Google and Open Topo Data", "Open-Elevation"],
)
def test_an_address_of_googles_shape(httpserver: HTTPServer, answer: dict[str, Any]) -> None:
    seen = serve(httpserver, "/v1/dem", answer)
    url = httpserver.url_for("/v1/dem?locations={locations}&interpolation=cubic")
    assert source("url", url=url).heights(POINTS) == [1.5, None, 3.0]
    assert seen[0].args["locations"] == "48.9400000,8.4000000|48.9500000,8.4100000|-33.9000000,151.2000000"
    assert seen[0].args["interpolation"] == "cubic"


def test_an_address_keeps_what_may_be_its_key(httpserver: HTTPServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "0123456789abcdef"  # noqa: S105
    for path in (f"/v1/dem?who={secret}", f"/v1/{secret}/dem?a=b"):
        httpserver.expect_request(path.partition("?")[0]).respond_with_data("", 404)
        url = httpserver.url_for(path) + "&locations={locations}"
        with pytest.raises(GeonavError) as caught:
            source("url", url=url).heights(POINTS)
        assert secret not in str(caught.value)
    texts = [record.getMessage() for record in caplog.records if record.name != "werkzeug"]
    assert any("/v1/" in text for text in texts)
    assert not [text for text in texts if secret in text]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (None, r"needs an address with \{locations\}: set url under \[elevation\]"),
        ("https://example.org/v1/dem", r"has no \{locations\} to fill in"),
        ("example.org/{locations}", r"no http\(s\) address"),
    ],
)
def test_an_address_that_is_none(url: str | None, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        source("url", url=url)


# A file.

ORIGIN = (8.4, 48.95)  # lng, lat of the upper left corner
CELL_DEG = 0.001


def plane(lng: Any, lat: Any) -> Any:
    """A slope that interpolation between cells reproduces exactly."""
    return 100.0 + 2000.0 * (lng - ORIGIN[0]) + 3000.0 * (ORIGIN[1] - lat)


def ramp(path: Path, *, crs: str | None = "EPSG:4326", gap: bool = False, **profile: object) -> Path:
    """A raster of 20 by 30 cells whose heights are those of the plane in their middles."""
    import rasterio
    from affine import Affine

    rows, cols = np.mgrid[0:20, 0:30] + 0.5
    cells = plane(ORIGIN[0] + cols * CELL_DEG, ORIGIN[1] - rows * CELL_DEG).astype(np.float32)
    if gap:
        cells[5:8, 10:14] = -9999.0
    options = {"driver": "GTiff", "width": 30, "height": 20, "count": 1, "dtype": "float32", "nodata": -9999.0}
    transform = Affine(CELL_DEG, 0, ORIGIN[0], 0, -CELL_DEG, ORIGIN[1])
    with rasterio.open(path, "w", **{**options, "crs": crs, "transform": transform, **profile}) as file:
        file.write(cells, 1)
    return path


@pytest.fixture(scope="module")
def dem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not written to."""
    return ramp(tmp_path_factory.mktemp("dem") / "dem.tif")


@given(places=st.lists(st.tuples(st.floats(0.5, 19.5), st.floats(0.5, 29.5)), min_size=1, max_size=20))
def test_geotiff_interpolates(dem: Path, places: list[tuple[float, float]]) -> None:
    points = [(ORIGIN[1] - row * CELL_DEG, ORIGIN[0] + col * CELL_DEG) for row, col in places]
    found = source("geotiff", geotiff=dem).heights(points)
    assert found == pytest.approx([plane(lng, lat) for lat, lng in points], abs=1e-4)


def test_geotiff_knows_nothing_outside(dem: Path) -> None:
    lng, lat = ORIGIN
    outside = [(lat + 1e-4, lng + 0.01), (lat - 0.0201, lng + 0.01), (lat - 0.01, lng - 1e-4), (0.0, 0.0), (90.0, 0.0)]
    corners = [(lat - 1e-6, lng + 1e-6), (lat - 0.02 + 1e-6, lng + 0.03 - 1e-6)]
    found = source("geotiff", geotiff=dem).heights(outside + corners)
    assert found[:5] == [None] * 5
    assert found[5:] == pytest.approx([plane(lng + 5e-4, lat - 5e-4), plane(lng + 0.0295, lat - 0.0195)], abs=1e-3)


def test_geotiff_leaves_gaps_as_they_are(tmp_path: Path) -> None:
    gap = source("geotiff", geotiff=ramp(tmp_path / "gap.tif", gap=True))
    lng, lat = ORIGIN
    in_gap, beside, far = ((lat - row * CELL_DEG, lng + 0.0121) for row in (6.5, 4.9, 1.5))
    found = gap.heights([in_gap, beside, far])
    assert found[0] is None
    assert found[1] == pytest.approx(plane(lng + 0.0121, lat - 4.5 * CELL_DEG), abs=1e-3)
    assert found[2] == pytest.approx(plane(far[1], far[0]), abs=1e-3)


def test_geotiff_in_projected_coordinates(tmp_path: Path) -> None:
    import rasterio
    from affine import Affine
    from pyproj import Transformer

    east, north = Transformer.from_crs("EPSG:4326", "EPSG:32632", always_xy=True).transform(8.4, 48.95)
    path = tmp_path / "utm.tif"
    options = {"driver": "GTiff", "width": 100, "height": 100, "count": 1, "dtype": "int16", "crs": "EPSG:32632"}
    with rasterio.open(path, "w", **options, transform=Affine(10, 0, east - 500, 0, -10, north + 500)) as file:
        file.write(np.tile(np.arange(100, dtype=np.int16), (100, 1)), 1)
        file.scales, file.offsets = (0.5,), (200.0,)
    assert source("geotiff", geotiff=path).heights([(48.95, 8.4)]) == pytest.approx([200.0 + 0.5 * 49.5], abs=1e-3)


def test_geotiff_of_a_large_area_is_read_in_pieces(dem: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("geonav.providers.heights.geotiff._MAX_WINDOW_PX", 9)
    rng = np.random.default_rng(1)
    points = [(ORIGIN[1] - row * CELL_DEG, ORIGIN[0] + col * CELL_DEG) for row, col in rng.uniform(0.5, 19.5, (50, 2))]
    found = source("geotiff", geotiff=dem).heights(points)
    assert found == pytest.approx([plane(lng, lat) for lat, lng in points], abs=1e-4)


def test_geotiff_is_read_by_several_threads(dem: Path) -> None:
    lng, lat = ORIGIN
    heights_of = source("geotiff", geotiff=dem).heights
    batches = [[(lat - 0.001 * row, lng + 0.001 * col) for col in range(1, 29)] for row in range(1, 19)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(heights_of, batches))
    for heights, batch in zip(found, batches, strict=True):
        assert heights == pytest.approx([plane(x, y) for y, x in batch], abs=1e-4)


def test_geotiff_files_that_cannot_be_used(tmp_path: Path) -> None:
    broken = tmp_path / "broken.tif"
    broken.write_bytes(b"II*\x00 no raster")
    cases = {
        None: (UsageError, r"needs a file: set geotiff under \[elevation\]"),
        tmp_path / "none.tif": (InputError, r"none\.tif cannot be read as a raster of heights"),
        broken: (InputError, r"broken\.tif cannot be read as a raster of heights"),
        ramp(tmp_path / "nowhere.tif", crs=None): (InputError, r"nowhere\.tif does not say where it lies"),
    }
    for path, (kind, words) in cases.items():
        with pytest.raises(kind, match=words) as caught:
            source("geotiff", geotiff=path)
        assert "\n" not in str(caught.value)


def test_geotiff_without_its_library(dem: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "rasterio", None)
    with pytest.raises(UsageError, match=r"pip install 'geonav\[dem\]'"):
        source("geotiff", geotiff=dem)


# Order.

PLACES = st.tuples(st.floats(-90.0, 90.0), st.floats(-180.0, 180.0))


@given(st.lists(PLACES, max_size=50), st.randoms(use_true_random=False))
def test_the_order_is_one_of_all_points_and_of_nothing_but_them(points: list[tuple[float, float]], random: Any) -> None:
    order = spatial_order(points)
    assert sorted(order) == list(range(len(points)))
    shuffled = random.sample(points, len(points))
    assert [shuffled[i] for i in spatial_order(shuffled)] == [points[i] for i in order]


def test_neighbours_follow_each_other() -> None:
    """A batch of a grid in Morton order is a block, where one of rows is a ribbon across the whole town."""
    grid = [(48.9 + 0.0002 * row, 8.4 + 0.0003 * col) for row in range(64) for col in range(64)]

    def spread(order: Iterable[int]) -> float:
        places = np.array([grid[i] for i in order]).reshape(8, 512, 2)
        return float(np.mean([math.hypot(*np.ptp(batch, axis=0)) for batch in places]))

    assert spread(spatial_order(grid)) < 0.8 * spread(range(len(grid)))
