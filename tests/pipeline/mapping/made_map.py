"""Maps made by hand: references along a street, points on its walls, and a report of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from geonav.data.database import Database
from geonav.data.map_store import MapPart, MapStore
from geonav.geometry.camera import Camera
from geonav.geometry.geodesy import GeoPoint
from geonav.geometry.orientation import rotation_from_angles
from geonav.geometry.pose import pose_from_center
from geonav.pipeline.mapping.report import LinkReport, MapReport, PartReport, SequenceReport, ViewReport

ATTACK = "<img src=x onerror=alert(1)>"
ORIGIN = GeoPoint(48.94, 8.41, 130.0)
CAMERA = Camera.from_fov(640, 480, 70.0)


def made_part(uids: list[str], num_points: int, east_m: float = 0.0) -> MapPart:
    """References 4 m apart on the way north, looking left and right by turns, and two walls of points."""
    rng = np.random.default_rng(len(uids) + num_points)
    count, length = len(uids), 4.0 * len(uids)
    sides = np.where(rng.random(num_points) < 0.5, -8.0, 8.0)
    walls = np.column_stack([sides, rng.uniform(-5.0, length, num_points), rng.uniform(0.0, 9.0, num_points)])
    centers = [(east_m + rng.normal(0.0, 0.2), 4.0 * row, 2.5) for row in range(count)]
    poses = [
        pose_from_center(rotation_from_angles(60.0 if row % 2 else -60.0), center) for row, center in enumerate(centers)
    ]
    return MapPart(
        uids=uids,
        stamps=["s"] * count,
        feature_stamps=["f"] * count,
        cameras=[CAMERA] * count,
        poses=np.array(poses),
        frames=np.arange(count),
        covariance=np.eye(6 * count, dtype=np.float32) * 1e-4,
        own_std=np.full((count, 2), 0.01),
        points=walls + np.array([east_m, 0.0, 0.0]),
        view=np.zeros(num_points, np.int64),
        keypoint=np.arange(num_points),
        point=np.arange(num_points),
        pixels=np.zeros((num_points, 2), np.float32),
        errors_px=np.full(num_points, 0.8, np.float32),
    )


def made_report(name: str, part: MapPart, suspects: dict[str, str] | None = None) -> PartReport:
    """A report where each reference moved a little more than the one before, and suspects far."""
    views = [_view(uid, row, (suspects or {}).get(uid)) for row, uid in enumerate(part.uids)]
    return PartReport(
        part=name, num_views=len(views), num_points=len(part.points), num_observations=len(part.point),
        residual_px=0.81, median_moved_m=0.75, weak_tilt_deg=0.34, notes=[f"a note on {name}"], views=views,
        sequences=[
            SequenceReport(name="drive", num_views=len(views), offset_m=(1.2, -0.4, 0.1), offset_std_m=(0.3, 0.3, 0.5))
        ],
        weak_links=[LinkReport(first=part.uids[0], second=part.uids[-1], num_matches=31)],
    )  # fmt: skip


def _view(uid: str, row: int, suspect: str | None) -> ViewReport:
    far = 14.0 if suspect else 0.0
    moved = (0.05 * row + far, -0.03 * row + far / 2, None if row % 3 else 0.1)
    return ViewReport(
        uid=uid, lat=48.94 + 3.6e-5 * row, lng=8.41, azimuth=60.0 if row % 2 else 300.0, moved_m=moved,
        turned_deg=None if row % 4 == 3 else 0.1 * row, tilted_deg=0.2, position_std_m=(0.11, 0.12, 0.21),
        heading_std_deg=0.15, position_sigmas=0.1 * row + far / 2, heading_sigmas=None if row % 4 == 3 else 0.05 * row,
        num_points=120 + row, num_links=6, residual_px=0.8, suspect=suspect,
    )  # fmt: skip


def made_map(
    path: Path, num_views: int = 12, num_points: int = 500, attack: str = ATTACK
) -> tuple[MapStore, MapReport]:
    """A database without entries and a map of two parts that share nothing; one reference is called like an attack."""
    store = MapStore(Database.create(path, ORIGIN))
    first = [f"r{row:04}" for row in range(num_views - 1)] + [attack]
    second = [f"s{row:04}" for row in range(max(3, num_views // 3))]
    for name, uids, share, east, suspects in (
        ("a1b2", first, 0.8, 0.0, {"r0003": "position, heading"}),
        ("c3d4", second, 0.2, 40.0, {}),
    ):
        part = made_part(uids, round(share * num_points), east)
        store.write(name, part, made_report(name, part, suspects).model_dump(mode="json"), Path.mkdir)
    return store, MapReport.of(store, [("t0000", f"no match {attack}"), ("t0001", f"no match {attack}")])
