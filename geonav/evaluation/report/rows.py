"""What the page holds of each photo: a short row for list and map, and details that are read when it is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from geonav.data.results import LocalizationResult
from geonav.evaluation.record import QueryRecord, QueryScore
from geonav.evaluation.report.outcomes import outcome_key
from geonav.evaluation.report.where import Where
from geonav.geometry.geodesy import GeoPoint
from geonav.geometry.pose import camera_center
from geonav.pipeline.view_matches import ViewMatches


@dataclass(frozen=True)
class PagePhoto:
    """One photo on the page.

    Attributes:
        result: what locating it gave.
        evidence: matches of the references that were used, best first.
        record: what was asked, and what is known of the truth; only where it was a query of a run.
        score: the result against the truth.
    """

    result: LocalizationResult
    evidence: Sequence[ViewMatches] = ()
    record: QueryRecord | None = None
    score: QueryScore | None = None

    @property
    def name(self) -> str:
        """As it is listed."""
        return self.result.query if self.record is None else self.record.name

    @property
    def path(self) -> str:
        """Of its file."""
        return self.result.query if self.record is None else self.record.photo


@dataclass(frozen=True)
class Hit:
    """A reference that was retrieved for a photo, or matched to it.

    Attributes:
        uid: its name.
        similarity: of the global descriptors; None where it was not retrieved.
        num_matches: matched keypoints.
        num_inliers: matches that agree with the pose.
        away_m: from where the photo was taken, or where that is not known from where it was found.
    """

    uid: str
    similarity: float | None
    num_matches: int = 0
    num_inliers: int = 0
    away_m: float | None = None


@dataclass
class Shown:
    """How much the page shows of each photo, and under which numbers its references stand.

    Attributes:
        num_pairs: references whose matches are drawn.
        num_lines: matches that are drawn of each.
        number_of: numbers of the references by uid, in the order of their first use.
    """

    num_pairs: int
    num_lines: int
    number_of: dict[str, int] = field(default_factory=dict)

    def number(self, uid: str) -> int:
        """The number of a reference."""
        return self.number_of.setdefault(uid, len(self.number_of))


def hits_of(photo: PagePhoto, where: Where, near_m: float | None = None) -> list[Hit]:
    """All references that were retrieved or matched, in the order of retrieval.

    Where none of them stands near enough to the truth, the nearest one that there is comes last: it should have been
    found.

    Args:
        photo: what was asked and found.
        where: references stand.
        near_m: a reference up to this distance from the truth is a right one.
    """
    used = {use.uid: use for use in photo.result.references}
    similarity: dict[str, float] = {}
    if photo.record is not None:
        similarity = {each.uid: each.similarity for each in photo.record.retrieved}
    similarity |= {uid: use.score for uid, use in used.items()}
    place = _place(photo)
    hits = []
    for uid, score in similarity.items():
        use = used.get(uid)
        counts = (0, 0) if use is None else (use.num_matches, use.num_inliers)
        hits.append(Hit(uid, score, *counts, away_m=where.away_m(uid, place)))
    return [*hits, *_missed(photo, hits, where, near_m)]


def _missed(photo: PagePhoto, hits: Sequence[Hit], where: Where, near_m: float | None) -> list[Hit]:
    place = _place(photo)
    if photo.record is None or photo.record.truth is None or place is None or near_m is None:
        return []
    uid = None if any(hit.away_m is not None and hit.away_m <= near_m for hit in hits) else where.nearest(place)
    away_m = None if uid is None else where.away_m(uid, place)
    return [] if uid is None or away_m is None or away_m > near_m else [Hit(uid, None, away_m=away_m)]


def row(photo: PagePhoto) -> dict[str, Any]:
    """What list and map need; lengths in metres in the references' frame, angles in degrees from north."""
    result, ellipse, record = photo.result, photo.result.ellipse_95, photo.record
    truth = None if record is None else record.truth
    found: dict[str, Any] = {
        "name": photo.name,
        "kind": outcome_key(result, photo.score),
        "reason": result.reason,
        "seconds": round(sum(result.seconds.values()), 3) if result.seconds else None,
        "inliers": result.num_inliers,
        "estimate": None if result.E is None else _short(camera_center(np.array(result.E))[:2]),
        "azimuth": None if result.azimuth is None else round(result.azimuth, 2),
        "ellipse": ellipse and _short([ellipse.semi_major_m, ellipse.semi_minor_m, ellipse.azimuth_deg]),
        "truth": None if truth is None else _short(truth.center_m[:2]),
        "true_azimuth": None if truth is None or truth.azimuth is None else round(truth.azimuth, 2),
        "groups": {} if record is None else record.groups,
    }
    if photo.score is not None:
        found |= {
            "error_m": _rounded(_error_m(photo.score)),
            "error_deg": _rounded(_error_deg(photo.score)),
        }
    return {key: value for key, value in found.items() if value not in (None, {})}


def details(photo: PagePhoto, hits: Sequence[Hit], shown: Shown) -> dict[str, Any]:
    """What is shown of the photo that is looked at."""
    result = photo.result
    return {
        "facts": facts(photo),
        "notes": result.notes,
        "seconds": {name: round(value, 3) for name, value in result.seconds.items()},
        "hits": [
            [shown.number(hit.uid), None if hit.similarity is None else round(hit.similarity, 4),
             hit.num_matches, hit.num_inliers, None if hit.away_m is None else round(hit.away_m, 1)]
            for hit in hits
        ],
        "pairs": [_pair(each, shown) for each in photo.evidence[: shown.num_pairs]],
    }  # fmt: skip


def facts(photo: PagePhoto) -> list[tuple[str, str]]:
    """Names and figures, those that are known."""
    result, score, record = photo.result, photo.score, photo.record
    found: list[tuple[str, str | None]] = []
    if score is not None:
        found += [
            ("error in 3D", _metres(score.position_error_m)),
            ("horizontal", _metres(score.horizontal_error_m)),
            ("vertical", _metres(score.vertical_error_m, signed=True)),
            ("orientation off by", _degrees(score.rotation_error_deg)),
            ("heading off by", _degrees(score.azimuth_error_deg, signed=True)),
            ("truth in the 95 % ellipse", None if score.in_ellipse is None else "yes" if score.in_ellipse else "no"),
        ]
    if result.lat is not None and result.lng is not None and result.azimuth is not None:
        found += [
            ("found at", f"{result.lat:.7f}, {result.lng:.7f}"),
            ("height", None if result.alt is None else f"{result.alt:.2f} m ({result.alt_datum or 'datum not known'})"),
            ("looking", f"{result.azimuth:.1f}° from north"),
        ]
    if result.ellipse_95 is not None:
        found.append(
            ("95 % ellipse", f"{result.ellipse_95.semi_major_m:.3g} by {result.ellipse_95.semi_minor_m:.3g} m")
        )
    found.append(("heading ±", _degrees(result.azimuth_std_deg)))
    found.append(("matches that agree", str(result.num_inliers) if result.num_inliers else None))
    if record is not None and record.truth is not None:
        found.append(("truly at", f"{record.truth.lat:.7f}, {record.truth.lng:.7f}"))
        found.append(("nearest reference", _metres(record.nearest_reference_m)))
    if score is not None and not score.is_distractor and score.has_positive is not None:
        found.append(("first right hit", "none" if score.first_right is None else f"number {score.first_right}"))
    if record is not None:
        found += [(name, value or None) for name, value in record.groups.items()]
    return [(name, value) for name, value in found if value is not None]


def _place(photo: PagePhoto) -> GeoPoint | None:
    truth = None if photo.record is None else photo.record.truth
    if truth is not None:
        return GeoPoint(truth.lat, truth.lng)
    if photo.result.lat is None or photo.result.lng is None:
        return None
    return GeoPoint(photo.result.lat, photo.result.lng)


def _error_m(score: QueryScore) -> float | None:
    return score.horizontal_error_m if score.position_error_m is None else score.position_error_m


def _error_deg(score: QueryScore) -> float | None:
    if score.rotation_error_deg is not None:
        return score.rotation_error_deg
    return None if score.azimuth_error_deg is None else abs(score.azimuth_error_deg)


def _pair(evidence: ViewMatches, shown: Shown) -> dict[str, Any]:
    """Matches of one reference, at most so many, spread evenly over both kinds."""
    order = np.argsort(~evidence.inlier, kind="stable")
    kept = order[np.linspace(0, len(order) - 1, min(shown.num_lines, len(order))).astype(int)]
    ends = np.hstack([evidence.query_pixels, evidence.reference_pixels])[kept]
    return {
        "reference": shown.number(evidence.uid),
        "matches": len(evidence.inlier),
        "inliers": int(evidence.inlier.sum()),
        "agreeing": int(evidence.inlier[kept].sum()),  # the first of them agree, the rest do not
        "ends": ends.round().astype(int).ravel().tolist(),
    }


def _short(values: Any) -> list[float]:  # noqa: ANN401 - numbers in any container
    return [round(float(value), 3) for value in values]


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def _metres(value: float | None, *, signed: bool = False) -> str | None:
    if value is None:
        return None
    return f"{value:{'+' if signed else ''}.{3 if abs(value) < 10 else 1}f} m"


def _degrees(value: float | None, *, signed: bool = False) -> str | None:
    return None if value is None else f"{value:{'+' if signed else ''}.3f}°"
