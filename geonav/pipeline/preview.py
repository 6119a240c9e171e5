"""What fetching an area would take, before any of it is fetched."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from geonav.config import GeonavConfig
from geonav.data.points import write_points
from geonav.errors import UsageError
from geonav.pipeline.maps import write_preview_map
from geonav.pipeline.outputs import prepared
from geonav.pipeline.pricing import price
from geonav.pipeline.sampling import Sampling
from geonav.providers.boxes import box_searches
from geonav.providers.mapillary.request import TILE_ZOOM as MAPILLARY_ZOOM
from geonav.providers.panoramax.request import TILE_ZOOM as PANORAMAX_ZOOM

OUTPUT_ENDINGS = (".html", ".geojson", ".csv")

# Measured on a street grid like a town's, with a panorama every 10 m of street, about 1,900 a square kilometre: calls
# and different panoramas found, a square kilometre. Points of a grid miss streets, and neighbours find the same.
_GRID_CALLS_PER_KM2 = (0.0, 400.0, 1600.0, 10_201.0)
_GRID_FINDS_PER_KM2 = (0.0, 304.0, 684.0, 1824.0)
_PANORAMA_EVERY_M = 10.0
_HEIGHTS_A_CALL = 512


@dataclass(frozen=True)
class ProviderEstimate:
    """What one provider's imagery of an area would take.

    Attributes:
        provider: its name.
        searches: calls that find panoramas; None where the area is too large for it.
        panoramas: expected; None where nobody knows before asking.
        pictures: calls that fetch their views; None likewise.
        height_calls: calls for the ground's height; None likewise.
        cost_usd: of all these calls in a month without others.
    """

    provider: str
    searches: int | None
    panoramas: int | None
    pictures: int | None
    height_calls: int | None
    cost_usd: float


@dataclass(frozen=True)
class PreviewReport:
    """What a preview says.

    Attributes:
        name: of the area.
        lat: of its middle, degrees.
        lng: of its middle, degrees.
        area_km2: its size.
        num_points: points at which imagery would be asked for.
        spacing_m: between them.
        expected_panoramas: different panoramas that they would find in a town with a panorama every 10 m of street.
        providers: what each of them would take.
        prices_as_of: month of the prices.
        files: what was written.
    """

    name: str
    lat: float
    lng: float
    area_km2: float
    num_points: int
    spacing_m: float
    expected_panoramas: int
    providers: tuple[ProviderEstimate, ...]
    prices_as_of: str
    files: tuple[Path, ...]


def preview(
    sampling: Sampling, config: GeonavConfig, *, along_streets: bool = False, outputs: tuple[Path, ...] = ()
) -> PreviewReport:
    """Count and price what fetching would take, and write points or a map; no provider is called.

    Args:
        sampling: area and points.
        config: views, providers, prices and maps.
        along_streets: whether the points follow streets.
        outputs: files to write, each a map (.html) or points (.geojson, .csv).

    Raises:
        UsageError: an output is no file of these kinds.
        ConfigError: the map's background is not set up properly.
        StorageError: an output cannot be written.
    """
    for path in outputs:
        write_preview(prepared(path, OUTPUT_ENDINGS), sampling, config)
    expected = expected_panoramas(sampling, config, along_streets=along_streets)
    lat, lng = sampling.center
    return PreviewReport(
        name=sampling.name,
        lat=lat,
        lng=lng,
        area_km2=sampling.area_km2,
        num_points=len(sampling.points),
        spacing_m=config.sampling.spacing_m,
        expected_panoramas=expected,
        providers=(
            _google(sampling, expected, config),
            _open_provider("mapillary", MAPILLARY_ZOOM, sampling, config),
            _open_provider("panoramax", PANORAMAX_ZOOM, sampling, config),
        ),
        prices_as_of=config.prices.as_of,
        files=outputs,
    )


def write_preview(path: Path, sampling: Sampling, config: GeonavConfig) -> None:
    """Write a sampling as a map or as points, by the file's ending."""
    if path.suffix.lower() == ".html":
        write_preview_map(path, sampling, config)
    else:
        write_points(path, sampling.points)


def expected_panoramas(sampling: Sampling, config: GeonavConfig, *, along_streets: bool) -> int:
    """Different panoramas that a town's streets would give; each point finds one at most."""
    num_points = len(sampling.points)
    if along_streets:
        return round(num_points * min(1.0, config.sampling.spacing_m / _PANORAMA_EVERY_M))
    found_per_km2 = np.interp(num_points / sampling.area_km2, _GRID_CALLS_PER_KM2, _GRID_FINDS_PER_KM2)
    return min(num_points, round(float(found_per_km2) * sampling.area_km2))


def _google(sampling: Sampling, panoramas: int, config: GeonavConfig) -> ProviderEstimate:
    pictures = panoramas * config.fetch.n_directions
    height_calls = -(-panoramas // _HEIGHTS_A_CALL)
    cost_usd = price(pictures, config.prices.street_view)
    if config.elevation.source == "google":
        cost_usd += price(height_calls, config.prices.elevation)
    return ProviderEstimate("google", len(sampling.points), panoramas, pictures, height_calls, cost_usd)


def _open_provider(name: str, zoom: int, sampling: Sampling, config: GeonavConfig) -> ProviderEstimate:
    """One that is asked by tiles and costs nothing; how much it holds nobody knows before asking."""
    try:
        searches = len(box_searches(sampling.area, sampling.points, zoom, config.fetch.search_radius_m))
    except UsageError:
        return ProviderEstimate(name, None, None, None, None, 0.0)
    return ProviderEstimate(name, searches, None, None, None, 0.0)
