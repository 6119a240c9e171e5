"""Results made by hand, for tests of what is written of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from geonav.data.results import Ellipse, LocalizationResult, PositionStd
from geonav.geometry.camera import Camera
from geonav.geometry.geodesy import GeoPoint, LocalFrame
from geonav.geometry.orientation import rotation_from_angles
from geonav.geometry.pose import pose_from_center

ORIGIN = GeoPoint(48.9407, 8.4090, 130.0)


def located(query: str = "photo.jpg", **changed: Any) -> LocalizationResult:
    """A located photo; ``place`` (lat, lng, alt) and ``angles`` (azimuth, pitch, roll) make its pose."""
    lat, lng, alt = changed.pop("place", (48.94081234567, 8.40912345678, 131.25))
    azimuth, pitch, roll = changed.pop("angles", (123.4, 5.0, -2.0))
    frame = LocalFrame(ORIGIN)
    pose = pose_from_center(rotation_from_angles(azimuth, pitch, roll), frame.enu_from_geo(lat, lng, alt))
    fields: dict[str, Any] = {
        "query": query, "status": "located", "lat": lat, "lng": lng, "alt": alt, "alt_datum": "wgs84",
        "azimuth": azimuth, "pitch": pitch, "roll": roll, "E": pose.tolist(),
        "K": Camera.from_focal(640, 480, 500.0).K.tolist(), "K_source": "given",
        "position_std_m": PositionStd(east=0.1, north=0.2, up=0.3), "azimuth_std_deg": 0.1,
        "ellipse_95": Ellipse(semi_major_m=4.0, semi_minor_m=1.0, azimuth_deg=30.0), "num_inliers": 120,
        "geonav_version": "0.1.0",
    }  # fmt: skip
    return LocalizationResult.model_validate(fields | changed)


def refused(query: str = "elsewhere.jpg") -> LocalizationResult:
    """A photo without a pose."""
    return LocalizationResult(query=query, status="not_located", reason="too few matches")


def pose_of(result: LocalizationResult) -> np.ndarray:
    """``E`` (4, 4) of a located result."""
    return np.array(result.E, float)
