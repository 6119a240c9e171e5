"""What a result says beside its pose: the references used, notes, and the settings that made it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from geonav.config import GeonavConfig
from geonav.data.map_store import MapPart
from geonav.data.metadata import problems_of
from geonav.data.results import ReferenceUse
from geonav.errors import ConfigError
from geonav.pipeline.found import Found, matching_notes
from geonav.pipeline.hits import Retrieved
from geonav.pipeline.query import QueryPhoto
from geonav.pipeline.view_matches import ViewMatches
from geonav.pose.decide import Decision


@dataclass(frozen=True)
class Told:
    """Who is told what on the way to a result."""

    on_retrieved: Callable[[Retrieved], None] | None
    on_decided: Callable[[QueryPhoto, Decision], None] | None
    on_matched: Callable[[list[ViewMatches]], None] | None
    check: Callable[[], None]


def asked_settings(config: GeonavConfig) -> dict[str, Any]:
    """The settings that another question to the same database may change."""
    settings: dict[str, Any] = {"localize": config.localize.model_dump(mode="json")}
    search = config.search.model_dump(mode="json", exclude_defaults=True)
    return {**settings, "search": search} if search else settings


def replaced(config: GeonavConfig, search: Mapping[str, Any], localize: Mapping[str, Any]) -> GeonavConfig:
    """A configuration with some settings of ``[search]`` and ``[localize]`` replaced.

    Raises:
        ConfigError: one does not fit.
    """
    try:
        sections = {
            "search": type(config.search).model_validate({**config.search.model_dump(), **search}),
            "localize": type(config.localize).model_validate({**config.localize.model_dump(), **localize}),
        }
    except ValidationError as error:
        raise ConfigError("; ".join(problems_of(error))) from error
    return config.model_copy(update=sections)


def said_of(photo: QueryPhoto, found: Found, decision: Decision | None) -> dict[str, Any]:
    """The fields that every result has, located or not, but for its settings."""
    from geonav import __version__

    inliers: dict[str, int] = {}
    if decision is not None and decision.solution is not None:
        counts = decision.solution.inliers_per_view().tolist()
        inliers = {view.uid: count for view, count in zip(decision.solution.views, counts, strict=True)}
    references = [
        ReferenceUse(
            uid=uid,
            score=round(score, 6),
            num_matches=(matches := found.matches.num_matches.get(uid, 0)),
            num_inliers=min(inliers.get(uid, 0), matches),  # a map adds what others saw
        )
        for uid, score in found.used
    ]
    return {
        "query": str(photo.photo.path),
        "references": references,
        "notes": [*photo.notes, *found.notes, *matching_notes(found.matches)],
        "seconds": found.watch.seconds,
        "geonav_version": __version__,
    }


def located_notes(photo: QueryPhoto, decision: Decision, *, has_prior: bool) -> list[str]:
    """What a careful reader should know of a pose."""
    notes = []
    if photo.source == "estimated":
        notes.append("the photo does not say its focal length: it was estimated from the references")
    if not photo.is_calibrated and decision.solution is not None:
        k1 = decision.solution.adjusted.query.intrinsics[4]
        notes.append(f"focal length, principal point and distortion (k1 = {k1:+.4f}) were solved with the pose")
    if has_prior:
        notes.append("the position in the photo's EXIF was used as a prior")
    views = () if decision.solution is None else decision.solution.views
    if any(isinstance(view.joint, MapPart) and view.joint.facts.get("adjusted_with_photo") for view in views):
        notes.append(
            "the references' poses are doubtful and were adjusted with the photo's: `geonav map build` does better"
        )
    if decision.solution is not None and decision.solution.method == "generalized_relative":
        notes.append("too few points could be triangulated: the pose started from two-view geometry")
    return notes
