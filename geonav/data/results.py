"""What locating one photo gives: one documented object, the same in Python and as JSON."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Matrix = list[list[float]]
Status = Literal["located", "retrieved_only", "not_located"]
KSource = Literal["given", "metadata", "exif_35mm", "exif_sensor_db", "estimated"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PositionStd(_Record):
    """Standard deviations of a position along the axes of the local frame, in metres."""

    east: float
    north: float
    up: float


class Ellipse(_Record):
    """The horizontal ellipse that holds the true position with a probability of 95 %."""

    semi_major_m: float
    semi_minor_m: float
    azimuth_deg: float = Field(description="of the major axis, clockwise from true north, in [0, 180)")


class ReferenceUse(_Record):
    """One retrieved reference and what it gave."""

    uid: str
    score: float = Field(description="similarity of the global descriptors, before re-ranking")
    num_matches: int = Field(description="matched keypoints; 0 where it was not matched")
    num_inliers: int = Field(description="matches that agree with the pose")


class LocalizationResult(_Record):
    """Where a photo was taken, how sure that is, or why there is no answer.

    Only ``status == "located"`` carries a pose; every field of the pose is null otherwise.
    """

    query: str = Field(description="the photo, as it was named")
    status: Status
    reason: str | None = Field(None, description="why there is no pose; null when located")
    lat: float | None = Field(None, description="degrees, WGS84")
    lng: float | None = Field(None, description="degrees, WGS84")
    alt: float | None = Field(None, description="metres in alt_datum")
    alt_datum: str | None = Field(None, description="height datum of the database")
    azimuth: float | None = Field(None, description="of the optical axis, degrees clockwise from true north")
    pitch: float | None = Field(None, description="degrees, up is positive")
    roll: float | None = Field(None, description="degrees, clockwise as seen from behind is positive")
    E: Matrix | None = Field(None, description="camera_from_world 4x4; world is ENU metres at the database's origin")
    K: Matrix | None = Field(None, description="calibration 3x3 in pixels of the upright photo, as solved with")
    K_source: KSource | None = Field(None, description="where the calibration came from")
    position_std_m: PositionStd | None = None
    azimuth_std_deg: float | None = None
    ellipse_95: Ellipse | None = None
    num_inliers: int = Field(0, description="keypoints of the photo that agree with the pose")
    references: list[ReferenceUse] = Field(default_factory=list, description="retrieved references, best first")
    notes: list[str] = Field(default_factory=list, description="what a careful reader should know")
    seconds: dict[str, float] = Field(default_factory=dict, description="wall time of each stage")
    geonav_version: str = ""
    settings: dict[str, Any] = Field(default_factory=dict, description="the settings that made this result")

    @model_validator(mode="after")
    def _only_located_has_a_pose(self) -> LocalizationResult:
        pose = (self.lat, self.lng, self.azimuth, self.E, self.position_std_m, self.ellipse_95)
        if self.status == "located" and any(value is None for value in pose):
            msg = "a located result needs its whole pose"
            raise ValueError(msg)
        if self.status != "located" and any(value is not None for value in pose):
            msg = f"a result that is {self.status} must not carry a pose"
            raise ValueError(msg)
        return self
