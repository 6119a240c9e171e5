"""Maps as single HTML files: the points of a sampling, and the panoramas of a database."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np
import shapely
from numpy.typing import NDArray

from geonav.config import GeonavConfig
from geonav.data.files import atomic_write_bytes
from geonav.errors import ConfigError, InputError
from geonav.geometry.plane import mean_position
from geonav.pipeline.sampling import Sampling
from geonav.settings.fetching import MapsConfig

if TYPE_CHECKING:
    import folium

# A map of more points than these shows an even share of them: browsers slow down, and no eye can tell.
MAP_POINTS = 50_000
MAX_ZOOM = 21
_NATIVE_ZOOM = 19
_DIGITS = 6  # of a degree: 10 cm
_FIRST_ZOOM = 16
# The host is told which site a map is on, which some tile servers insist on, and nothing more.
_REFERRER_POLICY = "strict-origin-when-cross-origin"
# What others wrote goes in last: folium reads the scripts it has made as templates once more.
_FEATURES, _OPTIONS = "geonav:features", "geonav:options"
_GOOGLE_HOSTS = ("google.com", "googleapis.com", "gstatic.com", "ggpht.com", "googleusercontent.com")


@dataclass(frozen=True)
class MapPanorama:
    """A panorama as a map shows it; never its picture.

    Attributes:
        pano_id: the provider's name for it.
        provider: its name.
        lat: degrees.
        lng: degrees.
        captured_at: ISO 8601 date or its beginning; None where not known.
        views: azimuths of its views, degrees clockwise from true north.
        fov_deg: of the views; None where there are none.
        link: where the provider itself shows it.
    """

    pano_id: str
    provider: str
    lat: float
    lng: float
    captured_at: str | None
    views: tuple[float, ...] = ()
    fov_deg: float | None = None
    link: str | None = None


def write_preview_map(path: Path, sampling: Sampling, config: GeonavConfig) -> None:
    """Draw an area and the points in it.

    Raises:
        ConfigError: the background is not set up properly.
        StorageError: the file cannot be written.
    """
    step = -(-len(sampling.points) // MAP_POINTS)
    shown = sampling.points[::step]
    lat, lng = _unwrapped([(point.lat, point.lng) for point in shown], sampling.center[1])
    outline = _around(sampling.area, sampling.center[1])
    area = {"type": "Feature", "properties": {}, "geometry": outline}
    features = [area]
    for point, at in zip(shown, np.column_stack([lng, lat]).round(_DIGITS).tolist(), strict=True):
        properties = {} if point.heading_deg is None else {"v": [round(point.heading_deg, 1)]}
        features.append(_feature(at, properties))
    share = "" if step == 1 else f", {len(shown):,} of them shown"
    legend = f"{sampling.name}: {len(sampling.points):,} points{share}"
    everything = np.vstack([shapely.get_coordinates(shapely.geometry.shape(outline))[:, ::-1], np.stack([lat, lng], 1)])
    options = {"legend": legend, "bounds": _bounds(everything)}
    _write(path, f"preview of {sampling.name}", features, options, (sampling.center, None), config.maps)


def write_panorama_map(path: Path, panoramas: Iterable[MapPanorama], config: GeonavConfig, zoom: int | None) -> None:
    """Draw panoramas with their views, with a filter by provider and date.

    Args:
        path: the HTML file.
        panoramas: at least one.
        config: its ``[maps]``.
        zoom: of the map as it opens; all panoramas in view if None.

    Raises:
        InputError: there are none.
        ConfigError: the background is not set up properly.
        StorageError: the file cannot be written.
    """
    shown = list(panoramas)
    if not shown:
        msg = "there are no panoramas to draw"
        raise InputError(msg)
    places = [(item.lat, item.lng) for item in shown]
    center = mean_position(*zip(*places, strict=True))
    lat, lng = _unwrapped(places, center[1])
    positions = np.column_stack([lng, lat]).round(_DIGITS).tolist()
    features = [_feature(at, _properties(item)) for at, item in zip(positions, shown, strict=True)]
    options: dict[str, Any] = {"filter": True, "providers": sorted({item.provider for item in shown})}
    if zoom is None:
        options["bounds"] = _bounds(np.stack([lat, lng], 1))
    _write(path, f"{len(shown):,} panoramas", features, options, (center, zoom), config.maps)


def _properties(panorama: MapPanorama) -> dict[str, Any]:
    values: dict[str, Any] = {
        "i": panorama.pano_id,
        "p": panorama.provider,
        "d": panorama.captured_at,
        "v": [round(azimuth, 1) for azimuth in panorama.views],
        "f": panorama.fov_deg,
        "l": panorama.link,
    }
    return {key: value for key, value in values.items() if value not in (None, [])}


def _feature(position: list[float], properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "Feature", "geometry": {"type": "Point", "coordinates": position}, "properties": properties}


def _unwrapped(places: Sequence[tuple[float, float]], center_lng: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Latitudes and longitudes on the map's side of the antimeridian: within 180 degrees of its middle."""
    lat, lng = np.array(places, float).T
    return lat, center_lng + (lng - center_lng + 180.0) % 360.0 - 180.0


def _around(area: shapely.Geometry, center_lng: float) -> dict[str, Any]:
    """An area as GeoJSON, its parts on the map's side of the antimeridian."""
    parts = []
    for part in shapely.get_parts(area):
        turn = np.array([360.0 * round((center_lng - part.representative_point().x) / 360.0), 0.0])
        parts.append(shapely.transform(part, partial(_moved, by=turn)))
    geometry: dict[str, Any] = json.loads(shapely.to_geojson(shapely.MultiPolygon(parts)))
    return geometry


def _moved(xy: NDArray[Any], by: NDArray[Any]) -> NDArray[Any]:
    moved: NDArray[Any] = np.round(xy + by, _DIGITS)
    return moved


def _bounds(positions: NDArray[Any]) -> list[list[float]]:
    return [positions.min(axis=0).tolist(), positions.max(axis=0).tolist()]


def _check(maps: MapsConfig) -> None:
    """Refuse a background that cannot be or must not be used.

    Raises:
        ConfigError: the address has no place for a tile's numbers, or is one of Google's.
    """
    address = urlsplit(maps.tile_url)
    missing = [name for name in ("{z}", "{x}", "{y}") if name not in maps.tile_url]
    if address.scheme not in {"http", "https"} or missing:
        msg = "maps.tile_url is no address of tiles such as https://tile.example.org/{z}/{x}/{y}.png"
        raise ConfigError(msg)
    host = address.netloc.rpartition("@")[2].partition(":")[0].lower()
    if any(host == known or host.endswith(f".{known}") for known in _GOOGLE_HOSTS):
        msg = "maps.tile_url is one of Google's, whose pictures may only be shown on Google's own maps: use another"
        raise ConfigError(msg)
    if not maps.attribution.strip():
        msg = "maps.attribution is empty: name whom the background's licence wants credited"
        raise ConfigError(msg)


def _write(
    path: Path,
    title: str,
    features: list[dict[str, Any]],
    options: dict[str, Any],
    start: tuple[tuple[float, float], int | None],
    maps: MapsConfig,
) -> None:
    import folium
    from folium.utilities import JsCode

    _check(maps)
    center, zoom = start
    page = folium.Map(
        location=center, zoom_start=_FIRST_ZOOM if zoom is None else zoom, tiles=None, prefer_canvas=True,
        control_scale=True, max_zoom=MAX_ZOOM,
    )  # fmt: skip
    # Folium loads what none of these maps uses: jQuery, Bootstrap and fonts.
    page.default_js = [item for item in page.default_js if item[0] == "leaflet"]
    page.default_css = [item for item in page.default_css if item[0] == "leaflet_css"]
    tiles = folium.TileLayer(
        tiles=maps.tile_url, attr=maps.attribution, name="background", max_zoom=MAX_ZOOM, max_native_zoom=_NATIVE_ZOOM,
        referrer_policy=_REFERRER_POLICY,
    )  # fmt: skip
    layer = folium.GeoJson(
        {"type": "FeatureCollection", "features": _FEATURES},
        name="points",
        pointToLayer=JsCode("geonavMap.marker"),
        style=JsCode("geonavMap.style"),
    )
    for element, name in ((page, "page"), (tiles, "tiles"), (layer, "points")):
        element._id = name  # otherwise random, and no two files alike
    tiles.add_to(page)
    layer.add_to(page)
    _dress(page, title, options.get("providers", []))
    text = page.get_root().render()
    for placeholder, value in ((_OPTIONS, options), (_FEATURES, features)):
        text = text.replace(json.dumps(placeholder), _in_script(value), 1)
    atomic_write_bytes(path, text.encode())


def _dress(page: folium.Map, title: str, providers: list[str]) -> None:
    """Add geonav's own part to a page: style, program, note, and the call that starts it."""
    from branca.element import Element, MacroElement
    from jinja2 import Template

    class Verbatim(Element):
        """Text that goes into the page as it is, never read as a template."""

        _template = Template("{{ this.text }}")

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Start(MacroElement):
        """The call that starts the page's program."""

        _template = Template(
            "{% macro script(this, kwargs) %}geonavMap.start(map_page, geo_json_points, {{ this.options|tojson }});"
            "{% endmacro %}"
        )
        options = _OPTIONS

    source = files("geonav.pipeline")
    style, program = (source.joinpath(name).read_text(encoding="utf-8") for name in ("map_page.css", "map_page.js"))
    root: Any = page.get_root()
    root.title = html.escape(f"geonav: {title}")
    root.header.add_child(Verbatim(f'<meta name="referrer" content="{_REFERRER_POLICY}" />\n<style>{style}</style>'))
    root.header.add_child(
        Verbatim(f"<script>\n{program}\ngeonavMap.settings.providers = {_in_script(providers)};\n</script>")
    )
    root.html.add_child(
        Verbatim('<div id="geonav-note" hidden></div><noscript>This map needs JavaScript.</noscript>'), index=0
    )
    page.add_child(Start())  # type: ignore[no-untyped-call]


def _in_script(value: object) -> str:
    """JSON that cannot end the script it stands in."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c").replace("&", "\\u0026")
