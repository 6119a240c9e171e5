"""What locating a sequence gives: one point a frame, on a track."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from geonav.data.results import Ellipse, LocalizationResult, PositionStd, Status

TrackStatus = Literal["located", "confirmed", "corrected", "interpolated", "refused"]
SOLVED: frozenset[TrackStatus] = frozenset({"located", "confirmed", "corrected"})


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class InterpolatedPlace(_Record):
    """Where a frame without a pose lies by the motion of the frames around it: a guess, and no pose."""

    lat: float = Field(description="degrees, WGS84")
    lng: float = Field(description="degrees, WGS84")
    alt: float = Field(description="metres in alt_datum")
    alt_datum: str | None = Field(None, description="height datum of the database")
    position_std_m: PositionStd
    ellipse_95: Ellipse


class TrackPoint(_Record):
    """One frame of a sequence.

    ``result`` has a pose only where one was solved from the frame itself; a place between neighbours is in
    ``interpolated`` and nowhere else.
    """

    frame: str = Field(description="the photo, or the video and the second in it")
    time_s: float = Field(description="seconds since the first frame, or of the video")
    captured_at: str | None = Field(None, description="ISO 8601, with the offset from UTC where it is known")
    status: TrackStatus = Field(
        description="located as alone; confirmed by its neighbours, or corrected to another of its candidates; "
        "interpolated between neighbours; refused"
    )
    result: LocalizationResult = Field(description="what the sequence says of the frame")
    alone: Status = Field(description="what the frame gave alone")
    alone_reason: str | None = Field(None, description="why it was refused alone")
    interpolated: InterpolatedPlace | None = Field(None, description="of an interpolated frame only")
    starts_piece: bool = Field(False, description="whether no motion leads here from the frames before: a cut")

    @model_validator(mode="after")
    def _nothing_looks_like_a_pose(self) -> TrackPoint:
        if (self.status in SOLVED) != (self.result.status == "located"):
            msg = f"a frame that is {self.status} must {'' if self.status in SOLVED else 'not '}have a pose"
            raise ValueError(msg)
        if (self.status == "interpolated") != (self.interpolated is not None):
            msg = "an interpolated place belongs to an interpolated frame"
            raise ValueError(msg)
        return self
