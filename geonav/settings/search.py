"""The section of asking a database for the references that look like a photo."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field, field_validator, model_validator

from geonav.settings.base import Section

LatLng = tuple[float, float]
QueryAugmentation = Literal[
    "none", "hard_resize", "single_query", "central_crop", "five_crops", "nearest_crop", "majority_voting"
]


class SearchConfig(Section):
    """``[search]``: which references may be found, and in which order they come.

    A filter leaves out the references of which it is not known whether they pass.
    """

    near: LatLng | None = Field(None, description="only references around this latitude and longitude, degrees")
    within_m: float | None = Field(None, gt=0, description="how far around near, metres; needs near")
    captured_after: str | None = Field(None, description="only references of this day or later: 2024, 2024-05-31")
    captured_before: str | None = Field(None, description="only references of this day or earlier")
    provider: str | None = Field(None, description="only references of this provider")
    heading: LatLng | None = Field(
        None, description="only references that look between these azimuths, clockwise from the first to the second"
    )
    query_augmentation: QueryAugmentation = Field(
        "none",
        description="looks at the photo, for descriptors of pixels: none, hard_resize, single_query, central_crop, "
        "five_crops, nearest_crop or majority_voting",
    )
    group: bool | None = Field(
        None, description="one reference of each place, its best; not set: on for search, off for localize"
    )
    group_within_m: float = Field(1.0, ge=0, description="references nearer to each other than this are one place")
    rerank: str = Field(
        "neighbours",
        description="order: none, neighbours (references around a hit vouch for it), gnn, k-reciprocal, qe, dba or "
        "inliers",
    )
    support: float = Field(
        0.35, ge=0, le=10, description="how much a neighbour's similarity counts in neighbours; the hit's own counts 1"
    )
    rerank_depth: int = Field(
        200, ge=1, le=5000, description="best references that descriptors re-rank; the rest follow"
    )
    inlier_depth: int = Field(20, ge=1, le=1000, description="best references that inliers re-rank; the rest follow")
    k1: int | None = Field(
        None, ge=1, description="neighbours of gnn and k-reciprocal; not set: by the database's views per place"
    )
    k2: int | None = Field(None, ge=1, description="neighbours that are averaged; not set: by the views per place")
    alpha: float | None = Field(
        None, ge=0, le=100, description="how much more near neighbours count; not set: 2 for gnn, 3 for qe and dba"
    )
    layers: int = Field(2, ge=0, le=10, description="times that gnn mixes neighbours")
    blend: float = Field(0.3, ge=0, le=1, description="share of the plain similarity in gnn and k-reciprocal")

    recall_within_m: float = Field(25.0, gt=0, description="evaluate counts a hit as right up to this many metres away")

    @field_validator("near")
    @classmethod
    def _is_a_position(cls, value: LatLng | None) -> LatLng | None:
        if value is not None and not (abs(value[0]) <= 90 and abs(value[1]) <= 180):
            msg = "give a latitude from -90 to 90 and a longitude from -180 to 180"
            raise ValueError(msg)
        return value

    @field_validator("heading")
    @classmethod
    def _is_a_sector(cls, value: LatLng | None) -> LatLng | None:
        if value is not None and not all(-360 <= angle <= 360 for angle in value):
            msg = "give two azimuths from -360 to 360 degrees"
            raise ValueError(msg)
        return value

    @field_validator("within_m", "recall_within_m", "group_within_m")
    @classmethod
    def _is_finite(cls, value: float | None) -> float | None:
        if value is not None and not math.isfinite(value):
            msg = "give a number of metres"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _near_and_within(self) -> SearchConfig:
        if self.within_m is not None and self.near is None:
            msg = "within_m needs near: say around which point, as in --near 48.94 8.40"
            raise ValueError(msg)
        if self.near is not None and self.within_m is None:
            msg = "near needs within_m: say how far around it, as in --within 500"
            raise ValueError(msg)
        return self
