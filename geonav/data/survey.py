"""What is known of a place's imagery before and while it is fetched."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from geonav.geometry.camera import Camera

Projection = Literal["cut_by_provider", "equirectangular", "camera"]


@dataclass(frozen=True)
class SamplePoint:
    """A point at which imagery is asked for.

    Attributes:
        lat: degrees, WGS84.
        lng: degrees, WGS84, in [-180, 180).
        heading_deg: of the street there, clockwise from true north; None where not known.
    """

    lat: float
    lng: float
    heading_deg: float | None = None


@dataclass(frozen=True)
class SearchQuery:
    """One call for what a provider has somewhere: the unit that is stored, resumed and retried.

    Attributes:
        key: tells it from all others of its provider; equal areas and points give equal keys.
        lat: of its middle, degrees.
        lng: of its middle, degrees.
        radius_m: farthest a panorama may be from the middle; None where ``box`` says what is searched.
        box: south, west, north, east in degrees; None where the radius says it.
    """

    key: str
    lat: float
    lng: float
    radius_m: float | None = None
    box: tuple[float, float, float, float] | None = None


@dataclass(frozen=True)
class Panorama:
    """A picture that a provider holds, of one place in all or some directions.

    Attributes:
        provider: its name.
        pano_id: the provider's name for it.
        lat: of the camera, degrees, WGS84.
        lng: of the camera, degrees, WGS84.
        projection: how its picture comes: the provider cuts perspective views on request, or one
            equirectangular picture, or one photo of ``camera``.
        alt_m: of the camera; None where only the ground's height below it can be found out.
        alt_datum: of ``alt_m``: wgs84, egm96, egm2008 or local.
        heading_deg: of the middle of the picture, clockwise from true north; None where the provider turns
            views to true north itself.
        pitch_deg: of the picture, up positive.
        roll_deg: of the picture, clockwise positive.
        camera: of a photo, and of its upright pixels; None otherwise.
        captured_at: ISO 8601 date or its beginning.
        licence: SPDX name or the provider's words.
        attribution: whom to credit, as the provider wants it.
        position_std_m: how far to trust the position, along each axis.
        heading_std_deg: how far to trust the heading.
        sequence: the drive it belongs to; positions of one drive share their error.
        extra: what else the provider says; values that JSON can hold, never a key, token or signed address.
    """

    provider: str
    pano_id: str
    lat: float
    lng: float
    projection: Projection
    alt_m: float | None = None
    alt_datum: str | None = None
    heading_deg: float | None = None
    pitch_deg: float = 0.0
    roll_deg: float = 0.0
    camera: Camera | None = None
    captured_at: str | None = None
    licence: str | None = None
    attribution: str | None = None
    position_std_m: float = 5.0
    heading_std_deg: float = 5.0
    sequence: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ViewSpec:
    """A perspective view to be had of a panorama.

    Attributes:
        index: its number among the panorama's views, from 0.
        azimuth_deg: clockwise from true north.
        pitch_deg: up positive.
        fov_deg: horizontal.
        width: pixels.
        height: pixels.
    """

    index: int
    azimuth_deg: float
    pitch_deg: float
    fov_deg: float
    width: int
    height: int

    @property
    def camera(self) -> Camera:
        """Its pinhole camera, the principal point in the middle."""
        return Camera.from_fov(self.width, self.height, self.fov_deg)
