"""From all retrieved references to one believed pose, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from geonav.pose.absolute import FirstPose
from geonav.pose.acceptance import Evidence, Thresholds, contradicts, leads, objection, weigh
from geonav.pose.grouping import group_views
from geonav.pose.solver import Query, Solution, SolveOptions, refine, solve
from geonav.pose.tracks import View


@dataclass(frozen=True)
class Decision:
    """The outcome for one photo.

    Attributes:
        solution: the best pose found, believed or not; None where there is none.
        evidence: what speaks for it.
        refusal: why it is not believed; None where it is.
    """

    solution: Solution | None
    evidence: Evidence | None
    refusal: str | None


@dataclass(frozen=True)
class DecideOptions:
    """Everything that decides: the solver's gates, the thresholds and how references are grouped.

    Attributes:
        solver: gates and seed.
        thresholds: what a pose must show.
        group_radius_m: references nearer than this may be solved together.
        min_shared: keypoints of the photo that tie two references looking different ways together.
    """

    solver: SolveOptions = field(default_factory=SolveOptions)
    thresholds: Thresholds = field(default_factory=Thresholds)
    group_radius_m: float = 30.0
    min_shared: int = 10


def decide(query: Query, views: Sequence[View], options: DecideOptions) -> Decision:
    """Solve each group of references apart and believe the best only where it is clearly the best."""
    groups = group_views(views, options.group_radius_m, options.min_shared)
    solutions = [s for s in (solve(query, group, options.solver) for group in groups) if s is not None]
    if not solutions:
        return Decision(None, None, "the matches to the references do not agree on any pose")
    solutions.sort(key=lambda solution: -solution.num_inliers)
    best = solutions[0]
    rivals = solutions[1:] + _second_opinion(query, best, options)
    if len(groups) > 1:
        best = _with_all(query, views, best, options) or best
    evidence = weigh(best, query)
    refusal = objection(evidence, options.thresholds)
    if refusal is None and not leads(best, rivals, options.thresholds):
        most = max(rival.num_inliers for rival in rivals if contradicts(best, rival))
        refusal = f"two places look alike: {best.num_inliers} keypoints speak for one and {most} for another"
    return Decision(best, evidence, refusal)


def _with_all(query: Query, views: Sequence[View], best: Solution, options: DecideOptions) -> Solution | None:
    """The solution again with whatever in the other groups agrees with it."""
    first = FirstPose(best.pose, best.camera, np.zeros(0, bool))
    joint = refine(query, views, first, options.solver, method=best.method)
    return joint if joint is not None and joint.num_inliers >= best.num_inliers else None


def _second_opinion(query: Query, best: Solution, options: DecideOptions) -> list[Solution]:
    """What the matches that disagree with the best solution would say on their own.

    A facade that repeats gives each of two shifted poses its share of the same references' matches.
    """
    rest = []
    for index, view in enumerate(best.views):
        used = best.tracks.keypoint[best.tracks.track[best.tracks.view == index]]
        left = ~np.isin(view.query_index, used)
        rest.append(replace(view, pixels=view.pixels[left], query_index=view.query_index[left]))
    keypoints = np.unique(np.concatenate([view.query_index for view in rest]))
    if len(keypoints) * options.thresholds.min_lead < best.num_inliers:
        return []
    other = solve(query, rest, options.solver)
    return [] if other is None else [other]
