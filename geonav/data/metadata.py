"""``metadata.json``: what is known of one picture, validated with messages a person can act on."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from geonav.errors import DatabaseError, InputError
from geonav.geometry.camera import Camera
from geonav.geometry.geodesy import LocalFrame
from geonav.geometry.orientation import angles_from_rotation
from geonav.geometry.pose import camera_center, is_rotation

AltDatum = Literal["wgs84", "egm96", "egm2008", "local"]
ALT_DATUMS: tuple[str, ...] = get_args(AltDatum)
SEED_KEYS = ("w", "h", "lat", "lng", "alt", "azn", "fov", "K", "E")
Matrix = list[list[float]]


def _whole(value: object) -> object:
    """1536.0 is a size, as other tools write it; 1536.5 and "1536" are not."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Size = Annotated[int, BeforeValidator(_whole), Field(ge=1, le=1_000_000)]
Std = Annotated[float, Field(ge=0)]


class AxisStd(BaseModel):
    """Standard deviations of a position along east, north and up, in metres."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    east: Std
    north: Std
    up: Std


class RefinedCamera(BaseModel):
    """Intrinsics that a map solved for, in COLMAP's order and pixels."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    model: str
    params: list[float]


class ImageMetadata(BaseModel):
    """One picture: its size, place, camera and pose. Further keys are kept as they are.

    ``w h K`` and everything in pixels belong to the upright picture. ``lat lng alt`` is the camera's
    centre, ``azn`` the azimuth of its optical axis clockwise from true north, ``fov`` its horizontal
    field of view in degrees, ``E`` camera_from_world (4x4, the world is ENU metres at the database's
    origin). ``K`` is null where the focal length is not known. ``E_refined`` is the pose that a map found, in
    the same form, ``E_refined_cov`` its covariance (6x6: turn about east, north, up in radians, then centre in
    metres), ``map_version`` the part of the map that both are of.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="allow", allow_inf_nan=False)

    w: Size
    h: Size
    lat: float | None = Field(None, ge=-90, le=90)
    lng: float | None = Field(None, ge=-180, le=180)
    alt: float | None = None
    azn: float | None = Field(None, ge=-360, le=360)
    fov: float | None = Field(None, gt=0, lt=360)
    K: Matrix | None
    E: Matrix | None = None
    camera_model: str | None = None
    camera_params: list[float] | None = None
    provider: str | None = None
    captured_at: str | None = None
    licence: str | None = None
    attribution: str | None = None
    pitch: float | None = None
    roll: float | None = None
    alt_datum: AltDatum | None = None
    position_std_m: Std | AxisStd | None = None
    heading_std_deg: Std | None = None
    source_name: str | None = None
    source_sha256: str | None = None
    E_refined: Matrix | None = None
    E_refined_cov: Matrix | None = None
    camera_refined: RefinedCamera | None = None
    map_version: str | None = None

    @field_validator("E", "E_refined")
    @classmethod
    def _check_pose(cls, value: Matrix | None) -> Matrix | None:
        if value is None:
            return None
        try:
            pose = np.array(value, float)
        except ValueError:
            pose = np.empty(0)
        if pose.shape != (4, 4) or np.abs(pose[3] - [0, 0, 0, 1]).max() > 1e-6:
            msg = "must be 4x4 with the last row 0 0 0 1"
            raise ValueError(msg)
        if not is_rotation(pose[:3, :3]):
            msg = "its upper left 3x3 part is not a rotation"
            raise ValueError(msg)
        return value

    @field_validator("K")
    @classmethod
    def _check_intrinsics(cls, value: Matrix | None) -> Matrix | None:
        if value is None:
            return None
        try:
            Camera.from_K(1, 1, np.array(value, float))
        except InputError as error:
            raise ValueError(str(error).removeprefix("K ")) from error
        except ValueError as error:
            msg = "must be a 3x3 matrix"
            raise ValueError(msg) from error
        return value

    @model_validator(mode="after")
    def _check_camera(self) -> ImageMetadata:
        if self.camera_model is None:
            return self
        try:
            camera = self.camera
        except InputError as error:
            raise ValueError(str(error)) from error
        if self.K is not None and not np.allclose(camera.K, np.array(self.K, float), rtol=1e-4, atol=1e-2):
            msg = "K and camera_params disagree: K must be the linear part of the camera model"
            raise ValueError(msg)
        return self

    @property
    def has_camera(self) -> bool:
        """Whether the intrinsics are known."""
        return self.K is not None or self.camera_model is not None

    @property
    def camera(self) -> Camera:
        """Intrinsics of the upright picture, distortion included.

        Raises:
            InputError: they are not known, or are those of no camera.
        """
        if self.camera_model is not None:
            return Camera(self.camera_model, self.w, self.h, tuple(self.camera_params or ()))
        if self.K is None:
            msg = "the picture has no K: its focal length is not known"
            raise InputError(msg)
        return Camera.from_K(self.w, self.h, np.array(self.K, float))

    @property
    def has_pose(self) -> bool:
        """Whether the pose is known."""
        return self.E is not None

    @property
    def pose(self) -> NDArray[np.float64] | None:
        """``E`` as an array (4, 4), or None."""
        return None if self.E is None else np.array(self.E, float)

    def to_json(self) -> dict[str, Any]:
        """The keys as they are stored: the nine of the format first, then what else is known."""
        data = self.model_dump(mode="json")
        return {key: value for key, value in data.items() if key in SEED_KEYS or value is not None}


def parse_metadata(data: object, where: str) -> ImageMetadata:
    """Validate what was read from ``metadata.json``.

    Raises:
        DatabaseError: it is not valid; the message lists every key at fault.
    """
    problems: list[str] = ["it is not a JSON object"]
    if isinstance(data, dict):
        try:
            return ImageMetadata.model_validate(data)
        except ValidationError as error:
            problems = problems_of(error)
    msg = f"{where} is not valid: {'; '.join(problems)}"
    raise DatabaseError(msg)


def problems_of(error: ValidationError, mark: str = "") -> list[str]:
    """One readable line for each key at fault; ``mark`` stands behind the key."""
    lines: dict[str, str] = {}
    for item in error.errors():
        key = str(item["loc"][0]) if item["loc"] else ""
        text = "is missing" if item["type"] == "missing" else item["msg"].removeprefix("Value error, ")
        lines.setdefault(key, f"{key}{mark} {text}" if key else text)
    return list(lines.values())


def camera_fields(camera: Camera) -> dict[str, Any]:
    """The keys of ``metadata.json`` that describe a camera."""
    fields: dict[str, Any] = {
        "w": camera.width,
        "h": camera.height,
        "fov": camera.fov_deg,
        "K": camera.K.tolist(),
    }
    if not camera.is_pinhole:
        fields |= {"camera_model": camera.model, "camera_params": [float(value) for value in camera.params]}
    return fields


def pose_fields(pose: NDArray[np.float64], frame: LocalFrame) -> dict[str, Any]:
    """The keys of ``metadata.json`` that describe a pose ``camera_from_world`` (4, 4) in ``frame``."""
    lat, lng, alt = (float(value) for value in frame.geo_from_enu(camera_center(pose)))
    azimuth, pitch, roll = angles_from_rotation(pose[:3, :3])
    place = {"lat": lat, "lng": lng, "alt": alt, "azn": azimuth}
    return place | {"E": pose.tolist(), "pitch": pitch, "roll": roll}
