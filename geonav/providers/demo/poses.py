"""Where photos of a street are taken: references by a car in the lane, queries by people anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from geonav.geometry.camera import Camera
from geonav.geometry.orientation import rotation_from_angles
from geonav.geometry.pose import pose_from_center

if TYPE_CHECKING:
    from geonav.providers.demo.scene import StreetScene

Floats = NDArray[np.float64]

_CLEARANCE_M = 1.2


@dataclass(frozen=True)
class Shot:
    """A photo to take.

    Attributes:
        name: Of the file, without folder.
        camera: Intrinsics.
        E: (4, 4) camera_from_world, ENU metres.
        covered: Whether references show what is there.
    """

    name: str
    camera: Camera
    E: Floats
    covered: bool = True


@dataclass(frozen=True)
class Drive:
    """How references are taken.

    Attributes:
        camera: Their camera.
        spacing_m: From station to station.
        views_deg: Directions taken at each station, clockwise from the street's.
        height_m: Of the camera above the road.
        pitch_deg: Of the camera, up positive.
        jitter_m: Standard deviation of the position about the middle of the lane.
        jitter_deg: Standard deviation of azimuth, pitch and (a third of it) roll.
        margin_m: Kept from the street's ends.
        covers_m: The part of the street driven through, from and to; None for all of it.
    """

    camera: Camera
    spacing_m: float = 5.0
    views_deg: tuple[float, ...] = (-50.0, 50.0)
    height_m: float = 2.2
    pitch_deg: float = 7.0
    jitter_m: float = 0.25
    jitter_deg: float = 2.0
    margin_m: float = 5.0
    covers_m: tuple[float, float] | None = None


@dataclass(frozen=True)
class Walk:
    """How queries are taken.

    Attributes:
        cameras: One of them is drawn for each query.
        views_deg: Least and greatest angle to the street's direction; the side is drawn.
        height_m: Least and greatest height of the camera above the ground.
        pitch_deg: Least and greatest.
        margin_m: Kept from the street's ends.
        distance_m: Least and greatest distance of a covered query from the nearest reference.
        covers_m: The part of the street that references cover, from and to; None for all of it.
        uncovered: Share of the queries taken where no reference was.
    """

    cameras: tuple[Camera, ...]
    views_deg: tuple[float, float] = (30.0, 75.0)
    height_m: tuple[float, float] = (1.5, 1.8)
    pitch_deg: tuple[float, float] = (0.0, 12.0)
    margin_m: float = 6.0
    distance_m: tuple[float, float] = (1.0, 4.0)
    covers_m: tuple[float, float] | None = None
    uncovered: float = 0.0


def reference_poses(scene: StreetScene, drive: Drive, rng: np.random.Generator) -> list[Shot]:
    """References along the lane, each station's views one after another."""
    begin, end = drive.covers_m or (drive.margin_m, scene.length_m - drive.margin_m)
    shots: list[Shot] = []
    for along in np.arange(begin, end + 1e-9, drive.spacing_m):
        offset = drive.jitter_m * rng.standard_normal(3) * [1, 1, 0.2]
        center = scene.point(along + offset[0], offset[1], drive.height_m + offset[2])
        for view in drive.views_deg:
            turn = drive.jitter_deg * rng.standard_normal(3) * [1, 1, 1 / 3]
            angles = (scene.azimuth_deg + view + turn[0], drive.pitch_deg + turn[1], turn[2])
            pose = pose_from_center(rotation_from_angles(*angles), center)
            shots.append(Shot(f"r{len(shots):04d}.jpg", drive.camera, pose))
    return shots


def query_poses(
    scene: StreetScene, count: int, walk: Walk, rng: np.random.Generator, references: list[Shot]
) -> list[Shot]:
    """Queries on road and pavement, at a distance from the nearest reference.

    Args:
        scene: The street; queries keep out of its parked cars.
        count: How many.
        walk: How they are taken.
        rng: Source of randomness.
        references: Those the distance is kept from.
    """
    from geonav.geometry.pose import camera_center

    taken = np.array([camera_center(shot.E) for shot in references]).reshape(-1, 3)
    num_uncovered = round(count * walk.uncovered)
    shots: list[Shot] = []
    while len(shots) < count:
        covered = len(shots) < count - num_uncovered
        center = _standpoint(scene, walk, rng, covered=covered)
        nearest = np.linalg.norm(taken[:, :2] - center[:2], axis=1).min() if len(taken) else 0.0
        if covered and len(taken) and not walk.distance_m[0] <= nearest <= walk.distance_m[1]:
            continue
        left_m = scene.place(center)[1]
        # On the pavement people look across the street, not at the wall beside them.
        side = np.sign(left_m) if abs(left_m) > scene.road_width_m / 2 else rng.choice([-1, 1])
        view = side * rng.uniform(*walk.views_deg)
        angles = (
            scene.azimuth_deg + view,
            rng.uniform(*walk.pitch_deg),
            rng.normal(0, 1.5),
        )
        camera = walk.cameras[rng.integers(len(walk.cameras))]
        pose = pose_from_center(rotation_from_angles(*map(float, angles)), center)
        shots.append(Shot(f"q{len(shots):04d}.jpg", camera, pose, covered))
    return shots


def _standpoint(scene: StreetScene, walk: Walk, rng: np.random.Generator, *, covered: bool) -> Floats:
    """(3,) ENU of a place to stand: not in a wall, not in the row of parked cars."""
    begin, end = walk.margin_m, scene.length_m - walk.margin_m
    covers = walk.covers_m or (begin, end)
    lanes = (scene.road_width_m / 2 - 2.1, scene.road_width_m / 2 + 0.1, scene.half_width_m - _CLEARANCE_M)
    while True:
        along = rng.uniform(*covers) if covered else rng.uniform(begin, end)
        # Views reach about 12 m along the street; beyond that nothing of it is covered.
        if not covered and covers[0] - 12 <= along <= covers[1] + 12:
            continue
        across = rng.uniform(-lanes[2], lanes[2])
        if lanes[0] < abs(across) < lanes[1]:
            continue
        kerb = 0.12 if abs(across) > scene.road_width_m / 2 else 0.0
        return scene.point(along, across, kerb + rng.uniform(*walk.height_m))
