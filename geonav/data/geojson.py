"""Results as GeoJSON (RFC 7946): the one place where longitude comes before latitude."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from geonav.data.results import LocalizationResult

_PROPERTIES = {
    "query",
    "status",
    "reason",
    "alt",
    "alt_datum",
    "azimuth",
    "pitch",
    "roll",
    "azimuth_std_deg",
    "position_std_m",
    "ellipse_95",
    "K_source",
    "num_inliers",
    "notes",
}


def feature(result: LocalizationResult) -> dict[str, Any]:
    """One Feature: a Point where the photo was located, a null geometry otherwise.

    The point has a height only where that is the ellipsoidal one RFC 7946 means; ``alt`` with its ``alt_datum`` is
    among the properties always. ``accuracy_m`` is the larger semi-axis of the 95 % ellipse, for styling in a GIS.
    """
    geometry: dict[str, Any] | None = None
    if result.lat is not None and result.lng is not None:
        position = [result.lng, result.lat]
        if result.alt is not None and result.alt_datum == "wgs84":
            position.append(result.alt)
        geometry = {"type": "Point", "coordinates": position}
    properties = result.model_dump(include=_PROPERTIES)
    properties["accuracy_m"] = result.ellipse_95.semi_major_m if result.ellipse_95 else None
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def feature_collection(results: Iterable[LocalizationResult]) -> dict[str, Any]:
    """All results, in order, as one FeatureCollection in longitude and latitude on WGS84."""
    return {"type": "FeatureCollection", "features": [feature(result) for result in results]}
