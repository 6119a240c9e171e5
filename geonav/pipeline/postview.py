"""The panoramas of a database on a map."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from urllib.parse import quote

from geonav.config import GeonavConfig
from geonav.data.manifest import Manifest
from geonav.data.manifest_rows import Status, StoredPanorama
from geonav.errors import InputError, UsageError
from geonav.pipeline.maps import MAX_ZOOM, MapPanorama, write_panorama_map
from geonav.pipeline.outputs import prepared
from geonav.providers.google.credentials import is_googles_own

_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?")


@dataclass(frozen=True)
class PostviewFilter:
    """Which panoramas to draw.

    Attributes:
        provider: only this one's.
        since: only those captured then or later: a year, a month or a day of ISO 8601.
        until: only those captured then or earlier.
    """

    provider: str | None = None
    since: str | None = None
    until: str | None = None

    def __post_init__(self) -> None:
        for name, text in (("since", self.since), ("until", self.until)):
            if text is not None and not _is_date(text):
                msg = f"--{name} {text} is no date: give a year, a month or a day, as in 2023-05 or 2023-05-31"
                raise UsageError(msg)

    def takes(self, captured_at: str | None) -> bool:
        """Whether a panorama of that date is drawn; one without a date is not where dates matter."""
        if self.since is None and self.until is None:
            return True
        day = (captured_at or "")[:10]
        if not day:
            return False
        # A date may be a year or a month: it then stands for all its days.
        is_early = self.since is not None and day < self.since[: len(day)]
        is_late = self.until is not None and day[: len(self.until)] > self.until
        return not (is_early or is_late)


@dataclass(frozen=True)
class PostviewReport:
    """What a map of a database shows.

    Attributes:
        path: the map.
        panoramas: drawn, by provider.
        views: of them that were fetched.
        filtered: panoramas that the filter left out.
        gone: panoramas that pass it, left out because their provider no longer has them.
    """

    path: Path
    panoramas: dict[str, int]
    views: int
    filtered: int
    gone: int


def postview(
    database: Path, output: Path, config: GeonavConfig, wanted: PostviewFilter, zoom: int | None = None
) -> PostviewReport:
    """Draw the panoramas of a database with the views that were fetched; reads what is stored, calls nobody.

    Args:
        database: its folder.
        output: the map's file, ending in .html.
        config: ``[maps]``, and where providers are.
        wanted: which panoramas.
        zoom: of the map as it opens; everything in view if None.

    Raises:
        DatabaseError: nothing was fetched into the database.
        InputError: no panorama passes the filter.
        UsageError: zoom or output makes no sense.
        StorageError: the map cannot be written.
    """
    if zoom is not None and not 0 <= zoom <= MAX_ZOOM:
        msg = f"--zoom {zoom} is out of range: give 0 (the whole Earth) to {MAX_ZOOM}"
        raise UsageError(msg)
    shown: list[MapPanorama] = []
    gone = filtered = views = 0
    with Manifest.open(database, read_only=True) as manifest:
        for stored in manifest.panoramas():
            passes = wanted.provider in (None, stored.panorama.provider) and wanted.takes(stored.panorama.captured_at)
            gone += passes and stored.is_gone
            filtered += not passes and not stored.is_gone
            if passes and not stored.is_gone:
                shown.append(_on_map(stored, config))
                views += sum(view.status is Status.DONE for view in stored.views)
    if not shown:
        reason = f"none of its {filtered:,} panoramas passes the filter" if filtered else "it has no panoramas"
        msg = f"nothing to draw of {database}: {reason}"
        raise InputError(msg)
    write_panorama_map(prepared(output, (".html",)), shown, config, zoom)
    return PostviewReport(output, dict(Counter(item.provider for item in shown)), views, filtered, gone)


def panorama_link(provider: str, pano_id: str, config: GeonavConfig) -> str | None:
    """Where a provider itself shows a panorama; None where it has no such page."""
    name = quote(pano_id, safe="")
    if provider == "google" and is_googles_own(config.google.url):
        return f"https://www.google.com/maps/@?api=1&map_action=pano&pano={name}"
    if provider == "mapillary":
        return f"https://www.mapillary.com/app/?focus=photo&pKey={name}"
    if provider == "panoramax":
        return f"{config.panoramax.url.removesuffix('/').removesuffix('/api')}/#focus=pic&pic={name}"
    return None


def _on_map(stored: StoredPanorama, config: GeonavConfig) -> MapPanorama:
    """A panorama with the views that were fetched or, of a photo that was not yet, the way it looks."""
    panorama = stored.panorama
    specs = [view.spec for view in stored.views if view.status is Status.DONE]
    azimuths = tuple(spec.azimuth_deg for spec in specs)
    fov_deg = specs[0].fov_deg if specs else None
    if not specs and panorama.camera is not None and panorama.heading_deg is not None:
        azimuths, fov_deg = (panorama.heading_deg,), panorama.camera.fov_deg
    return MapPanorama(
        pano_id=panorama.pano_id,
        provider=panorama.provider,
        lat=panorama.lat,
        lng=panorama.lng,
        captured_at=panorama.captured_at[:10] if panorama.captured_at else None,
        views=azimuths,
        fov_deg=None if fov_deg is None else round(fov_deg, 1),
        link=panorama_link(panorama.provider, panorama.pano_id, config),
    )


def _is_date(text: str) -> bool:
    if not _DATE.fullmatch(text):
        return False
    try:
        date.fromisoformat((text + "-01-01")[:10])
    except ValueError:
        return False
    return True
