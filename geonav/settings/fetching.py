"""The sections of sampling, fetching and maps."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from geonav.settings.base import Section


class SamplingConfig(Section):
    """``[sampling]``: the points at which imagery is asked for."""

    spacing_m: float = Field(20.0, gt=0, description="distance between neighbouring points, in metres")
    grid: Literal["hex", "square"] = Field("hex", description="pattern of the points: hex or square")
    jitter_m: tuple[float, float] = Field(
        (0.0, 0.0), description="each point is moved by LOWER to UPPER metres in a random direction"
    )
    max_points: int = Field(1_000_000, ge=1, description="a sampling of more points is refused")


class FetchConfig(Section):
    """``[fetch]``: from points to posed reference images."""

    provider: str = Field("google", description="where imagery comes from: google, mapillary, panoramax or demo")
    fov_deg: float = Field(90.0, gt=0, lt=180, description="horizontal field of view of the views of a panorama")
    n_directions: int = Field(8, ge=1, le=360, description="views of a panorama, evenly spread over the horizon")
    pitch_deg: float = Field(0.0, ge=-90, le=90, description="pitch of the views, up positive")
    size_px: int = Field(640, ge=64, le=4096, description="side of the square views")
    search_radius_m: float = Field(50.0, gt=0, description="farthest a panorama may be from the point that asks for it")
    camera_height_m: float = Field(2.5, ge=0, description="height of the capture car's camera above the ground")
    workers: int = Field(8, ge=1, le=64, description="calls under way at once")
    attempts: int = Field(5, ge=1, le=20, description="times a call is tried before it counts as failed")
    backoff_s: float = Field(0.5, ge=0, description="pause before the second try; doubles with every further one")
    timeout_s: float = Field(20.0, gt=0, description="seconds to wait for an answer")
    max_image_bytes: int = Field(64 << 20, ge=1024, description="a larger answer is refused")
    max_cost_usd: float | None = Field(None, ge=0, description="paid calls beyond this cost are refused")
    position_std_m: float | None = Field(None, ge=0, description="trust in positions, instead of the provider's usual")
    heading_std_deg: float | None = Field(None, ge=0, description="trust in headings, instead of the provider's usual")


class GoogleConfig(Section):
    """``[google]``: Street View Static and Elevation. Keys: GOOGLE_MAPS_API_KEY, GOOGLE_MAPS_SIGNING_SECRET."""

    url: str = Field("https://maps.googleapis.com", description="address of the service")
    api_key: SecretStr | None = Field(None, description="key of the project that is billed")
    signing_secret: SecretStr | None = Field(None, description="secret that signs requests past the unsigned quota")
    requests_per_minute: int = Field(30_000, ge=1, description="quota of the project")
    terms_acknowledged: bool = Field(False, description="that Google's terms were read; see 'geonav fetch --help'")


class MapillaryConfig(Section):
    """``[mapillary]``: API v4. Token: MAPILLARY_ACCESS_TOKEN."""

    url: str = Field("https://graph.mapillary.com", description="address of the service")
    tiles_url: str = Field("https://tiles.mapillary.com", description="address of its vector tiles")
    access_token: SecretStr | None = Field(None, description="client token")
    requests_per_minute: int = Field(50_000, ge=1, description="limit of the service")


class PanoramaxConfig(Section):
    """``[panoramax]``: STAC; needs no account."""

    url: str = Field("https://api.panoramax.xyz", description="address of an instance or of the federation")
    requests_per_minute: int = Field(600, ge=1, description="politeness; the service states no limit")


class OpenStreetMapConfig(Section):
    """``[osm]``: outlines of places from Nominatim, streets from Overpass."""

    nominatim_url: str = Field("https://nominatim.openstreetmap.org", description="address of the geocoder")
    overpass_url: str = Field("https://overpass-api.de/api", description="address of the street service")
    min_interval_s: float = Field(1.0, ge=0, description="pause between two calls of the geocoder; its policy asks 1")


class ElevationConfig(Section):
    """``[elevation]``: heights of the ground."""

    source: Literal["google", "open-meteo", "url", "geotiff", "constant"] = Field(
        "google", description="google, open-meteo, url (of Google's shape), geotiff or constant"
    )
    open_meteo_url: str = Field("https://api.open-meteo.com", description="address of the service")
    url: str | None = Field(None, description="address with {locations} to fill in, answering in Google's shape")
    geotiff: Path | None = Field(None, description="file with heights")
    datum: Literal["wgs84", "egm96", "egm2008", "local"] = Field(
        "egm96", description="what heights of url, geotiff and constant refer to"
    )
    constant_m: float = Field(0.0, description="height everywhere, for the source constant")


class PricesConfig(Section):
    """``[prices]``: of paid calls, as of a date; check them against the service's own list.

    Each list holds pairs: calls a month up to which a price holds, and the price in USD a thousand calls.
    """

    as_of: str = Field("2025-03", description="month the prices were read")
    street_view: tuple[tuple[float, float], ...] = Field(
        ((1e4, 0.0), (1e5, 7.0), (1e12, 5.6)), description="Street View images: calls a month up to, USD a thousand"
    )
    elevation: tuple[tuple[float, float], ...] = Field(
        ((5e3, 0.0), (1e5, 5.0), (1e12, 4.0)), description="requests for elevation: calls a month up to, USD a thousand"
    )


class MapsConfig(Section):
    """``[maps]``: preview and postview."""

    tile_url: str = Field(
        "https://{s}.basemaps.cartocdn.com/light_all/{z}/{x}/{y}{r}.png",
        description="address of the background's tiles",
    )
    attribution: str = Field(
        "&copy; OpenStreetMap contributors &copy; CARTO", description="credit of the background's tiles"
    )
