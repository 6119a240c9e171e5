"""A solution in the database's frame, said in latitude, longitude and compass degrees."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from geonav.data.results import Ellipse, PositionStd
from geonav.geometry.geodesy import GeoPoint, LocalFrame
from geonav.geometry.orientation import angles_from_rotation
from geonav.geometry.pose import camera_center
from geonav.pose.solver import Solution
from geonav.pose.uncertainty import PoseCovariance, ellipse_95


def pose_of_result(solution: Solution, frame: LocalFrame) -> dict[str, Any]:
    """The fields of :class:`LocalizationResult` that say where and how the camera stood.

    Directions are taken against the vertical and true north at the camera, which at the other end of
    a city differ from those at the database's origin.
    """
    return pose_fields(solution.pose, solution.covariance.matrix, frame)


def pose_fields(pose: NDArray[np.float64], matrix: NDArray[np.float64], frame: LocalFrame) -> dict[str, Any]:
    """The same of a pose ``E`` (4, 4) in the database's frame and its covariance (6, 6), as in ``PoseCovariance``."""
    place = place_fields(camera_center(pose), matrix[3:6, 3:6], frame)
    here_from_frame = _axes_at(place, frame)
    rotation = pose[:3, :3] @ here_from_frame.T
    azimuth, pitch, roll = angles_from_rotation(rotation)
    return {
        **place,
        "azimuth": azimuth,
        "pitch": pitch,
        "roll": roll,
        "E": pose.tolist(),
        "azimuth_std_deg": PoseCovariance(matrix, rotation).azimuth_std_deg(),
    }


def place_fields(center_m: NDArray[np.float64], covariance: NDArray[np.float64], frame: LocalFrame) -> dict[str, Any]:
    """The fields of a position alone, from a point (3,) of the database's frame and its covariance (3, 3)."""
    lat, lng, alt = (float(value) for value in frame.geo_from_enu(center_m))
    fields: dict[str, Any] = {"lat": lat, "lng": lng, "alt": alt}
    here_from_frame = _axes_at(fields, frame)
    position = here_from_frame @ covariance @ here_from_frame.T
    major, minor, direction = ellipse_95(position[:2, :2])
    east, north, up = (float(value) ** 0.5 for value in position.diagonal())
    fields["position_std_m"] = PositionStd(east=east, north=north, up=up)
    fields["ellipse_95"] = Ellipse(semi_major_m=major, semi_minor_m=minor, azimuth_deg=direction)
    return fields


def _axes_at(place: dict[str, Any], frame: LocalFrame) -> NDArray[np.float64]:
    """Rotation (3, 3) from the database's axes to east, north, up at a place."""
    return LocalFrame(GeoPoint(place["lat"], place["lng"], place["alt"])).rigid_from(frame)[:3, :3]
