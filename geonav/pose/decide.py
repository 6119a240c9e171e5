"""From all retrieved references to one believed pose, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from geonav.pose.absolute import FirstPose
from geonav.pose.acceptance import Evidence, Thresholds, contradicts, exclusive_support, leads, objection, weigh
from geonav.pose.dissent import dissent, nearly_agreeing, rigid_matches
from geonav.pose.grouping import GROUP_RADIUS_M, MIN_SHARED, group_views
from geonav.pose.solver import PLACES_FOR_FOCAL, Query, Solution, SolveOptions, refine, solve
from geonav.pose.tracks import View

# A calibration may be off by this much, and by this many standard deviations, before it is called wrong.
_MAX_FOCAL_ERROR_REL = 0.015
_MAX_FOCAL_SIGMAS = 10.0
# Beyond this many it is not chance, and the difference counts as the calibration's standard deviation. On rendered
# streets a focal length solved from wide baselines was off by up to three standard deviations of independent noise.
_CHANCE_SIGMAS = 6.0
# Before a facade that is flat and far, a longer lens and a greater distance look alike, and the matches name a focal
# length that explains no more than the one given. One that is really off by 2 % loses as much of the matches, or more.
_EXPLAINS_MORE = 1.01
_LOOSE_CENTER_REL = 0.01
# References that deny the pose of their group are asked for theirs, up to so many poses.
_MAX_POSES_OF_GROUP = 3


@dataclass(frozen=True)
class Decision:
    """The outcome for one photo.

    Attributes:
        solution: the best pose found, believed or not; None where there is none.
        evidence: what speaks for it.
        refusal: why it is not believed; None where it is.
        candidates: poses that neighbours in a sequence may tell apart, the best first; none where the camera itself
            is in doubt, for then all are bent.
    """

    solution: Solution | None
    evidence: Evidence | None
    refusal: str | None
    candidates: tuple[Solution, ...] = ()
    is_contested: bool = False


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
    group_radius_m: float = GROUP_RADIUS_M
    min_shared: int = MIN_SHARED


def decide(query: Query, views: Sequence[View], options: DecideOptions) -> Decision:
    """Solve each group of references apart and believe the best only where it is clearly the best."""
    groups = group_views(views, options.group_radius_m, options.min_shared)
    solutions = [solution for group in groups for solution in _solutions(query, group, options)]
    if not solutions:
        return Decision(None, None, "the matches to the references do not agree on any pose")
    solutions.sort(key=lambda solution: -solution.num_inliers)
    best = solutions[0]
    rivals = solutions[1:] + _second_opinion(query, best, options)
    if len(groups) > 1:
        best = _with_all(query, views, best, options) or best
    evidence = weigh(best, query)
    refusal = objection(evidence, options.thresholds)
    if refusal is not None:
        return Decision(best, evidence, refusal, (best, *rivals))
    refusal = _outdone(best, rivals, options) or _look_alike(query, views, best, options)
    if refusal is not None:
        return Decision(best, evidence, refusal, (best, *rivals), is_contested=True)
    best, refusal = check_camera(query, best, options)
    evidence = weigh(best, query)
    if refusal is not None:
        return Decision(best, evidence, refusal)
    return Decision(best, evidence, objection(evidence, options.thresholds), (best, *rivals))


def _outdone(best: Solution, rivals: Sequence[Solution], options: DecideOptions) -> str | None:
    """Why not to believe the best pose beside another that is nearly as good, or None."""
    for rival in rivals:
        if contradicts(best, rival) and not leads(best, rival, options.thresholds):
            own, other = exclusive_support(best, rival)
            return f"two places look alike: {own} keypoints speak for one alone and {other} for another"
    return None


def _solutions(query: Query, views: Sequence[View], options: DecideOptions) -> list[Solution]:
    """The pose of a group of references, and those that the references which deny it agree on among themselves.

    Copies of a house that stand a few doors apart are in one group, and the first pose found may be of the wrong ones.
    """
    found: list[Solution] = []
    rest = list(views)
    while rest and len(found) < _MAX_POSES_OF_GROUP:
        solution = solve(query, rest, options.solver)
        if solution is None:
            break
        found.append(solution)
        agreeing = solution.inliers_per_view()
        rest = [view for view, count in zip(rest, agreeing, strict=True) if count == 0]
    return found


def _look_alike(query: Query, views: Sequence[View], best: Solution, options: DecideOptions) -> str | None:
    """Why not to believe a pose that a reference denies which explains the photo nearly as well, or None."""
    counts = best.inliers_per_view()
    own = int(counts.max())
    view = best.views[int(counts.argmax())]
    if view.joint is not None:  # what is solved for is a little off: it denies a pose by pixels, another place by more
        own = max(own, nearly_agreeing(query, view, best))
    if own < options.thresholds.min_best_share * len(view.query_index):
        rigid = rigid_matches(query, view, options.solver.seed)
        if own < options.thresholds.min_best_share * rigid:
            return f"only {own} of {rigid} matches that belong together in the best reference agree with the pose"
    # As between two poses, what both explain tells nothing: copies of one house share most of what a photo shows. Yet
    # the pose must add to what the other place shows, for that one is judged by fewer references.
    lead, supported = options.thresholds.min_lead, np.unique(best.tracks.keypoint)
    for shown in dissent(query, views, best, options.solver.min_view_share, options.solver.seed):
        alone, other = len(np.setdiff1d(supported, shown)), len(np.setdiff1d(shown, supported))
        if alone < max(lead * other, len(shown) / lead):
            return f"two places look alike: {alone} keypoints speak for one alone and {other} for another"
    return None


def check_camera(query: Query, best: Solution, options: DecideOptions) -> tuple[Solution, str | None]:
    """Compare a calibration that was held fixed with what the matches say of the focal length.

    A wrong focal length bends a pose by metres and leaves the residuals small; solving for it tells. Returns the
    solution, less certain where the two differ by more than chance would have it, and why not to believe it where
    they differ too much, or None.
    """
    solved = _with_free_camera(query, best, options)
    if solved is None:
        return best, None
    given, found = query.camera.focal_px, solved.camera.focal_px
    sigma = solved.covariance.focal_std_px or 0.0
    off = abs(found - given)
    if off <= _CHANCE_SIGMAS * sigma:
        return best, None
    if len(solved.tracks.track) <= _EXPLAINS_MORE * len(best.tracks.track):
        off = min(off, _MAX_FOCAL_ERROR_REL * given)
    elif off > max(_MAX_FOCAL_ERROR_REL * given, _MAX_FOCAL_SIGMAS * sigma):
        return best, f"the camera given has a focal length of {given:.0f} px, but the matches say {found:.0f} px"
    std = query.intrinsics_std[:3].copy()
    std[0] = max(std[0], off)
    return replace(best, held_std=std), None


def _with_free_camera(query: Query, best: Solution, options: DecideOptions) -> Solution | None:
    """The solution with the intrinsics solved for; None where they were already, or would mean little."""
    if query.intrinsics_free or not query.camera.is_pinhole or best.num_places() < PLACES_FOR_FOCAL:
        return None
    loose_px = _LOOSE_CENTER_REL * max(query.camera.width, query.camera.height)
    bend = np.maximum(query.intrinsics_std[3:], 1e-6)
    std = np.array([query.camera.focal_px, loose_px, loose_px, *bend])
    free = replace(query, intrinsics_free=True, intrinsics_std=std)
    first = FirstPose(best.pose, best.camera, np.zeros(0, bool))
    return refine(free, best.views, first, options.solver, method=best.method)


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
    if len(keypoints) < options.thresholds.min_inliers:
        return []
    other = solve(query, rest, options.solver)
    if other is None or not contradicts(best, other):
        return []
    # What agrees with both must not count for the one that was found first.
    first = FirstPose(other.pose, other.camera, np.zeros(0, bool))
    return [refine(query, best.views, first, options.solver, method=other.method) or other]
