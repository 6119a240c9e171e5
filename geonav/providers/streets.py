"""Points along the streets of an area, from OpenStreetMap's Overpass through osmnx (the extra ``streets``)."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

import numpy as np
import platformdirs
import shapely
from numpy.typing import NDArray
from shapely.geometry import LineString, MultiLineString
from shapely.geometry.base import BaseGeometry

from geonav import __version__
from geonav.config import GeonavConfig
from geonav.data.survey import SamplePoint
from geonav.errors import ConfigError, GeonavError, InputError, NetworkError, QuotaError, UsageError
from geonav.geometry.geodesy import azimuths_deg
from geonav.geometry.plane import MetricPlane, middle_of
from geonav.providers.redaction import redact

if TYPE_CHECKING:
    import requests

Array = NDArray[np.float64]

# The public server tells when it has room; other servers need not, and osmnx would wait a minute for each that is mute.
_SERVER_WITH_SLOTS = "overpass-api.de"
# Streets are fetched this far around the area: osmnx drops straight pieces with neither end in what it is asked for.
_MARGIN_M = 500.0
# A country's countryside has at least this much street: enough to refuse what would be far too many points.
_LEAST_STREET_M_PER_KM2 = 500.0
_NEAREST_SHARE = 0.5
_STEP_M = 0.5
_REMARK_BYTES = 2048
_GAVE_UP = re.compile(rb'"remark"\s*:\s*"runtime')


def check_installed() -> ModuleType:
    """The package osmnx.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import osmnx
    except ImportError:
        msg = (
            "points along streets need osmnx: pip install 'geonav[streets]', or sample the area without --along-streets"
        )
        raise UsageError(msg) from None
    module: ModuleType = osmnx
    return module


def street_points(area: BaseGeometry, config: GeonavConfig) -> list[SamplePoint]:
    """Points every ``sampling.spacing_m`` along the drivable streets of an area, with the street's heading.

    Every street is cut into equal pieces about as long as the spacing, with a point in the middle of each; of points
    closer than half of it, at corners and on dual carriageways, the first stays. Headings are one of the street's two
    directions.

    Args:
        area: polygons in longitude and latitude.
        config: spacing, most points, and where Overpass is.

    Raises:
        UsageError: osmnx is not installed, or there are too many points.
        InputError: the area has no streets.
        NetworkError: the service cannot be reached or failed.
    """
    plane = MetricPlane(*middle_of(area))
    metres = plane.project(area)
    spacing_m, max_points = config.sampling.spacing_m, config.sampling.max_points
    _refuse(metres.area / 1e6 * _LEAST_STREET_M_PER_KM2 / spacing_m, max_points, "at least ")
    with _configured(check_installed(), config) as osmnx:
        segments = _segments(osmnx, plane.unproject(metres.buffer(_MARGIN_M)))
    lines = _streets(plane, segments, metres)
    _refuse(sum(line.length for line in lines) / spacing_m, max_points, "")
    if not lines:
        msg = "OpenStreetMap has no drivable streets in this area: choose another, or sample without --along-streets"
        raise InputError(msg)
    xy, ahead = _along(lines, spacing_m)
    kept = _apart(xy, spacing_m * _NEAREST_SHARE)
    lat, lng = plane.geo_from_xy(xy[kept])
    lat_ahead, lng_ahead = plane.geo_from_xy(ahead[kept])
    headings = azimuths_deg(lat, lng, lat_ahead, lng_ahead)
    return [SamplePoint(*values) for values in zip(lat.tolist(), lng.tolist(), headings.tolist(), strict=True)]


def _refuse(num_points: float, max_points: int, least: str) -> None:
    if num_points > max_points:
        msg = (
            f"the streets of this area hold {least}about {round(num_points):,} points, more than the {max_points:,} "
            "that sampling.max_points allows: choose a larger spacing or a smaller area"
        )
        raise UsageError(msg)


def _segments(osmnx: ModuleType, area: BaseGeometry) -> Array:
    """Straight pieces of street ``(N, 2, 2)`` as longitude and latitude of both ends, each once and in fixed order."""
    ends: dict[tuple[int, int], tuple[tuple[float, float], tuple[float, float]]] = {}
    for part in shapely.get_parts(area):
        try:
            graph = osmnx.graph_from_polygon(
                part, network_type="drive", simplify=False, retain_all=True, truncate_by_edge=True
            )
        except osmnx._errors.InsufficientResponseError:  # it has no public name
            continue
        except ValueError as error:
            if "no graph nodes" not in str(error).lower():
                raise
            continue
        places = {node: (data["x"], data["y"]) for node, data in graph.nodes(data=True)}
        ends |= {(min(u, v), max(u, v)): (places[min(u, v)], places[max(u, v)]) for u, v in graph.edges() if u != v}
    return np.array([ends[key] for key in sorted(ends)], float).reshape(-1, 2, 2)


def _streets(plane: MetricPlane, segments: Array, metres: BaseGeometry) -> list[LineString]:
    """Streets in metres from corner to corner, cut off at the area's edge."""
    ends = plane.xy_from_geo(segments[..., 1], segments[..., 0])
    merged: BaseGeometry = shapely.line_merge(MultiLineString([LineString(pair) for pair in ends]))
    parts = shapely.get_parts(merged.intersection(metres))
    lines = [part for part in parts if isinstance(part, LineString) and part.length > 0]
    return sorted(lines, key=lambda line: line.coords[0])


def _along(lines: list[LineString], spacing_m: float) -> tuple[Array, Array]:
    """Points ``(N, 2)`` along lines, and a point a little farther along for each."""
    points, ahead = [], []
    for line in lines:
        count = max(1, round(line.length / spacing_m))
        at = (np.arange(count) + 0.5) * line.length / count
        step = min(_STEP_M, line.length / (4 * count))
        points.append(shapely.get_coordinates(shapely.line_interpolate_point(line, at)))
        ahead.append(shapely.get_coordinates(shapely.line_interpolate_point(line, at + step)))
    return np.vstack(points), np.vstack(ahead)


def _apart(xy: Array, nearest_m: float) -> NDArray[np.int64]:
    """Which points stay so that none is nearer than ``nearest_m`` to an earlier one that stays."""
    cells: dict[tuple[int, int], list[tuple[float, float]]] = {}
    kept = []
    for index, (x, y) in enumerate(xy.tolist()):
        column, row = int(x // nearest_m), int(y // nearest_m)
        near = (cells.get((column + i, row + j), ()) for i in (-1, 0, 1) for j in (-1, 0, 1))
        if all((x - a) ** 2 + (y - b) ** 2 >= nearest_m**2 for cell in near for a, b in cell):
            cells.setdefault((column, row), []).append((x, y))
            kept.append(index)
    return np.array(kept, np.int64)


@contextmanager
def _configured(osmnx: ModuleType, config: GeonavConfig) -> Iterator[ModuleType]:
    """Osmnx with this configuration; what it keeps for the whole process is as before afterwards.

    Raises:
        NetworkError: the service cannot be reached or failed inside.
    """
    import requests

    url = config.osm.overpass_url
    address = urlsplit(url)
    if address.scheme not in {"http", "https"} or not address.netloc or address.query:
        msg = "osm.overpass_url is no address such as https://overpass-api.de/api (http or https, without query)"
        raise ConfigError(msg)
    wanted: dict[str, Any] = {
        "overpass_url": url,
        "overpass_rate_limit": (address.hostname or "").endswith(_SERVER_WITH_SLOTS),
        "cache_folder": (config.cache_dir or Path(platformdirs.user_cache_dir("geonav"))) / "streets",
        "use_cache": True,
        "http_user_agent": f"geonav/{__version__}",
        "http_referer": "geonav",
        "requests_timeout": max(180, round(config.fetch.timeout_s)),  # queries of a city take minutes
        "requests_kwargs": {"hooks": {"response": _check_answer}},
        "doh_url_template": None,  # names of hosts are nobody else's business
        "log_console": False,
        "log_file": False,
    }
    before = {name: getattr(osmnx.settings, name) for name in wanted}
    lookup = socket.getaddrinfo  # osmnx replaces it
    try:
        for name, value in wanted.items():
            setattr(osmnx.settings, name, value)
        yield osmnx
    except GeonavError:
        raise
    except (requests.RequestException, OSError, ValueError, KeyError, TypeError) as error:
        host = address.netloc.rpartition("@")[2]
        msg = (
            f"{host} cannot be asked for streets ({_reason(error, address)}): check the network and "
            "osm.overpass_url and run the command again, or sample without --along-streets"
        )
        raise NetworkError(msg) from None
    finally:
        for name, value in before.items():
            setattr(osmnx.settings, name, value)
        socket.getaddrinfo = lookup


def _reason(error: Exception, address: SplitResult) -> str:
    """What went wrong, in few words; those of requests hold the address and its library's names."""
    import requests

    if "certificate" in str(error).lower():
        return "its certificate cannot be verified: check this machine's clock"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.ConnectionError):
        return "it cannot be reached"
    said = redact(" ".join(str(error).split()), (address.netloc, address.path))[:160]
    return f"{type(error).__name__}: {said}"


def _check_answer(response: requests.Response, *_: object, **__: object) -> None:
    """Refuse what osmnx would wait for without end, or take for streets."""
    content = response.content  # read before anything is raised, or the connection stays open
    host = urlsplit(response.url).netloc.rpartition("@")[2]
    if response.status_code in {429, 504}:
        msg = f"{host} is busy ({response.status_code}): wait a few minutes and run the command again"
        raise QuotaError(msg)
    if response.status_code >= 400:
        msg = f"{host} answered {response.status_code} when asked for streets: run the command again later"
        raise NetworkError(msg)
    if urlsplit(response.url).path.endswith("/interpreter") and not content.lstrip().startswith(b"{"):
        msg = f"{host} cannot be asked for streets, its answer is no JSON: check osm.overpass_url"
        raise NetworkError(msg)
    if _GAVE_UP.search(content[-_REMARK_BYTES:]):
        msg = f"{host} gave up on the streets half-way, the area may be too large for it: try a smaller one"
        raise NetworkError(msg)
