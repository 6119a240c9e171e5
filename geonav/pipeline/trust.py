"""How far a reference's own statements are to be trusted, where its source says, and where it does not."""

from __future__ import annotations

from geonav.data.metadata import AxisStd, ImageMetadata

# Without a word from the source: what street-level providers are good for.
_DEFAULT_POSITION_STD_M = 2.0
_DEFAULT_HEADING_STD_DEG = 2.0
_MAX_TILT_STD_DEG = 3.0


def position_std_m(metadata: ImageMetadata) -> tuple[float, float, float]:
    """Standard deviations of the position along east, north and up."""
    std = metadata.position_std_m
    if isinstance(std, AxisStd):
        return std.east, std.north, std.up
    value = _DEFAULT_POSITION_STD_M if std is None else std
    return value, value, value


def heading_std_deg(metadata: ImageMetadata) -> float:
    """Standard deviation of the azimuth."""
    return metadata.heading_std_deg if metadata.heading_std_deg is not None else _DEFAULT_HEADING_STD_DEG


def tilt_std_deg(metadata: ImageMetadata) -> float:
    """Of pitch and roll: as the source says, else that of the heading within bounds, for gravity is felt."""
    said = (metadata.model_extra or {}).get("pitch_roll_std_deg")
    return float(said) if isinstance(said, int | float) else min(heading_std_deg(metadata), _MAX_TILT_STD_DEG)


def panorama_of(metadata: ImageMetadata) -> str:
    """Name of the panorama that a view was cut from, its provider's with it; empty where it is none."""
    panorama = (metadata.model_extra or {}).get("pano_id")
    return f"{metadata.provider}:{panorama}" if isinstance(panorama, str) else ""
