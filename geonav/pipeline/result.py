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
    lat, lng, alt = (float(value) for value in frame.geo_from_enu(camera_center(pose)))
    here_from_frame = LocalFrame(GeoPoint(lat, lng, alt)).rigid_from(frame)[:3, :3]
    rotation = pose[:3, :3] @ here_from_frame.T
    azimuth, pitch, roll = angles_from_rotation(rotation)
    covariance = PoseCovariance(matrix, rotation)
    position = here_from_frame @ matrix[3:6, 3:6] @ here_from_frame.T
    major, minor, direction = ellipse_95(position[:2, :2])
    east, north, up = (float(value) ** 0.5 for value in position.diagonal())
    return {
        "lat": lat,
        "lng": lng,
        "alt": alt,
        "azimuth": azimuth,
        "pitch": pitch,
        "roll": roll,
        "E": pose.tolist(),
        "position_std_m": PositionStd(east=east, north=north, up=up),
        "azimuth_std_deg": covariance.azimuth_std_deg(),
        "ellipse_95": Ellipse(semi_major_m=major, semi_minor_m=minor, azimuth_deg=direction),
    }
