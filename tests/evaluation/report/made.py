"""Photos, results, scores and matches made by hand."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from geonav.data.results import Ellipse, LocalizationResult, PositionStd, ReferenceUse
from geonav.evaluation.record import QueryRecord, QueryScore, RetrievedReference, Truth
from geonav.geometry.geodesy import GeoPoint, LocalFrame
from geonav.geometry.orientation import rotation_from_angles
from geonav.geometry.pose import pose_from_center
from geonav.pipeline.view_matches import ViewMatches

ORIGIN = GeoPoint(48.94, 8.41, 130.0)
ATTACK = "</script><script>document.title='taken'</script>"
CAMERA = [[300.0, 0.0, 160.0], [0.0, 300.0, 120.0], [0.0, 0.0, 1.0]]


def pose_at(east: float, north: float, heading: float = 30.0) -> np.ndarray:
    return pose_from_center(rotation_from_angles(heading), np.array([east, north, 1.6]))


def noise(seed: int, size: tuple[int, int] = (320, 240)) -> bytes:
    """The worst that a thumbnail can be."""
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, "JPEG", quality=60)
    return stream.getvalue()


def located(path: str, east: float, north: float) -> LocalizationResult:
    return LocalizationResult(
        query=path, status="located", lat=48.94, lng=8.41, azimuth=31.0, E=pose_at(east, north, 31.0).tolist(),
        position_std_m=PositionStd(east=0.1, north=0.1, up=0.1), seconds={"matching": 1.25, "pose": 0.5},
        ellipse_95=Ellipse(semi_major_m=0.5, semi_minor_m=0.2, azimuth_deg=90.0), num_inliers=20, K=CAMERA,
        references=[ReferenceUse(uid="r1", score=0.9, num_matches=30, num_inliers=20)],
    )  # fmt: skip


def query(name: str, path: str, east: float, north: float, *, is_distractor: bool = False) -> QueryRecord:
    """A query that r1 and r0 were retrieved for; r0 stands at the origin, r1 9 m east of it."""
    lat, lng, _ = (float(value) for value in LocalFrame(ORIGIN).geo_from_enu(np.array([east, north, 0.0])))
    truth = Truth(lat=lat, lng=lng, azimuth=30.0, center_m=(east, north, 1.6), E=pose_at(east, north).tolist())
    retrieved = (
        RetrievedReference(uid="r1", similarity=0.9, lat=48.94, lng=8.410123),
        RetrievedReference(uid="r0", similarity=0.5, lat=48.94, lng=8.41),
    )
    groups = {"light": "day" if east < 3 else "night"}
    return QueryRecord(
        name=name, photo=path, is_distractor=is_distractor, truth=None if is_distractor else truth,
        retrieved=retrieved, groups=groups, nearest_reference_m=2.5,
    )  # fmt: skip


def scored(name: str, status: str, error_m: float | None = None, **known: object) -> QueryScore:
    """The score of a query whose whole error lies to the north."""
    if error_m is not None:
        known = {
            "position_error_m": abs(error_m), "horizontal_error_m": abs(error_m), "vertical_error_m": 0.0,
            "rotation_error_deg": 1.0, "azimuth_error_deg": 1.0, "semi_major_m": 0.5, "confidence": 20.0,
            "in_ellipse": abs(error_m) <= 0.2, "horizontal_nes": (error_m / 0.2) ** 2 * 5.991 / 2, "azimuth_nes": 1.0,
            **known,
        }  # fmt: skip
    return QueryScore.model_validate({"name": name, "status": status, **known})


def matches(uid: str, number: int) -> ViewMatches:
    """Two thirds of them agree."""
    pixels = np.random.default_rng(number).uniform(0, 240, (number, 2)).astype(np.float32)
    return ViewMatches(uid, pixels, pixels, np.arange(number) % 3 > 0)


SCORES = (
    scored("a/ü", "located", 0.1, seconds=1.0, groups={"light": "day"}, first_right=1, has_positive=True),
    scored("b", "located", 0.3, seconds=2.0, groups={"light": "day"}, first_right=1, has_positive=True),
    scored("c", "not_located", failure="no_geometry", seconds=4.0, groups={"light": "day"}, has_positive=True),
    scored("x", "not_located", is_distractor=True),
    scored("y", "located", is_distractor=True, confidence=12.0),
)
