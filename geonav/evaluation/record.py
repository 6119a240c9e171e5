"""What a run leaves behind for each query: enough to score it anew without locating, or opening a database, again."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from geonav.data.results import LocalizationResult, Matrix

# Raised when a run folder of an older version can no longer be read.
RUN_VERSION = 1
# Hits that are kept of each query.
NUM_HITS = 20


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Truth(_Record):
    """Where a query was really taken, as far as its table or database says."""

    lat: float = Field(description="degrees, WGS84")
    lng: float = Field(description="degrees, WGS84")
    alt: float | None = Field(None, description="metres in the references' height datum")
    azimuth: float | None = Field(None, description="of the optical axis, degrees clockwise from true north")
    center_m: tuple[float, float, float | None] = Field(
        description="east, north, up in the references' frame; up is null where the height is not known"
    )
    E: Matrix | None = Field(
        None, description="camera_from_world 4x4 in the references' frame, where the pose is known"
    )


class RetrievedReference(_Record):
    """One retrieved reference, in the order of retrieval, and where it stands."""

    uid: str
    similarity: float
    lat: float | None = None
    lng: float | None = None


class QueryRecord(_Record):
    """One query of a run: what was asked, and what retrieval gave; what locating gave is its result."""

    name: str = Field(description="unique within the run; uid in a query database, path as written in a table")
    photo: str = Field(description="path of the photo")
    sha256: str = Field("", description="of the photo's file; empty where it could not be read")
    error: str | None = Field(None, description="why the photo could not be read; null where it could")
    mask: str | None = Field(None, description="path of the picture that hides parts of the photo")
    camera: str | None = Field(None, description="the calibration that was given: model, size and parameters")
    is_distractor: bool = Field(False, description="taken elsewhere: every answer to it is a false one")
    truth: Truth | None = Field(None, description="null for distractors alone")
    groups: dict[str, str] = Field(default_factory=dict, description="further columns of the query table")
    captured_at: str | None = Field(None, description="ISO 8601, where known")
    sequence: str | None = Field(None, description="drive or sequence it belongs to, where known")
    retrieved: tuple[RetrievedReference, ...] = Field((), description="the best 20, best first")
    num_asked: int = Field(20, description="hits asked for: recall among more is not defined")
    nearest_reference_m: float | None = Field(None, description="horizontal distance of the reference nearest to it")


class RunInfo(_Record):
    """``run.json``: what is needed to repeat a run and to tell two runs apart."""

    version: int = RUN_VERSION
    name: str
    started_at: str = Field(description="ISO 8601, UTC")
    command: list[str] = Field(default_factory=list, description="arguments, secrets left out")
    query_set: str
    distractors: list[str] = Field(default_factory=list)
    reference_set: str
    origin: tuple[float, float, float] = Field(description="lat, lng, alt of the references' frame")
    alt_datum: str | None = None
    num_references: int
    stamps: dict[str, Any] = Field(default_factory=dict, description="of the references' features and indexes")
    config: dict[str, Any] = Field(default_factory=dict, description="settings, secrets redacted")
    versions: dict[str, str] = Field(default_factory=dict, description="of geonav, Python and what computes")
    weights: dict[str, str] = Field(default_factory=dict, description="sha256 of each file of weights")
    machine: dict[str, Any] = Field(default_factory=dict, description="processor, cores, device, threads")
    git: dict[str, Any] | None = Field(None, description="commit and whether files were changed, in a checkout")
    seed: int = 0
    peak_memory_bytes: int | None = None
    notes: list[str] = Field(default_factory=list, description="what a careful reader should know of the query set")


class QueryScore(_Record):
    """One query against its truth. Whatever needs a pose is null where none was found, or none is known."""

    name: str
    status: str
    reason: str | None = None
    is_distractor: bool = False
    groups: dict[str, str] = Field(default_factory=dict)
    failure: str | None = Field(None, description="why it is not right, see geonav.evaluation.anatomy; null if it is")
    position_error_m: float | None = Field(None, description="in 3D; null where the true height is not known")
    horizontal_error_m: float | None = None
    vertical_error_m: float | None = Field(None, description="height found minus true height")
    rotation_error_deg: float | None = None
    azimuth_error_deg: float | None = Field(None, description="found minus true, in [-180, 180)")
    semi_major_m: float | None = Field(None, description="of the reported 95 % ellipse")
    azimuth_std_deg: float | None = None
    in_ellipse: bool | None = Field(None, description="whether the reported 95 % ellipse holds the true position")
    horizontal_nes: float | None = Field(None, description="e' S^-1 e of the horizontal error / 2: about 1 if honest")
    position_nes: float | None = Field(None, description="e' S^-1 e of the 3D error / 3, from the axes' deviations")
    azimuth_nes: float | None = Field(None, description="(azimuth error / its standard deviation) squared")
    confidence: float | None = Field(None, description="what answers are sorted by when only some are accepted")
    first_hit: str | None = None
    first_hit_m: float | None = None
    first_right: int | None = Field(None, description="rank, from 1, of the best hit within the threshold")
    has_positive: bool | None = Field(None, description="whether any reference stands within the threshold")
    num_inliers: int = 0
    seconds: float = 0.0


def pose_matrix(value: Matrix | None) -> NDArray[np.float64] | None:
    """A stored matrix (4, 4) as an array."""
    return None if value is None else np.array(value, float)


Scored = tuple[QueryRecord, LocalizationResult, QueryScore]
