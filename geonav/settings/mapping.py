"""``[map]``: the references among themselves."""

from __future__ import annotations

from pydantic import Field

from geonav.settings.base import Section


class MapConfig(Section):
    """How references are matched to each other and adjusted."""

    neighbours: int = Field(
        8, ge=1, description="references around each one that it is matched to, those nearest that look a similar way"
    )
    similar: int = Field(
        4, ge=0, description="references that look most like each one and that it is matched to, wherever they stand"
    )
    radius_m: float = Field(50.0, gt=0, description="references farther apart are no neighbours")
    min_matches: int = Field(
        30, ge=15, description="matches that one rigid scene explains for two references to be linked"
    )
    max_views: int = Field(
        200, ge=6, description="references of one part; larger areas are divided into parts that overlap"
    )
    overlap: int = Field(20, ge=3, description="references that a part shares with those around it")
    sequence_std_m: float = Field(
        1.0,
        gt=0,
        description="standard deviation, along each axis of the plane, of what the positions of one sequence, or "
        "drive, are off in common",
    )
