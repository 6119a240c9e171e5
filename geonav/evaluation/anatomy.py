"""Where a query failed: the first step of locating it that did not do its work."""

from __future__ import annotations

from collections.abc import Sequence

from geonav.data.results import LocalizationResult
from geonav.evaluation.record import QueryRecord
from geonav.geometry.geodesy import GeoPoint, distance_m

UNREADABLE = "unreadable"
NOT_RETRIEVED = "not_retrieved"
NOT_MATCHED = "not_matched"
NO_GEOMETRY = "no_geometry"
WRONG_POSE = "wrong_pose"
FALSE_ACCEPT = "false_accept"
FAILURES = (UNREADABLE, NOT_RETRIEVED, NOT_MATCHED, NO_GEOMETRY, WRONG_POSE, FALSE_ACCEPT)
# A pose further off than the loosest of the field's thresholds sends people to another place.
WRONG_BEYOND = (5.0, 10.0)


def failure_of(
    record: QueryRecord,
    result: LocalizationResult,
    errors: tuple[float | None, float | None],
    within_m: float,
    min_inliers: int,
) -> str | None:
    """Why the answer is not right, or None where it is, or where nothing says that it is not.

    ``unreadable``: the photo could not be read.
    ``not_retrieved``: no reference near the truth was found. ``not_matched``: some were, but none shares keypoints
    enough with the photo. ``no_geometry``: one does, yet no pose could be believed. ``wrong_pose``: a pose was
    believed that is off by more than 5 m or 10 degrees. ``false_accept``: a photo from elsewhere was given a pose.

    Args:
        record: what was asked and retrieved.
        result: what was found.
        errors: of position in metres and orientation in degrees; None where they are not known.
        within_m: a reference up to this distance from the truth is a right one.
        min_inliers: keypoints that acceptance asked for: fewer matches cannot carry a pose, whatever their geometry.
    """
    if record.is_distractor:
        return FALSE_ACCEPT if result.status == "located" else None
    if record.truth is None:
        return None
    if record.error is not None:
        return UNREADABLE
    if result.status == "located":
        off = any(error is not None and error > most for error, most in zip(errors, WRONG_BEYOND, strict=True))
        return WRONG_POSE if off else None
    right = right_references(record, within_m)
    if not right:
        return NOT_RETRIEVED
    matches = (reference.num_matches for reference in result.references if reference.uid in right)
    return NO_GEOMETRY if max(matches, default=0) >= min_inliers else NOT_MATCHED


def right_references(record: QueryRecord, within_m: float) -> frozenset[str]:
    """Names of the retrieved references that stand near the truth."""
    away = distances_m(record)
    return frozenset(
        hit.uid for hit, metres in zip(record.retrieved, away, strict=True) if metres is not None and metres <= within_m
    )


def distances_m(record: QueryRecord) -> Sequence[float | None]:
    """How far each retrieved reference is from the truth, along the ground; None where a position is not known."""
    if record.truth is None:
        return [None] * len(record.retrieved)
    truth = GeoPoint(record.truth.lat, record.truth.lng)
    return [
        None if hit.lat is None or hit.lng is None else distance_m(truth, GeoPoint(hit.lat, hit.lng))
        for hit in record.retrieved
    ]
