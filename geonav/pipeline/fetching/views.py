"""Which views a panorama gives, and what the entry of a view says."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.manifest_rows import StoredPanorama, panorama_to_json
from geonav.data.metadata import ImageMetadata, camera_fields
from geonav.data.survey import Panorama, ViewSpec
from geonav.errors import InputError
from geonav.geometry.camera import Camera
from geonav.geometry.geodesy import GeoPoint, LocalFrame
from geonav.geometry.orientation import rotation_from_angles
from geonav.geometry.pose import pose_from_center
from geonav.pipeline.fetching.datums import converted_height_m
from geonav.settings.fetching import FetchConfig

# Changes when entries are to be described in another way, so that those of older runs are described anew.
_DESCRIPTION = 2
_MAX_NAME = 120


def planned_views(panorama: Panorama, fetch: FetchConfig) -> list[ViewSpec]:
    """The views to have of a panorama: evenly spread from north on, or the one that a photo is."""
    if panorama.projection == "camera":
        camera = panorama.camera
        if camera is None:
            return []
        heading_deg = panorama.heading_deg or 0.0
        return [ViewSpec(0, heading_deg, panorama.pitch_deg, camera.fov_deg, camera.width, camera.height)]
    count, size = fetch.n_directions, fetch.size_px
    return [
        ViewSpec(index, 360.0 * index / count, fetch.pitch_deg, fetch.fov_deg, size, size) for index in range(count)
    ]


def uid_of(panorama: Panorama, spec: ViewSpec) -> str:
    """Name of a view's entry: provider, id and index; an id that cannot be in a folder's name gets a few digits."""
    name = re.sub(r"[^A-Za-z0-9_-]", "_", panorama.pano_id)[:_MAX_NAME]
    if name != panorama.pano_id:
        name += f"-{hashlib.sha256(panorama.pano_id.encode()).hexdigest()[:8]}"
    return f"{panorama.provider}_{name}_{spec.index:02d}"


@dataclass(frozen=True)
class Describer:
    """Turns panoramas into the metadata of entries.

    Attributes:
        frame: of the database.
        alt_datum: of the database's heights.
        camera_height_m: of a capture car's camera above the ground.
        position_std_m: trust in positions; None takes the panorama's own.
        heading_std_deg: trust in headings; None takes the panorama's own.
    """

    frame: LocalFrame
    alt_datum: str
    camera_height_m: float
    position_std_m: float | None = None
    heading_std_deg: float | None = None

    @classmethod
    def of(cls, database: Database, config: GeonavConfig) -> Self:
        """What describes entries of ``database``.

        Raises:
            DatabaseError: the database has no origin.
        """
        fetch = config.fetch
        trust = (fetch.position_std_m, fetch.heading_std_deg)
        return cls(database.frame, database.alt_datum, fetch.camera_height_m, *trust)

    def height_m(self, stored: StoredPanorama) -> float | None:
        """Height of the camera in the database's datum; None where neither it nor the ground's is known.

        Raises:
            UsageError: it is in a datum that cannot be taken to the database's.
        """
        panorama, ground = stored.panorama, stored.ground
        place = (panorama.lat, panorama.lng)
        if panorama.alt_m is not None:
            return converted_height_m(panorama.alt_m, place, (panorama.alt_datum or self.alt_datum, self.alt_datum))
        if ground is not None:
            return converted_height_m(ground.height_m, place, (ground.datum, self.alt_datum)) + self.camera_height_m
        return None

    def stamp(self, stored: StoredPanorama, spec: ViewSpec) -> str:
        """Tells whether an entry's metadata was made from what is known now."""
        known = [_DESCRIPTION, panorama_to_json(stored.panorama), stored.ground and asdict(stored.ground)]
        text = json.dumps([*known, asdict(spec), asdict(self)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def metadata(self, stored: StoredPanorama, spec: ViewSpec) -> ImageMetadata:
        """What the entry of a view says.

        Raises:
            UsageError: its height is in a datum that cannot be taken to the database's.
            InputError: its camera is none.
        """
        panorama = stored.panorama
        azimuth_deg: float | None = spec.azimuth_deg
        pitch_deg, roll_deg, camera = spec.pitch_deg, 0.0, _camera(panorama, spec)
        if panorama.projection == "camera":
            azimuth_deg, pitch_deg, roll_deg = panorama.heading_deg, panorama.pitch_deg, panorama.roll_deg
        alt_m = self.height_m(stored)
        fields: dict[str, Any] = {
            **camera_fields(camera),
            "fov": float(spec.fov_deg),  # as asked for; by way of the focal length it would lose its last digit
            "lat": panorama.lat,
            "lng": panorama.lng,
            "alt": alt_m,
            "azn": None if azimuth_deg is None else float(azimuth_deg % 360.0),
            "E": None,
            "provider": panorama.provider,
            "captured_at": panorama.captured_at,
            "licence": panorama.licence,
            "attribution": panorama.attribution,
            "pitch": float(pitch_deg),
            "roll": float(roll_deg),
            "alt_datum": None if alt_m is None else self.alt_datum,
            "position_std_m": float(_given(self.position_std_m, panorama.position_std_m)),
            "heading_std_deg": float(_given(self.heading_std_deg, panorama.heading_std_deg)),
            "pano_id": panorama.pano_id,
        }
        if panorama.sequence is not None:
            fields["sequence"] = panorama.sequence
        if alt_m is not None and azimuth_deg is not None:
            rotation = rotation_from_angles(azimuth_deg, pitch_deg, roll_deg)
            fields["E"] = self._pose(GeoPoint(panorama.lat, panorama.lng, alt_m), rotation).tolist()
        return ImageMetadata.model_validate(fields)

    def _pose(self, place: GeoPoint, camera_from_here: np.ndarray[Any, np.dtype[np.float64]]) -> Any:  # noqa: ANN401
        """``E`` (4, 4): angles hold against the vertical and true north at the camera, not at the origin."""
        here_from_frame = LocalFrame(place).rigid_from(self.frame)[:3, :3]
        center = self.frame.enu_from_geo(place.lat_deg, place.lng_deg, place.alt_m)
        return pose_from_center(camera_from_here @ here_from_frame, center)


def _camera(panorama: Panorama, spec: ViewSpec) -> Camera:
    if panorama.projection != "camera":
        return spec.camera
    if panorama.camera is None:
        msg = "its provider does not say its camera"
        raise InputError(msg)
    return panorama.camera


def _given(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value
