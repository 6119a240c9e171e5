"""The references as mapping sees them: camera, what their sources say of their pose, what moves with what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geonav.data.database import Database
from geonav.data.metadata import ImageMetadata
from geonav.data.stamps import stamp
from geonav.errors import GeonavError
from geonav.geometry.camera import Camera
from geonav.geometry.geodesy import LocalFrame
from geonav.geometry.orientation import rotation_from_angles
from geonav.geometry.pose import camera_center
from geonav.pipeline.trust import heading_std_deg, panorama_of, position_std_m, tilt_std_deg
from geonav.pose.priors import PosePrior

# People hold cameras level, and tip them up or down more than sideways: standard deviations of pitch and roll.
_LEVEL_STD_DEG = (15.0, 4.0)
# A phone's height is worse than its place.
_GPS_UP_FACTOR = 2.0
# Views of one panorama stand at one point; where their sources disagree by more, they are not what they say.
_SAME_CENTER_M = 0.05
_CALIBRATED_REL = 1e-3
_STAMPED = {
    *("w", "h", "lat", "lng", "alt", "alt_datum", "azn", "K", "E", "camera_model", "camera_params", "provider"),
    *("position_std_m", "heading_std_deg", "source_sha256"),
}
_STAMPED_EXTRA = ("pitch_roll_std_deg", "sequence", "pano_id", "focal_std_rel", "heading_ref")


@dataclass(frozen=True)
class MapView:
    """A reference.

    Attributes:
        uid: of the entry.
        camera: its intrinsics.
        is_calibrated: whether they are known, or only EXIF's guess.
        position_m: East-North-Up metres (3,); NaN where not known.
        position_std_m: of each (3,).
        rotation: camera_from_world (3, 3), as said, or level and looking anywhere.
        heading_std_deg: infinite where the heading is not known.
        tilt_std_deg: of pitch and of roll.
        sequence: the drive it belongs to; empty where not known.
        frame: views of one panorama have one frame; else the uid.
        stamp: of all the above and the picture: the map holds for it only while that stays.
    """

    uid: str
    camera: Camera
    is_calibrated: bool
    position_m: NDArray[np.float64]
    position_std_m: NDArray[np.float64]
    rotation: NDArray[np.float64]
    heading_std_deg: float
    tilt_std_deg: tuple[float, float]
    sequence: str
    frame: str
    stamp: str

    @property
    def azimuth_deg(self) -> float:
        """Of the optical axis; NaN where the heading is not known."""
        if not np.isfinite(self.heading_std_deg):
            return float("nan")
        return float(np.degrees(np.arctan2(self.rotation[2, 0], self.rotation[2, 1])) % 360.0)

    def prior(self, sequence: int) -> PosePrior:
        """What its source says, with the number of its drive."""
        return PosePrior(
            self.position_m, self.position_std_m, self.rotation, self.heading_std_deg, self.tilt_std_deg, sequence
        )


def stamp_of(metadata: ImageMetadata) -> str:
    """Of what a map takes from an entry: its source's pose and camera, how far they are trusted, and the picture."""
    extra = metadata.model_extra or {}
    data: dict[str, Any] = metadata.model_dump(mode="json", include=_STAMPED)
    return stamp(data | {name: extra.get(name) for name in _STAMPED_EXTRA})


def read_views(database: Database, uids: Sequence[str]) -> tuple[list[MapView], list[tuple[str, str]]]:
    """The entries that can be mapped, and uid and reason of those that cannot.

    Raises:
        DatabaseError: the database has no origin.
    """
    frame = database.frame
    views, left_out = [], []
    for uid in uids:
        try:
            metadata = database.metadata(uid)
        except GeonavError as error:
            left_out.append((uid, str(error)))
            continue
        if not metadata.has_camera:
            left_out.append((uid, "its focal length is not known"))
        elif not metadata.has_pose and (metadata.lat is None or metadata.lng is None):
            left_out.append((uid, "its source says neither pose nor position"))
        else:
            views.append(_view(uid, metadata, frame, database.alt_datum))
    return _with_agreeing_frames(views), left_out


def _view(uid: str, metadata: ImageMetadata, frame: LocalFrame, alt_datum: str) -> MapView:
    extra = metadata.model_extra or {}
    stds = np.array(position_std_m(metadata))
    pose = metadata.pose
    if pose is not None:
        position, rotation = camera_center(pose), pose[:3, :3]
        heading, tilt = heading_std_deg(metadata), (tilt_std_deg(metadata),) * 2
    else:
        has_height = metadata.alt is not None and metadata.alt_datum in {None, alt_datum}
        height = metadata.alt if has_height and metadata.alt is not None else frame.origin.alt_m
        position = np.array(frame.enu_from_geo(metadata.lat or 0.0, metadata.lng or 0.0, height))
        stds = stds * [1.0, 1.0, _GPS_UP_FACTOR]
        if not has_height:
            position[2], stds[2] = np.nan, np.inf
        is_true = metadata.azn is not None and extra.get("heading_ref", "true") == "true"
        rotation = rotation_from_angles(metadata.azn if is_true and metadata.azn is not None else 0.0)
        heading, tilt = (heading_std_deg(metadata) if is_true else np.inf), _LEVEL_STD_DEG
    focal_std = extra.get("focal_std_rel", 0.0)
    return MapView(
        uid=uid,
        camera=metadata.camera,
        is_calibrated=not (isinstance(focal_std, int | float) and focal_std > _CALIBRATED_REL),
        position_m=position,
        position_std_m=stds,
        rotation=rotation,
        heading_std_deg=float(heading),
        tilt_std_deg=tilt,
        sequence=str(extra.get("sequence") or ""),
        frame=(panorama_of(metadata) if pose is not None else "") or uid,
        stamp=stamp_of(metadata),
    )


def _with_agreeing_frames(views: list[MapView]) -> list[MapView]:
    """Views that say they are of one panorama but stand apart are each their own frame."""
    centers: dict[str, NDArray[np.float64]] = {}
    apart: set[str] = set()
    for view in views:
        center = centers.setdefault(view.frame, view.position_m)
        if np.linalg.norm(center - view.position_m) > _SAME_CENTER_M:
            apart.add(view.frame)
    own = [view for view in views if view.frame not in apart]
    split = [replace(view, frame=view.uid) for view in views if view.frame in apart]
    return sorted([*own, *split], key=lambda view: view.uid)


def contradictory_frames(database: Database, views: Sequence[MapView]) -> list[str]:
    """Uids of views that name a panorama but are mapped alone, since its views contradict each other."""
    found = []
    for view in views:
        metadata = database.metadata(view.uid)
        if panorama_of(metadata) and metadata.has_pose and view.frame == view.uid:
            found.append(view.uid)
    return found
