"""A track by hand: every kind of frame, and a cut."""

from __future__ import annotations

from geonav.data.results import Ellipse, LocalizationResult, PositionStd
from geonav.data.track import InterpolatedPlace, TrackPoint, TrackStatus

STATUSES: tuple[TrackStatus, ...] = (
    "located", "confirmed", "interpolated", "corrected", "refused", "located", "located", "located",
)  # fmt: skip
CUT_BEFORE = 7


def result(name: str, lat: float) -> LocalizationResult:
    return LocalizationResult(
        query=name,
        status="located",
        lat=lat,
        lng=-8.25,
        alt=130.5,
        alt_datum="egm96",
        azimuth=12.5,
        pitch=1.0,
        roll=-1.0,
        E=[[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
        K=[[1000.0, 0, 500], [0, 1000, 400], [0, 0, 1]],
        K_source="given",
        position_std_m=PositionStd(east=0.01, north=0.01, up=0.01),
        azimuth_std_deg=0.02,
        ellipse_95=Ellipse(semi_major_m=0.031, semi_minor_m=0.02, azimuth_deg=45),
        num_inliers=321,
    )


def track(times: str | None = "2026-05-01T12:00:{:02d}+02:00") -> list[TrackPoint]:
    """A frame a second going north, 1e-4 degrees each."""
    points = []
    for index, status in enumerate(STATUSES):
        name, lat = f"f{index}.jpg", 48.5 + 1e-4 * index
        solved = status in {"located", "confirmed", "corrected"}
        place = InterpolatedPlace(
            lat=lat,
            lng=-8.25,
            alt=130.0,
            alt_datum="egm96",
            position_std_m=PositionStd(east=1.0, north=1.0, up=0.5),
            ellipse_95=Ellipse(semi_major_m=2.45, semi_minor_m=2.4, azimuth_deg=0),
        )
        points.append(
            TrackPoint(
                frame=name,
                time_s=float(index),
                captured_at=times.format(index) if times else None,
                status=status,
                result=result(name, lat)
                if solved
                else LocalizationResult(query=name, status="not_located", reason="x"),
                alone="located" if status == "located" else "not_located",
                interpolated=place if status == "interpolated" else None,
                starts_piece=index == CUT_BEFORE,
            )
        )
    return points
